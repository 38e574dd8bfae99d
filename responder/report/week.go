package report

import (
	"slices"
	"time"

	"github.com/tollwarden/tollwarden/responder/incident"
)

// Week is what a weekly summary tells.
type Week struct {
	From, To  time.Time
	Observing bool            // the mode, at the end of the week
	Incidents []IncidentCount // by threshold, the most frequent first
	BreakIns  int
	Banned    int     // addresses and networks that were blocked
	Guessed   int     // extensions at which passwords were tried
	AtRisk    []Risk  // extensions that somebody should look after
	Abroad    Use     // calls that cost
	Places    []Use   // the same by country or kind of number, the most expensive first
	Failing   []Check // checks that fail now
	Partial   string  // why the figures may be too low; "": they are not
}

// IncidentCount is how many incidents a threshold had.
type IncidentCount struct {
	Threshold string
	N         int
}

// Risk is an extension that somebody should look after.
type Risk struct {
	Account, Person string
	Why             RiskKind
}

// RiskKind is why an extension is at risk, the gravest first.
type RiskKind string

// Waiting: a step waits for a person. Stolen: somebody else has the password. Probation: an
// address may be a thief's. Locked: nobody unlocked it. Guessed: it is the one guessed at most.
const (
	RiskWaiting   RiskKind = "waiting"
	RiskStolen    RiskKind = "stolen"
	RiskProbation RiskKind = "probation"
	RiskLocked    RiskKind = "locked"
	RiskGuessed   RiskKind = "guessed"
)

// Use is what calls used.
type Use struct {
	Place    string // an ISO 3166 code, or a class such as "premium"; "" for all together
	Calls    int
	Time     time.Duration
	Money    int64 // in millionths
	Currency string
	Estimate bool
}

// The lists are bounded: a summary fits on a page.
const (
	mostRisks      = 8
	mostThresholds = 5
	mostPlaces     = 5
)

// Week explains a week.
func (s Style) Week(w Week) *Page {
	p := &Page{Language: s.Language, Urgency: Info, Ref: s.Language.Say("ref.week"), Site: plain(s.Site)}
	p.When = p.say("time.range", "from", s.Language.Date(w.From.In(s.zone())), "to", s.Language.Date(w.To.In(s.zone())))
	incidents := 0
	for _, c := range w.Incidents {
		incidents += c.N
	}
	act := len(w.Failing) > 0 || slices.ContainsFunc(w.AtRisk, func(r Risk) bool { return r.Why != RiskGuessed })
	switch {
	case w.BreakIns > 0:
		p.Title = p.say("week.break-ins", "n", w.BreakIns)
	case incidents > 0:
		p.Title = p.say("week.incidents", "n", incidents)
	default:
		p.Title = p.say("week.quiet")
	}
	if act {
		p.Urgency, p.Note = ActNow, p.say("week.note")
	}
	p.Lead = p.weekLead(&w)
	p.add(Section{Heading: p.say("week.heading-risk"), Lines: p.risks(w.AtRisk)})
	p.add(Section{Heading: p.say("heading.failing"), Lines: p.checks(w.Failing)})
	p.add(Section{Heading: p.say("week.heading-figures"), Table: p.figures(&w, incidents)})
	p.add(Section{Heading: p.say("week.heading-places"), Table: p.places(w.Places)})
	if w.Partial != "" {
		p.add(Section{Heading: p.say("heading.details"), Lines: []Line{{Text: p.say("week.partial", "why", plain(w.Partial))}}, Technical: true})
	}
	return p
}

func (p *Page) weekLead(w *Week) (lead []string) {
	if w.Observing {
		lead = append(lead, p.say("week.observing"))
	}
	if len(w.Failing) > 0 {
		return append(lead, p.say("week.unprotected"))
	}
	return append(lead, p.say("week.protected"))
}

func (p *Page) risks(list []Risk) (lines []Line) {
	for n, r := range list {
		if n == mostRisks {
			return append(lines, Line{Text: p.say("week.more-risks", "n", len(list)-n)})
		}
		who := plain(r.Account)
		if r.Person != "" {
			who += " " + plain(r.Person)
		}
		shows := incident.Command("incidents")
		switch r.Why {
		case RiskWaiting:
			shows = incident.AccountCommand("rotate", r.Account, "--expire")
		case RiskStolen, RiskGuessed:
			shows = incident.AccountCommand("rotate", r.Account)
		case RiskLocked:
			shows = incident.AccountCommand("unlock", r.Account)
		}
		lines = append(lines, Line{Text: p.say("week-risk."+string(r.Why), "who", who, "command", shows)})
	}
	return lines
}

// figures are the week in numbers.
func (p *Page) figures(w *Week, incidents int) *Table {
	t := &Table{Columns: []Column{{Name: p.say("week.what"), Free: true}, {Name: p.say("week.number"), Right: true}}}
	row := func(name, value string) { t.Rows = append(t.Rows, []string{name, value}) }
	number := func(n int) string { return p.Language.Number(int64(n)) }
	row(p.say("week.row-incidents"), number(incidents))
	for _, c := range w.Incidents[:min(len(w.Incidents), mostThresholds)] {
		name := plain(c.Threshold)
		if key := "threshold." + c.Threshold; p.Language.Has(key) {
			name = p.say(key)
		}
		row(p.say("week.row-of-them", "what", name), number(c.N))
	}
	row(p.say("week.row-banned"), number(w.Banned))
	row(p.say("week.row-guessed"), number(w.Guessed))
	row(p.say("week.row-calls"), number(w.Abroad.Calls))
	if w.Abroad.Calls > 0 {
		row(p.say("week.row-minutes"), p.Language.Duration(w.Abroad.Time))
	}
	if w.Abroad.Money > 0 {
		key := "week.row-money"
		if w.Abroad.Estimate {
			key = "week.row-money-estimate"
		}
		row(p.say(key), p.Language.Money(w.Abroad.Money, plain(w.Abroad.Currency)))
	}
	return t
}

func (p *Page) places(list []Use) *Table {
	t := &Table{Columns: []Column{
		{Name: p.say("calls.country"), Free: true}, {Name: p.say("heading.calls"), Right: true}, {Name: p.say("calls.lasted"), Right: true}, {Name: p.say("calls.cost"), Right: true},
	}}
	for _, u := range list[:min(len(list), mostPlaces)] {
		cost := "–"
		if u.Money > 0 {
			cost = p.Language.Money(u.Money, plain(u.Currency))
		}
		t.Rows = append(t.Rows, []string{p.place(u.Place), p.Language.Number(int64(u.Calls)), p.Language.Duration(u.Time), cost})
	}
	return t
}

// place names a country, or a class of numbers.
func (p *Page) place(name string) string {
	if key := "place." + name; name != "" && p.Language.Has(key) {
		return p.say(key)
	}
	if name == "" {
		return p.say("calls.unknown")
	}
	return plain(p.Language.Country(name))
}
