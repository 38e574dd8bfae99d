package report

import (
	"cmp"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tollwarden/tollwarden/responder/incident"
	"github.com/tollwarden/tollwarden/responder/people"
	"github.com/tollwarden/tollwarden/responder/score"
)

// facts are what a report says of an incident, each found in one place.
type facts struct {
	Style
	i                *incident.Incident
	observed, paused bool
	breakIn          bool   // somebody logged in with a guessed password
	probation        string // the new address that is its owner's or a thief's; "" if none waits for an answer
	decided          string // why costly calls are no longer ended; "" if nobody decided
	account          string // as it is shown; "" if none is concerned
	person           string // the account with the name of its person
	guesses          []incident.Evidence
	calls            []call
	steps            []step
}

func newFacts(i *incident.Incident, s Style) *facts {
	f := &facts{Style: s, i: i, observed: i.Mode == incident.Observe, paused: i.Mode == incident.Paused}
	f.account, f.person = plain(i.Account), plain(people.Title(i.Account, i.Name))
	for _, o := range i.Evidence {
		if isGuess(o.Signal) {
			f.guesses = append(f.guesses, o)
		}
	}
	f.breakIn = f.raised(score.SuccessAfterFailures)
	f.decided = decided(i)
	f.probation = f.undecided()
	f.calls = f.readCalls()
	f.steps = f.readSteps()
	return f
}

func (f *facts) say(key string, params ...any) string { return f.Language.Say(key, params...) }

// plain is Plain for a text that shows commands in backquotes: a stranger's name must not
// look like one. In the recorded details of a step, a command becomes 'a command'.
func plain(s string) string { return strings.ReplaceAll(Plain(s), "`", "'") }

// isGuess reports whether a signal is a failed login attempt.
func isGuess(s score.Signal) bool { return s.Failure() || s == score.InvalidAccountID }

// raised reports whether a signal is among the evidence.
func (f *facts) raised(signals ...score.Signal) bool {
	return slices.ContainsFunc(f.i.Evidence, func(o incident.Evidence) bool { return slices.Contains(signals, o.Signal) })
}

// spending reports whether the incident is about what calls cost.
func (f *facts) spending() bool {
	return f.raised(score.SpendingSoft, score.SpendingHard, score.SiteSpendingSoft, score.SiteSpendingHard)
}

// ofOrigin reports whether no account set up the calls.
func (f *facts) ofOrigin() bool { return score.IsOrigin(f.i.Account) }

// undecided returns the address that the account was used from after others had guessed
// at it.
func (f *facts) undecided() string {
	if f.breakIn || f.decided != "" {
		return ""
	}
	for _, o := range slices.Backward(f.i.Evidence) {
		if o.Signal == score.NewPlaceAfterFailures && o.Source.IsValid() {
			return plain(o.Source.String())
		}
	}
	return ""
}

// decided is why costly calls are no longer ended.
func decided(i *incident.Incident) string {
	for _, s := range i.Steps {
		if why, over := strings.CutPrefix(s.Detail, incident.NoLonger); over && s.Step == incident.StepLimitCosts {
			return strings.TrimSuffix(plain(why), ".")
		}
	}
	return ""
}

// sources are the addresses of evidence in the order of their first sight, and accounts
// the accounts that it names.
func (f *facts) sources(of []incident.Evidence) (list []string) {
	for _, o := range of {
		if s := f.source(o); o.Source.IsValid() && !slices.Contains(list, s) {
			list = append(list, s)
		}
	}
	return list
}

func accounts(of []incident.Evidence) (list []string) {
	for _, o := range of {
		if a := plain(o.Account); a != "" && !slices.Contains(list, a) {
			list = append(list, a)
		}
	}
	return list
}

// source names an address.
func (f *facts) source(o incident.Evidence) string {
	if !o.Source.IsValid() {
		return f.say("address.unknown")
	}
	return plain(o.Source.String())
}

// thief is the address that used the guessed password; "" if it is not known. thiefWords
// names it in a sentence.
func (f *facts) thief() string {
	for _, o := range f.i.Evidence {
		if o.Signal == score.SuccessAfterFailures && o.Source.IsValid() {
			return plain(o.Source.String())
		}
	}
	return ""
}

func (f *facts) thiefWords() string { return cmp.Or(f.thief(), f.say("address.unknown")) }

// spoofable says whether all failed attempts may have been made up.
func (f *facts) spoofable() bool {
	return len(f.guesses) > 0 && !slices.ContainsFunc(f.guesses, func(o incident.Evidence) bool { return o.Proof == score.Proven })
}

// keptGuesses is how many observations a score keeps of one address or account. If there
// are as many, more may have been made.
const keptGuesses = 32

// triedWords counts failed attempts.
func (f *facts) triedWords(of []incident.Evidence) string {
	key := "count.passwords"
	if slices.ContainsFunc(of, func(o incident.Evidence) bool { return o.Signal == score.InvalidAccountID }) {
		key = "count.attempts"
	}
	count := f.say(key, "n", len(of))
	if len(f.i.Evidence) >= keptGuesses {
		return f.say("count.at-least", "count", count)
	}
	return count
}

// call is one call of the incident.
type call struct {
	incident.Call
	number, country string
	answered, ended bool // as far as is known
	talked          time.Duration
}

// up reports whether the call was up when it was last heard of.
func (c call) up() bool { return !c.ended }

func (f *facts) readCalls() (list []call) {
	for _, c := range f.i.Calls {
		x := call{Call: c, number: plain(c.Dialled), country: plain(f.Language.Country(c.Country)), answered: !c.Answered.IsZero(), ended: !c.Ended.IsZero()}
		if x.answered && x.ended {
			x.talked = max(0, c.Ended.Sub(c.Answered))
		}
		list = append(list, x)
	}
	return list
}

// tally counts calls.
type tally struct {
	all, answered, up, upAnswered, minutes int
	talked                                 time.Duration
}

func (f *facts) tally() (t tally) {
	t.all = len(f.calls)
	for _, c := range f.calls {
		if c.up() {
			t.up++
		}
		if !c.answered {
			continue
		}
		t.answered++
		if c.up() {
			t.upAnswered++
			continue
		}
		t.talked += c.talked
		t.minutes += max(1, int((c.talked+time.Minute-1)/time.Minute))
	}
	return t
}

// cost is about what the calls cost together.
func (f *facts) cost() (sum incident.Cost) {
	for _, c := range f.i.Calls {
		if c.Cost.Amount > 0 {
			sum.Amount += c.Cost.Amount
			sum.Currency, sum.Estimate = c.Cost.Currency, sum.Estimate || c.Cost.Estimate
		}
	}
	return sum
}

// step is one step of the playbook.
type step struct {
	incident.Step
	kind    incident.StepKind
	decided time.Time
	at      time.Time     // when it had its outcome; zero: it has none, or was skipped
	took    time.Duration // from when it was decided
	target  string        // as it is shown
}

func (f *facts) readSteps() (list []step) {
	for n, s := range f.i.Steps {
		x := step{Step: s, kind: s.Step, decided: f.i.Started(n), target: plain(s.Target)}
		if s.Target == f.i.Account && f.person != "" {
			x.target = f.person
		}
		if score.IsOrigin(s.Target) {
			x.target = plain(f.originWords(s.Target))
		}
		if s.Target == incident.Everybody {
			x.target = f.say("everybody")
		}
		if took, err := time.ParseDuration(s.Took.String()); err == nil && s.State != incident.Skipped {
			x.at, x.took = f.i.Started(n).Add(took), took
		}
		list = append(list, x)
	}
	return list
}

// device says whether the step blocks one phone's flow, not its IP address.
func (s step) device() bool {
	_, err := netip.ParseAddrPort(s.Target)
	return s.kind == incident.StepBan && err == nil
}

// instead is what was done about an address in place of a ban; "" if nothing was.
func (s step) instead() string {
	if s.kind != incident.StepBan || s.State != incident.Skipped {
		return ""
	}
	return incident.Instead(s.Detail)
}

// notOver reports whether a step that should contain something did not.
func (s step) notOver() bool {
	return !s.Informs() && s.State != incident.Done && s.State != incident.Skipped
}

func (f *facts) stepsDone(kind incident.StepKind) (list []step) {
	for _, s := range f.steps {
		if s.kind == kind && s.State == incident.Done {
			list = append(list, s)
		}
	}
	return list
}

// originWords names what set up calls that no account did.
func (f *facts) originWords(name string) string {
	if trunk, ok := strings.CutPrefix(name, score.TrunkOrigins); ok {
		return f.say("origin.trunk", "name", plain(trunk))
	}
	return f.say("origin.pbx")
}

// threshold names a threshold; a default one by its text in the language.
func (f *facts) threshold() string {
	if key := "threshold." + f.i.Threshold; f.Language.Has(key) {
		return f.say(key)
	}
	return plain(f.i.Threshold)
}

func (f *facts) ref() string { return f.say("ref.incident", "id", itoa(f.i.ID)) }

func itoa(id int64) string { return strconv.FormatInt(id, 10) }

// command is the one that shows the incident.
func (f *facts) command() string { return incident.Command("incident", itoa(f.i.ID)) }
