package report

import (
	"slices"
	"strings"
	"time"

	"github.com/tollwarden/tollwarden/responder/incident"
	"github.com/tollwarden/tollwarden/responder/score"
)

// whatHappened says it in one or two sentences.
func (f *facts) whatHappened() (lead []string) {
	tried, from := f.triedWords(f.guesses), f.Language.List(f.sources(f.guesses))
	switch {
	case f.breakIn && len(f.guesses) > 0:
		lead = []string{f.say("lead.break-in-after", "who", f.person, "address", f.thiefWords(), "tried", tried)}
	case f.breakIn:
		lead = []string{f.say("lead.break-in", "who", f.person, "address", f.thiefWords())}
	case f.i.Shared():
		return []string{f.say("lead.shared")}
	case f.probation != "":
		lead = []string{f.say("lead.new-place", "who", f.person, "address", f.probation)}
	case len(f.guesses) > 0 && len(f.guesses) == len(f.i.Evidence):
		lead = []string{f.say("lead.guesses", "from", from, "tried", tried, "extensions", f.extensions(accounts(f.guesses)))}
	default:
		if signs := f.signs(); len(signs) > 0 {
			lead = []string{f.say("lead.signs", "signs", strings.Join(signs, "; "))}
		} else if reason := plain(f.i.Reason); reason != "" {
			lead = []string{f.say("lead.reason", "reason", strings.TrimSuffix(reason, "."))}
		}
	}
	if t := f.tally(); t.all > 0 {
		lead = append(lead, f.say("lead.calls", "n", t.all, "answered", f.answeredWords(t.answered, t.up)))
	}
	return lead
}

// answeredWords says how many calls were answered, and how many are up.
func (f *facts) answeredWords(answered, up int) string {
	words := f.say("answered.none")
	if answered > 0 {
		words = f.say("answered.some", "n", answered)
	}
	if up == 0 {
		return words
	}
	return f.say("answered.and-up", "answered", words, "up", f.say("answered.up", "n", up))
}

// extensions names extensions in a sentence: "extension 1002", "3 extensions (1001, …)".
func (f *facts) extensions(list []string) string {
	switch len(list) {
	case 0:
		return f.say("extensions.none")
	case 1:
		return f.say("extensions.one", "name", list[0])
	}
	return f.say("extensions.many", "n", len(list), "names", f.Language.List(list))
}

// signs names each kind of signal once, with how often it was seen.
func (f *facts) signs() (list []string) {
	seen := map[score.Signal]int{}
	var order []score.Signal
	for _, o := range f.i.Evidence {
		if o.Signal == score.SuccessfulAuth {
			continue
		}
		if seen[o.Signal]++; seen[o.Signal] == 1 {
			order = append(order, o.Signal)
		}
	}
	for _, s := range order {
		words := f.signal(s)
		if n := seen[s]; n > 1 {
			words = f.say("signs.times", "sign", words, "n", n)
		}
		list = append(list, words)
	}
	return list
}

// signal says what a signal means, or its name if it has no words.
func (f *facts) signal(s score.Signal) string {
	if key := "signal." + s.String(); f.Language.Has(key) {
		return f.say(key)
	}
	return s.String()
}

// result counts what came of the steps.
type result struct {
	done, failed, skipped int
	waits                 bool // something waits for a person
	longest               time.Duration
	undelivered           bool
}

func (f *facts) result() (r result) {
	for _, s := range f.steps {
		switch {
		case s.kind == incident.StepNotify && s.State == incident.Failed:
			r.undelivered = true
		case s.Informs(): // that contains nothing
		case s.State == incident.Done:
			r.done++
			r.longest = max(r.longest, s.took)
		case s.State == incident.Skipped:
			r.skipped++
			r.waits = r.waits || strings.HasPrefix(s.Detail, incident.WaitsForPerson)
		default:
			r.failed++
		}
	}
	return r
}

func (f *facts) contained() bool {
	return f.result().failed == 0 && !f.observed && !f.paused && f.probation == "" && !f.callsGoOn()
}

// callsGoOn reports whether calls were up when they were last heard of, and nobody ended
// them. The end of those that were ended may come a moment later.
func (f *facts) callsGoOn() bool {
	return f.tally().up > 0 && len(f.stepsDone(incident.StepHangup)) == 0 && len(f.stepsDone(incident.StepHangupCall)) == 0
}

// outcome says whether it is over.
func (f *facts) outcome() string {
	r := f.result()
	over := f.over(r)
	if r.undelivered {
		over += " " + f.say("outcome.undelivered")
	}
	return over
}

func (f *facts) over(r result) string {
	switch {
	case f.paused:
		return f.say("outcome.paused")
	case f.observed && f.dangerous():
		return f.say("outcome.observed-danger")
	case f.observed:
		return f.say("outcome.observed")
	case r.failed > 0:
		return f.say("outcome.failed", "n", r.failed)
	case f.probation != "":
		limited := "outcome.undecided-unlimited"
		if len(f.stepsDone(incident.StepLimitCosts)) > 0 {
			limited = "outcome.undecided-limited"
		}
		return f.say("outcome.undecided") + " " + f.say(limited)
	case f.callsGoOn():
		return f.say("outcome.calls-up")
	case f.decided != "" && !f.breakIn:
		return f.say("outcome.decided", "why", f.decided, "who", f.person)
	case r.waits:
		return f.say("outcome.waits")
	case r.done == 0 && f.i.Key.Per == score.PerSite:
		return f.say("outcome.site")
	case r.done == 0 && r.skipped == 0:
		return f.say("outcome.reported")
	case r.done == 0:
		return f.say("outcome.nothing")
	case r.longest == 0:
		return f.say("outcome.stopped")
	}
	return f.say("outcome.stopped-within", "time", f.Language.Reaction(r.longest))
}

// dangerous reports whether harm goes on unless a person acts, when nothing was changed.
func (f *facts) dangerous() bool {
	t := f.tally()
	return f.breakIn || f.probation != "" || t.up > 0 || t.answered > 0
}

// urgency is what the reader has to do, and what the subject says of it. It is ActNow if
// harm goes on, or a person must answer, give a phone its password, unlock, or call the
// carrier; Stopped if something was done and nothing is left; Info otherwise.
func (f *facts) urgency() (Urgency, string) {
	r, t := f.result(), f.tally()
	act := func(note string) (Urgency, string) { return ActNow, f.say("note." + note) }
	switch {
	case (f.observed || f.paused) && f.dangerous():
		return act("would")
	case f.observed || f.paused:
		return Info, f.say("note.would")
	case r.failed > 0:
		return act("failed")
	case f.probation != "":
		return act("decide")
	case f.callsGoOn():
		return act("calls-up")
	case r.waits:
		return act("waits")
	case len(f.stepsDone(incident.StepRotate)) > 0:
		return act("password")
	case len(f.stepsDone(incident.StepLock)) > 0:
		return act("locked")
	case t.answered > 0 && r.done > 0:
		return act("answered")
	case t.answered > 0:
		return act("carrier")
	case f.spending() && len(f.stepsDone(incident.StepLimitCosts)) > 0:
		return act("limited")
	case f.raised(score.CostlyForward, score.SharedNumber):
		return act("ask")
	case r.done > 0, slices.ContainsFunc(f.steps, func(s step) bool { return s.instead() != "" }):
		return Stopped, ""
	}
	return Info, ""
}
