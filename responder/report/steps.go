package report

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/tollwarden/tollwarden/responder/incident"
	"github.com/tollwarden/tollwarden/responder/score"
)

// tellSteps says what came of a step, or of several equal ones.
func (f *facts) tellSteps(g []moment) string {
	s := g[0].step
	var targets []string
	for _, m := range g {
		if !slices.Contains(targets, m.step.target) {
			targets = append(targets, m.step.target)
		}
	}
	target := f.Language.List(targets)
	switch {
	case s.State == incident.Done:
		return f.tellDone(s, target)
	case s.State == incident.Failed:
		return f.withDetail("failed", s, target)
	case f.observed || f.paused:
		return f.say("would."+f.deed(s), "target", target)
	case s.instead() != "":
		return f.say("instead."+instead(s.Detail), "target", target)
	}
	return f.withDetail("undone", s, target)
}

// deed is the key of what a step does.
func (f *facts) deed(s *step) string {
	switch {
	case s.device():
		return "device"
	case s.kind == incident.StepLimitCosts && (f.spending() || score.IsOrigin(s.Target)):
		return "limit-costs-everywhere"
	}
	return string(s.kind)
}

// withDetail says what did not happen, and why, in the words in which it is recorded.
func (f *facts) withDetail(group string, s *step, target string) string {
	words := f.say(group+"."+f.deed(s), "target", target)
	if s.Detail == "" {
		return words
	}
	return f.say("story.because", "what", strings.TrimSuffix(words, "."), "why", strings.TrimSuffix(plain(s.Detail), "."))
}

func (f *facts) tellDone(s *step, target string) string {
	if why, over := strings.CutPrefix(s.Detail, incident.NoLonger); over {
		return f.say("done.no-longer", "target", target, "why", strings.TrimSuffix(plain(why), "."))
	}
	if s.kind != incident.StepBan {
		return f.say("done."+f.deed(s), "target", target)
	}
	if s.device() {
		return f.say("done.device", "target", target)
	}
	until, scope := f.ban(s.Detail)
	return f.say("done.ban"+scope, "target", target, "until", until)
}

// ban reads until when and what a ban closes from its recorded text (incident.Ban.UntilText).
func (f *facts) ban(detail string) (until, scope string) {
	switch {
	case strings.Contains(detail, incident.AsteriskOnly):
		scope = "-asterisk"
	case strings.Contains(detail, " (SIP and IAX2 over UDP only"):
		scope = "-sip"
	}
	text, _, _ := strings.Cut(strings.TrimPrefix(detail, "until "), " (")
	text, _, _ = strings.Cut(text, " UTC")
	at, err := time.Parse(time.DateTime, text)
	switch {
	case strings.HasPrefix(detail, "until released"):
		return f.say("ban.forever"), scope
	case err != nil:
		return f.say("ban.some-time"), scope
	}
	at = at.In(f.zone())
	if began := f.i.At.In(f.zone()); at.YearDay() == began.YearDay() && at.Year() == began.Year() {
		return f.say("ban.until", "time", at.Format("15:04")), scope
	}
	return f.say("ban.until", "time", f.Language.Moment(at)), scope
}

// instead is the key of what was done in place of a ban.
func instead(detail string) string {
	if strings.Contains(detail, incident.InsteadThrottled) {
		return "throttled"
	}
	return "closed"
}

// sharedLines says what was done about the addresses of a flood.
func (f *facts) sharedLines() []Line {
	if !f.i.Shared() {
		return nil
	}
	all, blocked := f.sharedBlocks()
	if f.observed || f.paused {
		return nil
	}
	mark := Done
	if blocked != all {
		mark = Undone
	}
	last := f.i.At
	for _, s := range f.steps {
		if s.at.After(last) {
			last = s.at
		}
	}
	return []Line{{
		When: f.clock(last, false), Mark: mark,
		Text: f.say("story.shared", "n", blocked[0]+blocked[1], "all", f.addresses(all[0], all[1])),
	}}
}

// details are for whoever wants to know exactly how it was.
func (f *facts) details(a *Annex) (lines []Line) {
	at := f.i.At.In(f.zone())
	add := func(key string, params ...any) { lines = append(lines, Line{Text: f.say(key, params...)}) }
	key, reason := "details.threshold", strings.TrimSuffix(plain(f.i.Reason), ".")
	if reason == "" {
		key = "details.threshold-bare"
	}
	add(key, "threshold", plain(f.i.Threshold), "playbook", cmp.Or(plain(f.i.Playbook), "–"), "reason", reason, "time", at.Format("15:04:05.000 -07:00"))
	if sources := f.sources(f.i.Evidence); len(sources) > 0 && !f.i.Shared() {
		add("details.addresses", "list", long(sources))
	}
	if f.spoofable() {
		add("details.spoofable")
	}
	if tried := accounts(f.i.Evidence); len(tried) > 1 {
		add("details.extensions", "list", long(tried))
	}
	if f.i.Key.Per == score.PerSite && !f.i.Shared() {
		lines = append(lines, f.guessers()...)
	}
	if !f.i.Shared() {
		for n := range f.steps {
			if n == mostSteps {
				add("details.more-steps", "n", len(f.steps)-n, "command", incident.Command("incident", itoa(f.i.ID), "--json"))
				break
			}
			lines = append(lines, f.stepDetail(&f.steps[n]))
		}
	}
	if a.Note != "" {
		lines = append(lines, Line{Text: a.Note})
	}
	if a.SHA256 != "" && len(a.Data) > 0 {
		add("details.annex", "command", incident.Command("incident", itoa(f.i.ID), "--annex"), "file", a.Name, "sum", a.SHA256)
	}
	return lines
}

// mostSteps is how many steps the details have.
const mostSteps = 20

func (f *facts) stepDetail(s *step) Line {
	at := s.at
	if at.IsZero() {
		at = s.decided
	}
	key := "details.step"
	if s.Detail == "" {
		key = "details.step-bare"
	}
	return Line{Text: f.say(key, "time", at.In(f.zone()).Format("15:04:05.000"), "state", f.say("state."+string(s.State)), "step", string(s.kind), "target", plain(s.Target), "detail", plain(s.Detail))}
}

// guessers lists, for an attack on the whole site, which accounts each address is known
// to have tried.
func (f *facts) guessers() (lines []Line) {
	var sources []string
	tried := map[string][]incident.Evidence{}
	for _, o := range f.guesses {
		source := f.source(o)
		if o.Source.IsValid() && o.Proof != score.Proven {
			source = f.say("address.spoofable", "address", source)
		}
		if len(tried[source]) == 0 {
			sources = append(sources, source)
		}
		tried[source] = append(tried[source], o)
	}
	for _, source := range sources {
		lines = append(lines, Line{Text: f.say("details.guesser", "address", source, "extensions", long(accounts(tried[source])))})
	}
	return lines
}

// long lists more names than a sentence does.
func long(names []string) string {
	const most = 20
	if len(names) > most {
		return strings.Join(names[:most], ", ") + ", …"
	}
	return strings.Join(names, ", ")
}
