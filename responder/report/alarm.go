package report

import "time"

// Alarm is something about the daemon itself that a person should know.
type Alarm struct {
	Event  string // a key of the texts
	At     time.Time
	Text   string  // the particulars, in English; "" if the event says it all
	Checks []Check // those that fail
}

// Check is one check of the daemon's health.
type Check struct{ Name, Detail string }

// urgent are the events that a person must act on.
var urgent = map[string]bool{"degraded": true, "ineffective": true, "waiting": true, "order": true}

// Alarm explains an alarm.
func (s Style) Alarm(a Alarm) *Page {
	p := &Page{
		Language: s.Language, Urgency: Info, Ref: s.Language.Say("ref.alarm"), Site: plain(s.Site), When: s.when(a.At),
		Title: plain(a.Event),
	}
	if urgent[a.Event] {
		p.Urgency = ActNow
	}
	if key := "alarm." + a.Event; s.Language.Has(key) {
		p.Title = p.say(key)
	}
	if key := "alarm-means." + a.Event; s.Language.Has(key) {
		p.Lead = []string{p.say(key)}
	}
	if text := Plain(a.Text); text != "" && len(a.Checks) == 0 {
		p.add(Section{Heading: p.say("heading.message"), Lines: []Line{{Text: text}}})
	}
	p.add(Section{Heading: p.say("heading.failing"), Lines: p.checks(a.Checks)})
	if key := "alarm-next." + a.Event; s.Language.Has(key) {
		p.add(Section{Heading: p.say("heading.next"), Lines: []Line{{Text: p.say(key)}}, Ordered: true})
	}
	return p
}

// checks lists checks with what they say.
func (p *Page) checks(list []Check) (lines []Line) {
	for _, c := range list {
		lines = append(lines, Line{Text: p.say("check", "name", plain(c.Name), "detail", Plain(c.Detail))})
	}
	return lines
}
