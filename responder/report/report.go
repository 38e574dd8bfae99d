package report

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/tollwarden/tollwarden/responder/incident"
	"github.com/tollwarden/tollwarden/responder/people"
	"github.com/tollwarden/tollwarden/responder/score"
)

// Report explains one incident. Its strings are safe to print; HTML still has to
// escape them.
type Report struct {
	Number              int64
	Title               string
	Outcome             string // how it ended, in one or two sentences
	Contained, Observed bool   // Observed: nothing was changed, in mode observe or during a pause
	Story               []Moment
	Affected            []string
	Lost                []string
	Changed             []string
	Next                []string
	Calls               []Call
	Steps               []Step
	Annex               Annex
	Zone                string // time zone of the story
}

// Moment is one entry of the story.
type Moment struct {
	At   time.Time
	What string
}

// Call is one call of the account, as on a phone bill.
type Call struct {
	Began    time.Time
	Dialled  string
	Country  string
	Answered string
	Lasted   string
	Channel  string
	duration time.Duration
	billed   time.Duration // from the answer to the end; an upper bound
	answered bool
	known    bool // the end was seen
	cost     incident.Cost
}

// Step is one step of the playbook and when it took effect.
type Step struct {
	What, Target, State, Detail string
	At                          time.Time // zero: it has no outcome yet, or was skipped
	kind                        incident.StepKind
	whose                       string        // Target with the name of the account's person
	raw                         string        // Target as it is, for commands
	took                        time.Duration // from when it was decided
}

// Of explains an incident; times are in loc.
func Of(i incident.Incident, loc *time.Location) *Report {
	i.Evidence = slices.Clone(i.Evidence)
	slices.SortStableFunc(i.Evidence, func(x, y incident.Evidence) int { return x.At.Compare(y.At) })
	t := builder{i: &i, r: &Report{Number: i.ID, Observed: i.Mode == incident.Observe || i.Mode == incident.Paused, Annex: annexOf(&i)}, loc: loc}
	t.r.Zone = i.At.In(loc).Format("MST (-07:00)")
	t.account = Plain(i.Account)
	t.person = Plain(people.Title(i.Account, i.Name))
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

// builder puts a Report together.
type builder struct {
	i       *incident.Incident
	r       *Report
	loc     *time.Location
	account string
	person  string // the account with its name, if that is known
}

// guess reports whether a signal is a failed login attempt.
func guess(s score.Signal) bool { return s.Failure() || s == score.InvalidAccountID }

// breakIn reports whether an attacker logged in with a guessed password.
func (t *builder) breakIn() bool {
	return slices.ContainsFunc(t.i.Evidence, func(o incident.Evidence) bool { return o.Signal == score.SuccessAfterFailures })
}

// spending reports whether the incident is about what calls cost.
func (t *builder) spending() bool {
	return slices.ContainsFunc(t.i.Evidence, func(o incident.Evidence) bool {
		return o.Signal >= score.SpendingSoft && o.Signal <= score.SiteSpendingHard
	})
}

// raised reports whether a signal is among the evidence.
func (t *builder) raised(signal score.Signal) bool {
	return slices.ContainsFunc(t.i.Evidence, func(o incident.Evidence) bool { return o.Signal == signal })
}

func (t *builder) guesses() []incident.Evidence {
	var list []incident.Evidence
	for _, o := range t.i.Evidence {
		if guess(o.Signal) {
			list = append(list, o)
		}
	}
	return list
}

func (t *builder) title() {
	address, probation := t.onProbation()
	switch {
	case t.breakIn():
		t.r.Title = "Break-in on account " + t.person
	case t.i.Shared():
		t.r.Title = t.sharedTitle()
	case probation:
		t.r.Title = fmt.Sprintf("New address of account %s after guesses: %s", t.person, address)
	case t.i.Key.Per == score.PerSite:
		t.r.Title = fmt.Sprintf("The whole site: %s", Plain(t.i.Threshold))
	case t.i.Key.Per == score.PerOrigin:
		t.r.Title = fmt.Sprintf("Calls that no phone set up, from %s: %s", Plain(score.OriginWords(t.i.Key.Account)), Plain(t.i.Threshold))
	case t.i.Key.Per == score.PerAccount:
		t.r.Title = fmt.Sprintf("Account %s: %s", Plain(people.Title(t.i.Key.Value(), t.i.Name)), Plain(t.i.Threshold))
	case len(t.r.Steps) > 0 && t.r.Steps[0].device():
		t.r.Title = fmt.Sprintf("Wrong passwords from %s, where your phones are", Plain(t.i.Key.Value()))
	default:
		t.r.Title = fmt.Sprintf("Attack from %s: %s", Plain(t.i.Key.Value()), Plain(t.i.Threshold))
	}
}

func (t *builder) calls() {
	for _, c := range t.i.Calls {
		call := Call{cost: c.Cost, Began: c.Began.In(t.loc), Dialled: Plain(c.Dialled), Country: Plain(c.Country), Channel: Plain(c.Channel), Answered: "unknown", Lasted: "end not seen"}
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

func (t *builder) add(at time.Time, format string, args ...any) {
	t.r.Story = append(t.r.Story, Moment{at.In(t.loc), fmt.Sprintf(format, args...)})
}

// story lists what happened, in order.
func (t *builder) story() {
	t.addGuesses()
	for _, o := range t.i.Evidence {
		switch {
		case o.Signal == score.SuccessAfterFailures:
			t.add(o.At, "The right password for account %s came from %s. This is the break-in.", Plain(o.Account), where(o))
		case !guess(o.Signal):
			t.add(o.At, "%s, from %s%s.", signalWords(o.Signal), where(o), about(o))
		}
	}
	t.add(t.crossed(), "Threshold %q crossed: %s.", Plain(t.i.Threshold), Plain(t.i.Reason))
	for _, c := range t.r.Calls {
		to := c.Dialled
		if c.Country != "" {
			to += " (" + c.Country + ")"
		}
		t.add(c.Began, "Call to %s started.", to)
		switch {
		case c.known && c.answered:
			t.add(c.Began.Add(c.duration), "Call to %s ended, %s after it was answered%s.", to, seconds(c.billed), c.costWords())
		case c.known:
			t.add(c.Began.Add(c.duration), "Call to %s ended after %s without an answer.", to, c.Lasted)
		}
	}
	steps := t.r.Steps
	if t.i.Shared() {
		text, at := t.sharedBlocks()
		if !at.IsZero() {
			t.add(at, "%s", text)
		}
		steps = nil
	}
	for _, s := range steps {
		if s.At.IsZero() || s.State == string(incident.Intended) {
			continue
		}
		t.add(s.At, "%s", s.happened())
	}
	slices.SortStableFunc(t.r.Story, func(a, b Moment) int { return a.At.Compare(b.At) })
}

// keptGuesses is how many observations a score keeps of one address or account. If there
// are as many, more may have been made.
const keptGuesses = 32

// addGuesses summarizes the failed attempts in two lines, for the first and the last.
func (t *builder) addGuesses() {
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
	t.add(first.At, "First failed attempt on record, from %s%s.", where(first), about(first))
	if len(guesses) == 1 {
		return
	}
	count := fmt.Sprint(len(guesses))
	if len(t.i.Evidence) >= keptGuesses {
		count = "At least " + count
	}
	t.add(last.At, "%s failed attempts by now, the latest from %s%s.", count, where(last), about(last))
}

func about(o incident.Evidence) string {
	if o.Account == "" {
		return ""
	}
	return ", for account " + Plain(o.Account)
}

// where names the source and says when it may be spoofed.
func where(o incident.Evidence) string {
	switch {
	case !o.Source.IsValid():
		return "an unknown address"
	case o.Proof == score.Proven, o.Signal == score.NewPlaceAfterFailures: // whose proof is that of the guesses
		return Plain(o.Source.String())
	default:
		return Plain(o.Source.String()) + " (may be spoofed)"
	}
}

// signalWords says what a signal means, or its name if it has no words here.
func signalWords(signal score.Signal) string {
	words := map[score.Signal]string{
		score.SpendingSoft: "Soft limit of what the account's calls may cost", score.SpendingHard: "Hard limit of what the account's calls may cost",
		score.SiteSpendingSoft: "Soft limit of what calls of the site may cost", score.SiteSpendingHard: "Hard limit of what calls of the site may cost",
		score.SuccessfulAuth: "Successful login", score.FailedACL: "Request refused by an access list",
		score.AuthMethodNotAllowed: "Login with a method that is not allowed", score.RequestBadFormat: "Malformed request",
		score.RequestNotAllowed: "Request of a kind that is not allowed", score.UnexpectedAddress: "Account used from an address that is not its own",
		score.InvalidTransport: "Transport that is not allowed", score.Tampering: "Forged lines in an event",
		score.NewPlaceAfterFailures: "Login after others' guesses",
		score.SlowGuesser:           "Wrong passwords over days from an address where the accounts are not used",
		score.SlowNetwork:           "Wrong passwords over days from a network where the accounts are not used",
		score.SlowAttack:            "Wrong passwords over days from changing addresses", score.LastingFailures: "Wrong passwords for the account over days",
		score.GuessingCampaign: "Many accounts guessed at over days",
		score.CallRate:         "More calls per minute than allowed", score.ConcurrentCalls: "More calls at once than allowed",
		score.Cadence: "Calls placed faster than a person dials", score.DialProbing: "One number tried with different prefixes",
		score.ForbiddenDestination: "Call to a forbidden destination", score.NewCountry: "First call to a new country",
		score.OffHours: "Call outside working hours", score.Dormant: "First call of the account after a long time",
		score.NewNetwork: "Account used from an unknown network", score.TwoNetworks: "Account used from two networks at once",
		score.ScannerAgent: "Known attack tool", score.AnonymousCall: "Call without a login",
		score.UnseenLogin:   "Account used without the login that it needs",
		score.CostlyForward: "Calls forwarded to a costly number", score.SharedNumber: "One new costly number called from several extensions",
		score.SequentialNumbers: "Costly numbers called one after another", score.TestCalls: "Short calls that test numbers",
		score.EarlyMedia: "Minutes of unanswered calls to costly numbers", score.CostlyAfterLogin: "Costly call right after a login from a new network",
	}
	if w, ok := words[signal]; ok {
		return w
	}
	return signal.String()
}

func (t *builder) affected() {
	if score.IsOrigin(t.i.Account) {
		t.r.Affected = append(t.r.Affected, "Calls that no phone sets up, from "+Plain(score.OriginWords(t.i.Account))+".")
	} else if t.account != "" {
		t.r.Affected = append(t.r.Affected, "Account "+t.person+", and everyone who uses it.")
	}
	var accounts, sources []string
	for _, o := range t.i.Evidence {
		if a := Plain(o.Account); a != "" && a != t.account && o.Signal != score.SuccessfulAuth && !slices.Contains(accounts, a) {
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
		heading := "Other accounts that were tried: "
		if t.account == "" {
			heading = "Accounts that were tried: "
		}
		t.r.Affected = append(t.r.Affected, heading+list(accounts)+".")
	}
	if len(sources) > 0 {
		t.r.Affected = append(t.r.Affected, "IP addresses involved: "+list(sources)+".")
	}
	if t.i.Key.Per == score.PerSite && !t.i.Shared() {
		t.guessers()
	}
}

// guessers lists, for an attack on the whole site, which accounts each address is known
// to have tried.
func (t *builder) guessers() {
	var sources []string
	tried := map[string][]string{}
	for _, o := range t.guesses() {
		source, account := where(o), Plain(o.Account)
		if _, known := tried[source]; !known {
			sources = append(sources, source)
		}
		if !slices.Contains(tried[source], account) {
			tried[source] = append(tried[source], account)
		}
	}
	for _, source := range sources {
		t.r.Affected = append(t.r.Affected, fmt.Sprintf("%s tried %s.", source, list(tried[source])))
	}
}

// lost is an upper bound of the loss: carriers charge from the answer on.
func (t *builder) lost() {
	if t.i.Bare {
		t.r.Lost = []string{fmt.Sprintf("Unknown, because the ledger could not be read. Run `tollwarden incident %d` to see it.", t.i.ID)}
		return
	}
	if len(t.r.Calls) == 0 {
		t.r.Lost = []string{"No calls are known to have been made."}
		if t.account == "" || !t.breakIn() && t.i.Key.Per != score.PerAccount && t.i.Key.Per != score.PerOrigin {
			t.r.Lost = []string{"Nothing: no password was guessed and no call was made."}
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
	lost := fmt.Sprintf("Calls attempted: %d. None was answered.", len(t.r.Calls))
	if answered > 0 {
		lost = fmt.Sprintf("At most %s of call time, counted from answer to end; %s if every started minute is charged. Calls answered: %d of %d.",
			seconds(total+time.Second-1), incident.Count(minutes, "minute"), answered, len(t.r.Calls))
	} else if open > 0 {
		lost = fmt.Sprintf("Calls attempted: %d. None is known to have been answered.", len(t.r.Calls))
	}
	t.r.Lost = append(t.r.Lost, lost)
	if cost := t.cost(); cost.Amount > 0 {
		soFar := ""
		if open > 0 {
			soFar = " so far"
		}
		t.r.Lost = append(t.r.Lost, fmt.Sprintf("Calls abroad and to costly numbers cost about %s%s.", Plain(cost.String()), soFar))
	}
	if open > 0 {
		t.r.Lost = append(t.r.Lost, fmt.Sprintf("The end of %s was not seen: check Asterisk's call records or ask your carrier.", incident.Count(open, "call")))
	}
	t.r.Lost = append(t.r.Lost, "Answer times are the earliest that Asterisk reported. Only your carrier knows the actual cost.")
}

// cost is about what the calls cost together.
func (t *builder) cost() (sum incident.Cost) {
	for _, c := range t.i.Calls {
		if c.Cost.Amount > 0 {
			sum.Amount += c.Cost.Amount
			sum.Currency, sum.Estimate = c.Cost.Currency, sum.Estimate || c.Cost.Estimate
		}
	}
	return sum
}

// costWords says what the call cost; "" if that is not known.
func (c Call) costWords() string {
	if c.cost.Amount == 0 {
		return ""
	}
	return ", and cost about " + Plain(c.cost.String())
}

func (t *builder) changed() {
	if t.i.Shared() {
		text, _ := t.sharedBlocks()
		t.r.Changed = []string{text}
		return
	}
	for _, s := range t.r.Steps {
		switch instead := s.instead(); {
		case s.State == string(incident.Done):
			t.r.Changed = append(t.r.Changed, s.happened())
		case instead != "":
			t.r.Changed = append(t.r.Changed, s.Target+" is not blocked, but "+instead+".")
		}
	}
	if len(t.r.Changed) == 0 {
		t.r.Changed = []string{"Nothing."}
	}
}

func (t *builder) outcome() {
	done, failed, undelivered := 0, 0, ""
	var longest time.Duration // each step from when it was decided
	for _, s := range t.r.Steps {
		switch state := incident.State(s.State); {
		case s.kind == incident.StepNotify && state == incident.Failed:
			undelivered = " Nobody could be notified."
		case s.kind == incident.StepNotify, s.kind == incident.StepExec: // these contain nothing
		case state == incident.Done:
			done++
			longest = max(longest, s.took)
		case state != incident.Skipped:
			failed++
		}
	}
	address, probation := t.onProbation()
	decided := t.decided()
	t.r.Contained = failed == 0 && !t.r.Observed && !probation
	switch {
	case t.i.Mode == incident.Paused:
		t.r.Outcome = "NOT stopped: nothing was changed, because Tollwarden was paused."
	case t.r.Observed:
		t.r.Outcome = "Recorded only: nothing was changed, because Tollwarden runs in mode observe."
	case probation && failed == 0:
		t.r.Outcome = t.undecided(address)
	case failed > 0:
		t.r.Outcome = fmt.Sprintf("NOT finished: %s did not succeed. See what to do next.", incident.Count(failed, "step"))
	case decided != "" && !t.breakIn():
		t.r.Outcome = fmt.Sprintf("Decided: %s. Costly calls of %s are no longer ended.", strings.TrimSuffix(decided, "."), t.account)
	case done == 0 && t.i.Key.Per == score.PerSite:
		t.r.Outcome = "Reported. The addresses are blocked one by one, each by an incident of its own."
	case done == 0:
		t.r.Outcome = "Nothing was done; the steps say why."
	case longest == 0:
		t.r.Outcome = "Stopped."
	default:
		t.r.Outcome = fmt.Sprintf("Stopped within %s of detection.", roundly(longest))
	}
	t.r.Outcome += undelivered
}
