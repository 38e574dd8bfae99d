package report

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/tollwarden/tollwarden/responder/incident"
	"github.com/tollwarden/tollwarden/responder/score"
)

// Report is one incident, told. Everything in it is safe to print; HTML still
// has to escape it.
type Report struct {
	Number              int64
	Title               string
	Outcome             string // the whole in one sentence
	Contained, Observed bool
	Story               []Moment
	Affected            []string
	Lost                []string
	Changed             []string
	Next                []string
	Calls               []Call
	Steps               []Step
	Annex               Annex
	Zone                string // of the times in the story
}

// Moment is one thing that happened.
type Moment struct {
	At   time.Time
	What string
}

// Call is one call of the account, as a line of a bill.
type Call struct {
	Began    time.Time
	Dialled  string
	Country  string
	Answered string
	Lasted   string
	Channel  string
	duration time.Duration
	billed   time.Duration // at most, from the answer on
	answered bool
	known    bool // its end was seen
}

// Step is one effect, with when it took effect.
type Step struct {
	What, Target, State, Detail string
	At                          time.Time // zero: it has no outcome, or took no effect
}

// Of tells an incident; times are in loc.
func Of(i incident.Incident, loc *time.Location) *Report {
	t := teller{i: &i, r: &Report{Number: i.ID, Observed: i.Mode == incident.Observe, Annex: annexOf(&i)}, loc: loc}
	t.r.Zone = i.At.In(loc).Format("MST (-07:00)")
	t.account = Plain(i.Account)
	t.steps()
	t.calls()
	t.title()
	t.story()
	t.affected()
	t.lost()
	t.changed()
	t.next()
	t.outcome()
	return t.r
}

// teller puts a Report together.
type teller struct {
	i       *incident.Incident
	r       *Report
	loc     *time.Location
	account string
}

// guess says whether a signal is a wrong guess.
func guess(s score.Signal) bool { return s.Failure() || s == score.InvalidAccountID }

// breakIn says that the incident is a guessed password put to use.
func (t *teller) breakIn() bool {
	return slices.ContainsFunc(t.i.Evidence, func(o incident.Evidence) bool { return o.Signal == score.SuccessAfterFailures })
}

func (t *teller) guesses() []incident.Evidence {
	var list []incident.Evidence
	for _, o := range t.i.Evidence {
		if guess(o.Signal) {
			list = append(list, o)
		}
	}
	return list
}

func (t *teller) title() {
	switch {
	case t.breakIn():
		t.r.Title = "Break-in on account " + t.account
	case t.i.Key.Per == score.PerAccount:
		t.r.Title = fmt.Sprintf("Account %s: %s", Plain(t.i.Key.Value()), Plain(t.i.Threshold))
	default:
		t.r.Title = fmt.Sprintf("Attack from %s: %s", Plain(t.i.Key.Value()), Plain(t.i.Threshold))
	}
}

func (t *teller) steps() {
	for _, s := range t.i.Steps {
		step := Step{What: stepWords(s.Step), Target: Plain(s.Target), State: string(s.State), Detail: Plain(s.Detail)}
		if took, err := time.ParseDuration(s.Took.String()); err == nil && s.State != incident.Skipped {
			step.At = t.i.At.Add(took).In(t.loc)
		}
		t.r.Steps = append(t.r.Steps, step)
	}
}

// stepWords says what a step does, to someone who does not know its name.
func stepWords(step incident.StepKind) string {
	switch step {
	case incident.StepBan:
		return "block the address"
	case incident.StepHangup:
		return "end the account's calls"
	case incident.StepHangupCall:
		return "end the call"
	case incident.StepRotate:
		return "change the account's password"
	case incident.StepRemoveRegistrations:
		return "remove the account's registrations"
	case incident.StepLock:
		return "lock the account"
	case incident.StepRestrict:
		return "restrict the account to its known networks"
	case incident.StepNotify:
		return "tell the operator"
	case incident.StepExec:
		return "run the operator's command"
	}
	return string(step)
}

func (t *teller) calls() {
	for _, c := range t.i.Calls {
		call := Call{Began: c.Began.In(t.loc), Dialled: Plain(c.Dialled), Country: Plain(c.Country), Channel: Plain(c.Channel), Answered: "not that is known", Lasted: "end not seen"}
		if !c.Ended.IsZero() {
			call.duration, call.known = max(0, c.Ended.Sub(c.Began)), true
			call.Lasted = seconds(call.duration)
			call.Answered = "no"
		}
		if !c.Answered.IsZero() {
			call.answered, call.Answered = true, c.Answered.In(t.loc).Format("15:04:05")
			if !c.Ended.IsZero() {
				call.billed = max(0, c.Ended.Sub(c.Answered))
			}
		}
		t.r.Calls = append(t.r.Calls, call)
	}
}

func (t *teller) add(at time.Time, format string, args ...any) {
	t.r.Story = append(t.r.Story, Moment{at.In(t.loc), fmt.Sprintf(format, args...)})
}

// story puts what happened in order.
func (t *teller) story() {
	t.tellGuesses()
	for _, o := range t.i.Evidence {
		switch {
		case o.Signal == score.SuccessAfterFailures:
			t.add(o.At, "The right password for account %s was given from %s. This is the break-in.", Plain(o.Account), where(o))
		case !guess(o.Signal):
			t.add(o.At, "%s, from %s%s.", signalWords(o.Signal), where(o), about(o))
		}
	}
	t.add(t.i.At, "Tollwarden decided: %q, since %s.", Plain(t.i.Threshold), Plain(t.i.Reason))
	for _, c := range t.r.Calls {
		to := c.Dialled
		if c.Country != "" {
			to += " (" + c.Country + ")"
		}
		t.add(c.Began, "Call to %s.", to)
		switch {
		case c.known && c.answered:
			t.add(c.Began.Add(c.duration), "Call to %s is over, %s after its answer.", to, seconds(c.billed))
		case c.known:
			t.add(c.Began.Add(c.duration), "Call to %s is over after %s. It was not answered.", to, c.Lasted)
		}
	}
	for _, s := range t.r.Steps {
		if s.At.IsZero() || s.State == "intended" {
			continue
		}
		t.add(s.At, "%s: %s (%s), %s.", upper(s.State), s.What, s.Target, strings.TrimSuffix(s.Detail, "."))
	}
	slices.SortStableFunc(t.r.Story, func(a, b Moment) int { return a.At.Compare(b.At) })
}

// tellGuesses tells many guesses in two lines: the first and the last. How many
// there were is more than is told: evidence is bounded.
func (t *teller) tellGuesses() {
	guesses := t.guesses()
	if len(guesses) == 0 {
		return
	}
	first, last := guesses[0], guesses[len(guesses)-1]
	for _, g := range guesses {
		if g.At.Before(first.At) {
			first = g
		}
		if g.At.After(last.At) {
			last = g
		}
	}
	t.add(first.At, "First wrong guess on record, from %s%s.", where(first), about(first))
	if len(guesses) > 1 {
		t.add(last.At, "At least %d wrong guesses by now, the last one from %s%s.", len(guesses), where(last), about(last))
	}
}

func about(o incident.Evidence) string {
	if o.Account == "" {
		return ""
	}
	return ", for account " + Plain(o.Account)
}

// where says from where, and whether that is certain.
func where(o incident.Evidence) string {
	switch {
	case !o.Source.IsValid():
		return "an unknown address"
	case o.Proof == score.Proven:
		return Plain(o.Source.String())
	default:
		return Plain(o.Source.String()) + " (which packets can forge)"
	}
}

// signalWords says what a signal means; one that is not known is named.
func signalWords(signal score.Signal) string {
	words := map[score.Signal]string{
		score.SuccessfulAuth: "Somebody logged in", score.FailedACL: "A request was refused by an access list",
		score.AuthMethodNotAllowed: "A login method was tried that is not allowed", score.RequestBadFormat: "A malformed request came",
		score.RequestNotAllowed: "A request came that is not allowed", score.UnexpectedAddress: "An account was used from an address that is not its own",
		score.InvalidTransport: "A transport was used that is not allowed", score.Tampering: "Forged lines were smuggled into an event",
		score.CallRate: "More calls a minute than allowed", score.ConcurrentCalls: "More calls at once than allowed",
		score.Cadence: "Calls were set up faster than a person dials", score.DialProbing: "One number was tried behind different prefixes",
		score.ForbiddenDestination: "A destination was called that is forbidden", score.NewCountry: "A country was called for the first time",
		score.OffHours: "A call was made outside the hours", score.Dormant: "An account called that had long been silent",
		score.NewNetwork: "An account was used from a network never seen before", score.TwoNetworks: "An account was used from two networks at once",
		score.ScannerAgent: "A known attack program was used", score.AnonymousCall: "A call was made without a login",
		score.UnseenLogin: "An account was used without the login that it needs",
	}
	if w, ok := words[signal]; ok {
		return w
	}
	return signal.String()
}

func (t *teller) affected() {
	if t.account != "" {
		t.r.Affected = append(t.r.Affected, "Account "+t.account+" and the person or the phones that use it.")
	}
	var accounts, sources []string
	for _, o := range t.i.Evidence {
		if a := Plain(o.Account); a != "" && a != t.account && !slices.Contains(accounts, a) {
			accounts = append(accounts, a)
		}
		if !o.Source.IsValid() {
			continue
		}
		if s := Plain(o.Source.String()); !slices.Contains(sources, s) {
			sources = append(sources, s)
		}
	}
	if len(accounts) > 0 {
		also := " as well"
		if t.account == "" {
			also = ""
		}
		t.r.Affected = append(t.r.Affected, "Accounts that were tried"+also+": "+list(accounts)+".")
	}
	if len(sources) > 0 {
		t.r.Affected = append(t.r.Affected, "The attack came from "+list(sources)+".")
	}
}

// lost is the most that can have been lost: a bill counts from the answer.
func (t *teller) lost() {
	if t.i.Bare {
		t.r.Lost = []string{fmt.Sprintf("That is not known here, since the ledger could not be read: `tollwarden incident %d` tells it.", t.i.ID)}
		return
	}
	if len(t.r.Calls) == 0 {
		t.r.Lost = []string{"No call is known to have been made."}
		if t.account == "" || !t.breakIn() && t.i.Key.Per != score.PerAccount {
			t.r.Lost = []string{"Nothing: no password was found, no call was made."}
		}
		return
	}
	var total time.Duration
	minutes, answered, open := 0, 0, 0
	for _, c := range t.r.Calls {
		switch {
		case !c.known:
			open++
		case c.answered:
			answered++
			total += c.billed
			minutes += max(1, int((c.billed+time.Minute-1)/time.Minute))
		}
	}
	lost := fmt.Sprintf("Of %s none was answered.", incident.Count(len(t.r.Calls), "call"))
	if answered > 0 {
		lost = fmt.Sprintf("At most %s of calls, each from its answer to its end: %s when each minute begun is charged. Answered were %d of %s.",
			seconds(total+time.Second-1), incident.Count(minutes, "minute"), answered, incident.Count(len(t.r.Calls), "call"))
	} else if open > 0 {
		lost = fmt.Sprintf("Of %s none is known to have been answered.", incident.Count(len(t.r.Calls), "call"))
	}
	t.r.Lost = append(t.r.Lost, lost)
	if open > 0 {
		t.r.Lost = append(t.r.Lost, fmt.Sprintf("The end of %s was not seen: ask Asterisk's call records or your carrier.", incident.Count(open, "call")))
	}
	t.r.Lost = append(t.r.Lost, "An answer is what Asterisk took for one, at the earliest; what it cost, your carrier knows.")
}

func (t *teller) changed() {
	for _, s := range t.r.Steps {
		if s.State == "done" {
			t.r.Changed = append(t.r.Changed, fmt.Sprintf("%s (%s): %s.", upper(s.What), s.Target, strings.TrimSuffix(s.Detail, ".")))
		}
	}
	if len(t.r.Changed) == 0 {
		t.r.Changed = []string{"Nothing."}
	}
}

// next says what a person should do now.
func (t *teller) next() {
	next := func(format string, args ...any) { t.r.Next = append(t.r.Next, fmt.Sprintf(format, args...)) }
	if t.r.Observed {
		next("Tollwarden runs in mode observe and changed nothing. Set mode = \"enforce\" when you trust it.")
	}
	for n, s := range t.i.Steps {
		told := t.r.Steps[n]
		switch string(s.Step) + " " + string(s.State) {
		case "rotate done":
			next("Give the phones of %s their new password (%s). Until then they cannot register.", told.Target, told.Detail)
		case "rotate failed", "rotate intended":
			next("Change the password of %s now: `tollwarden rotate %s`.", told.Target, told.Target)
		case "hangup failed", "hangup intended":
			next("See that %s has no call: `tollwarden hangup %s`.", told.Target, told.Target)
		case "hangup-call failed", "hangup-call intended":
			next("See that the call %s is over: `tollwarden hangup %s` ends it, and the others of its account.", told.Target, t.account)
		case "lock failed", "lock intended":
			next("See that %s can call nobody: `tollwarden lock %s`, which says what is in the way.", told.Target, told.Target)
		case "restrict failed", "restrict intended":
			next("%s can still be guessed at from everywhere: see that its password is a long one, or change it: `tollwarden rotate %s`.", told.Target, told.Target)
		case "remove-registrations failed", "remove-registrations intended":
			next("See that no unknown phone is registered as %s: restart Asterisk, or remove the contact there.", told.Target)
		case "ban done":
			next("If %s is one of yours: `tollwarden unban %s --forgive`, and `tollwarden allow add %s` so that it does not happen again.", told.Target, told.Target, told.Target)
		case "ban failed", "ban intended":
			next("The kernel does not block %s: `tollwarden status` says why.", told.Target)
		case "notify failed":
			next("Nobody was told: %s.", told.Detail)
		case "notify intended":
			if told.Detail != "" {
				next("Not everybody was told yet: %s.", told.Detail)
			}
		case "exec failed":
			next("The command did not end well: %s.", told.Detail)
		}
	}
	if len(t.r.Calls) > 0 {
		next("Tell your carrier of the calls listed here, with their times and numbers, and ask that they are not charged and that these destinations are closed. Soon: carriers set short limits.")
	}
	if t.breakIn() {
		next("Find out how the password was known: was it short, the number itself, in a provisioning file, or used twice? Look at call forwarding and voicemail of %s.", t.account)
	}
	if t.i.Bare {
		next("See what calls there were: `tollwarden incident %d`. Your carrier should hear of them soon: carriers set short limits.", t.i.ID)
		return
	}
	next("Keep this report with its annex, and note the SHA-256 elsewhere: it shows later that the annex is as it was.")
}

func (t *teller) outcome() {
	done, failed, told := 0, 0, ""
	var last time.Time
	for _, s := range t.r.Steps {
		switch notify := s.What == stepWords(incident.StepNotify); {
		case notify && s.State == "failed":
			told = " The operator could not be told."
		case notify, s.What == stepWords(incident.StepExec): // contains nothing
		case s.State == "done":
			done++
			if s.At.After(last) {
				last = s.At
			}
		case s.State != "skipped":
			failed++
		}
	}
	t.r.Contained = failed == 0 && !t.r.Observed
	switch {
	case t.r.Observed:
		t.r.Outcome = "Seen and recorded; nothing was changed, since Tollwarden runs in mode observe."
	case failed > 0:
		t.r.Outcome = fmt.Sprintf("NOT finished: %s did not succeed. See what to do next.", incident.Count(failed, "step"))
	case done == 0:
		t.r.Outcome = "Nothing was done: the steps say why."
	case last.IsZero():
		t.r.Outcome = "Stopped."
	default:
		t.r.Outcome = fmt.Sprintf("Stopped within %s of the decision.", roundly(last.Sub(t.i.At)))
	}
	t.r.Outcome += told
}
