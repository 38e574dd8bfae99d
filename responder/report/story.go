package report

import (
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/tollwarden/tollwarden/responder/incident"
	"github.com/tollwarden/tollwarden/responder/score"
)

// moment is one thing that happened. Those of one kind that follow one another are told in
// one line.
type moment struct {
	at    time.Time
	kind  string
	mark  Mark
	guess *incident.Evidence // one of guess, sign, call and step is set
	sign  *incident.Evidence
	call  *call
	step  *step
}

// maxStory is how many lines a story has. If it had more, all of one kind are one line.
const maxStory = 12

// story says in order what happened and what was done.
func (f *facts) story() (lines []Line) {
	moments := f.moments()
	groups := fold(moments)
	if len(groups) > maxStory {
		groups = fold(gather(moments))
	}
	dated := f.severalDays(moments)
	for _, g := range groups {
		lines = append(lines, Line{When: f.span(g, dated), Mark: g[0].mark, Text: f.tell(g)})
	}
	return append(lines, f.sharedLines()...)
}

func (f *facts) moments() (list []moment) {
	for n := range f.i.Evidence {
		o := &f.i.Evidence[n]
		switch {
		case isGuess(o.Signal):
			list = append(list, moment{at: o.At, kind: "guess", guess: o})
		case o.Signal == score.SuccessfulAuth && f.breakIn: // the break-in itself says so
		default:
			list = append(list, moment{at: o.At, kind: o.Signal.String() + " " + o.Account + " " + o.Source.String(), sign: o})
		}
	}
	for n := range f.calls {
		list = append(list, moment{at: f.calls[n].Began, kind: "call", call: &f.calls[n]})
	}
	if !f.i.Shared() {
		list = append(list, f.stepMoments()...)
	}
	slices.SortStableFunc(list, func(a, b moment) int { return a.at.Compare(b.at) })
	return list
}

func (f *facts) stepMoments() (list []moment) {
	for n := range f.steps {
		s := &f.steps[n]
		m := moment{at: s.at, kind: string(s.kind) + " " + string(s.State), step: s, mark: Undone}
		switch s.State {
		case incident.Done:
			m.mark = Done
		case incident.Failed:
			m.mark = Failed
		}
		if s.State == incident.Intended || s.State == incident.Skipped && s.Informs() {
			continue // no outcome, or nothing that matters to what happened
		}
		if s.kind != incident.StepBan || s.Detail != f.steps[0].Detail {
			m.kind += " " + s.Target + s.Detail // only equal blocks are told together
		}
		if m.at.IsZero() {
			m.at = s.decided
		}
		list = append(list, m)
	}
	return list
}

// fold makes groups of what is of one kind and follows one another.
func fold(list []moment) (groups [][]moment) {
	for n, m := range list {
		if n > 0 && list[n-1].kind == m.kind {
			groups[len(groups)-1] = append(groups[len(groups)-1], m)
			continue
		}
		groups = append(groups, []moment{m})
	}
	return groups
}

// gather brings all moments of one kind together, where the first of them is.
func gather(list []moment) (out []moment) {
	byKind := map[string][]moment{}
	var order []string
	for _, m := range list {
		if m.sign != nil {
			m.kind = m.sign.Signal.String()
		}
		if m.step != nil && m.step.kind == incident.StepBan {
			m.kind = "ban " + string(m.step.State)
		}
		if len(byKind[m.kind]) == 0 {
			order = append(order, m.kind)
		}
		byKind[m.kind] = append(byKind[m.kind], m)
	}
	for _, kind := range order {
		out = append(out, byKind[kind]...)
	}
	return out
}

// severalDays reports whether times need their day.
func (f *facts) severalDays(list []moment) bool {
	day := f.i.At.In(f.zone()).YearDay()
	return slices.ContainsFunc(list, func(m moment) bool { return m.at.In(f.zone()).YearDay() != day })
}

// span is from when to when something happened.
func (f *facts) span(g []moment, dated bool) string {
	from, to := f.clock(g[0].at, dated), f.clock(g[len(g)-1].at, dated)
	if from == to {
		return from
	}
	return f.say("time.range", "from", from, "to", to)
}

func (f *facts) clock(at time.Time, dated bool) string {
	at = at.In(f.zone())
	if dated {
		return at.Format("01-02 ") + f.Language.Clock(at)
	}
	return f.Language.Clock(at)
}

// tell says what a group is.
func (f *facts) tell(g []moment) string {
	switch first := g[0]; {
	case first.guess != nil:
		return f.tellGuesses(g)
	case first.call != nil:
		return f.tellCalls(g)
	case first.sign != nil:
		return f.tellSigns(g)
	default:
		return f.tellSteps(g)
	}
}

func (f *facts) tellGuesses(g []moment) string {
	var list []incident.Evidence
	for _, m := range g {
		list = append(list, *m.guess)
	}
	key := "story.guesses"
	if !slices.ContainsFunc(list, func(o incident.Evidence) bool { return o.Proof == score.Proven }) {
		key = "story.guesses-spoofable"
	}
	return capital(f.say(key, "tried", f.triedWords(list), "extensions", f.extensions(accounts(list)), "from", f.Language.List(f.sources(list))))
}

// capital begins a sentence.
func capital(s string) string {
	r, n := utf8.DecodeRuneInString(s)
	return string(unicode.ToUpper(r)) + s[n:]
}

func (f *facts) tellSigns(g []moment) string {
	o := g[0].sign
	from := f.source(*o)
	switch {
	case o.Signal == score.SuccessAfterFailures:
		return f.say("story.break-in", "address", from, "who", plain(o.Account))
	case len(g) > 1:
		return f.say("signs.times", "sign", f.signal(o.Signal), "n", len(g)) + "."
	case !o.Source.IsValid():
		return f.signal(o.Signal) + "."
	case o.Proof != score.Proven && o.Signal != score.NewPlaceAfterFailures: // whose proof is that of the guesses
		return f.say("story.sign-spoofable", "sign", f.signal(o.Signal), "address", from)
	}
	return f.say("story.sign", "sign", f.signal(o.Signal), "address", from)
}

func (f *facts) tellCalls(g []moment) string {
	if len(g) == 1 {
		return f.tellCall(*g[0].call)
	}
	var numbers, countries []string
	answered, up := 0, 0
	for _, m := range g {
		c := m.call
		if !slices.Contains(numbers, c.number) {
			numbers = append(numbers, c.number)
		}
		if c.country != "" && !slices.Contains(countries, c.country) {
			countries = append(countries, c.country)
		}
		if c.answered {
			answered++
		}
		if c.up() {
			up++
		}
	}
	to := f.Language.List(countries)
	if to == "" {
		to = f.Language.List(numbers)
	}
	return f.say("story.calls", "n", len(g), "to", to, "answered", f.answeredWords(answered, up))
}

func (f *facts) tellCall(c call) string {
	to := c.number
	if c.country != "" {
		to = f.say("story.number", "number", c.number, "country", c.country)
	}
	key := "story.call-unanswered"
	switch {
	case c.answered && c.ended:
		key = "story.call-answered"
	case c.answered:
		key = "story.call-answered-up"
	case c.up():
		key = "story.call-up"
	}
	words := f.say(key, "to", to, "time", f.Language.Duration(c.talked))
	if c.Cost.Amount > 0 {
		words = strings.TrimSuffix(words, ".") + f.say("story.call-cost", "money", f.money(c.Cost))
	}
	return words
}
