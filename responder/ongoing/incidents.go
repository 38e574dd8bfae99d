// Package ongoing holds the incidents under way, and decides what joins them: verdicts on
// the same events, a guesser's further guesses, and addresses that may be spoofed, which
// share one incident.
package ongoing

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/tollwarden/tollwarden/responder/calls"
	"github.com/tollwarden/tollwarden/responder/contain"
	"github.com/tollwarden/tollwarden/responder/decide"
	"github.com/tollwarden/tollwarden/responder/incident"
	"github.com/tollwarden/tollwarden/responder/score"
)

// One event makes one incident, however many thresholds it crosses: a verdict joins the
// incident under way whose events it shares. Its new steps are added to those of the
// incident, and the message names both.

const (
	// joinWithin is how long after its last verdict an incident can be joined.
	joinWithin = time.Minute
	// maxIncidents bounds the incidents that can be joined; that of which nothing was heard
	// for the longest time makes room.
	maxIncidents = 128
	// MaxSteps and maxRows bound the steps and the evidence of an incident that is joined
	// again and again.
	MaxSteps = 100
	maxRows  = 500
)

// Effects records what an incident under way becomes. None of its calls waits.
type Effects interface {
	// Record gives a new incident its number and records it. Extend records what joined
	// one: its reason, its steps from number first on, and more evidence.
	Record(i *incident.Incident)
	Extend(i *incident.Incident, first int, more []incident.Evidence)
	// Amend records the reason and the other fields of an incident after a change.
	Amend(i *incident.Incident)
	// Undelivered says whether the message about an incident is still to be sent.
	Undelivered(i *incident.Incident) bool
}

// Incidents are those under way. It has no lock: its owner calls it from one goroutine at a
// time.
type Incidents struct {
	table   *score.Table
	breakIn *score.BreakIn
	effects Effects

	list      []*Incident                // the oldest first
	guessers  map[netip.Prefix]*Incident // those of them that are about the guesses of an address
	listings  map[score.Key]listing      // what incidents have listed
	contained map[string]*Incident       // by account, the last incident that treats it as compromised
}

// New returns Incidents without any.
func New(table *score.Table, breakIn *score.BreakIn, effects Effects) *Incidents {
	return &Incidents{table: table, breakIn: breakIn, effects: effects}
}

// Prune forgets what can no longer be joined. It is to be called once a minute.
func (s *Incidents) Prune(now time.Time) {
	s.forgetOver(now)
	s.pruneListings(now)
	s.pruneContained(now)
}

// NoteStep changes the detail of a step of an incident under way. The step is found by its
// kind, target and state.
func (s *Incidents) NoteStep(number int64, step incident.Step) {
	for _, u := range s.list {
		for n := range u.Incident.Steps {
			if has := &u.Incident.Steps[n]; u.Incident.ID == number && has.Step == step.Step && has.Target == step.Target && has.State == step.State {
				has.Detail = step.Detail
			}
		}
	}
}

// Ends says whether an incident under way has ended, or is ending, the call of an account on
// one of these channels.
func (s *Incidents) Ends(account string, channels ...string) bool {
	return slices.ContainsFunc(s.list, func(u *Incident) bool {
		return u.Incident.Account == account && slices.ContainsFunc(u.Incident.Steps, func(s incident.Step) bool {
			return s.Step == incident.StepHangupCall && (s.State == incident.Intended || s.State == incident.Done) && slices.Contains(channels, s.Target)
		})
	})
}

// Incident is one that can be joined.
type Incident struct {
	*incident.Incident
	last    time.Time // when its last verdict came
	gravity decide.Gravity
	events  map[sighting]bool // that crossed its thresholds
	crossed []string          // the thresholds

	uncounted []*score.Verdict // whose events are not in events yet
	fresh     []*score.Verdict // whose evidence is to be recorded
	steps     int              // how many of its steps are recorded
	begun     bool             // it is recorded
	Contained time.Time        // when its account was last treated as compromised
	spoofed   bool             // it may become one about many addresses

	source   netip.Prefix // of the guesser that it is about; the zero Prefix if it is about none
	heard    time.Time    // when that last guessed
	late     int          // guesses since the last that were listed
	unlisted int          // guesses that are not listed
	named    int          // of those, how many the reason counts
	suffix   string       // of the reason, about them
	amended  time.Time    // when the reason was last brought up to date
}

// sighting identifies an event, whichever sensor's or table's record of it this is.
type sighting struct {
	at     int64 // µs since 1970: a table keeps no more
	source netip.Addr
	port   uint16
	signal score.Signal
}

func sightingOf(r *score.Record) sighting {
	return sighting{r.At.UnixMicro(), r.Source.Unmap(), r.Port, r.Signal}
}

// Joinable is the incident under way that a verdict belongs to: about the same account
// and by the same events, or crossed by the same event. It is nil for a verdict about
// the whole site, whose incident lists every address.
func (s *Incidents) Joinable(v *score.Verdict, mode incident.Mode) *Incident {
	if v.Key.Per == score.PerSite {
		return nil
	}
	if u := s.GoingOn(v, mode); u != nil {
		return u
	}
	for _, u := range slices.Backward(s.list) {
		i := u.Incident
		if v.At.Sub(u.last) >= joinWithin || !s.takesMore(u, v, mode) {
			continue
		}
		if v.Key.Per == score.PerOrigin && v.Key == i.Key {
			return u
		}
		account := decide.AccountOf(v)
		if i.Account != "" && account != "" && i.Account != account {
			continue
		}
		if v.At.Equal(u.last) && v.Cause.Source == i.Source || account != "" && account == i.Account && s.shares(v, u) {
			return u
		}
	}
	return nil
}

// takesMore says whether there is room in an incident for a verdict, and whether it was
// decided in the same mode.
func (s *Incidents) takesMore(u *Incident, v *score.Verdict, mode incident.Mode) bool {
	i := u.Incident
	return i.Key.Per != score.PerSite && len(i.Steps) < MaxSteps && len(i.Evidence) < maxRows && i.Mode == mode
}

// shares says whether an event that counts for a verdict also counted for a threshold that an
// incident has crossed.
func (s *Incidents) shares(v *score.Verdict, u *Incident) bool {
	for _, before := range u.uncounted {
		for _, r := range s.counted(before) {
			u.events[sightingOf(&r)] = true
		}
	}
	u.uncounted = nil
	for _, r := range s.counted(v) {
		if u.events[sightingOf(&r)] {
			return true
		}
	}
	return false
}

// counted are the records that crossed the threshold of a verdict: those with points, and
// the failures that make a success a break-in.
func (s *Incidents) counted(v *score.Verdict) []score.Record {
	var list []score.Record
	for _, r := range v.Evidence {
		if v.Threshold.Points[r.Signal] > 0 && v.At.Sub(r.At) < v.Threshold.Within {
			list = append(list, r)
		}
	}
	if afterFailures(v) {
		list = append(list, s.breakIn.Failures(v.Key.Account)...)
	}
	return list
}

// Begin makes a new incident one that can be joined. spoofed says that it may become one
// about many addresses.
func (s *Incidents) Begin(v *score.Verdict, i *incident.Incident, spoofed bool) *Incident {
	u := &Incident{Incident: i, spoofed: spoofed, gravity: decide.GravityOf(i.Steps), events: map[sighting]bool{}, crossed: []string{v.Threshold.Name}}
	u.add(v)
	s.isGuesser(u, v)
	if len(s.list) >= maxIncidents {
		s.drop()
	}
	s.list = append(s.list, u)
	s.contain(u, v.At)
	return u
}

// drop makes room: the incident of which nothing was heard for the longest time can
// no longer be joined.
func (s *Incidents) drop() {
	oldest := 0
	for n, u := range s.list {
		if u.lastHeard().Before(s.list[oldest].lastHeard()) {
			oldest = n
		}
	}
	s.forgetGuesser(s.list[oldest])
	s.list = slices.Delete(s.list, oldest, oldest+1)
}

func (u *Incident) lastHeard() time.Time {
	if u.heard.After(u.last) {
		return u.heard
	}
	return u.last
}

// add adds a verdict. What takes time is left for later, since the steps of a verdict come
// first.
func (u *Incident) add(v *score.Verdict) {
	u.last = v.At
	u.fresh, u.uncounted = append(u.fresh, v), append(u.uncounted, v)
}

// Join adds a verdict to an incident under way, and returns the first of its new steps.
func (s *Incidents) Join(u *Incident, v *score.Verdict, sign *calls.Sign, plan []incident.Step) (first int) {
	i, first := u.Incident, len(u.Incident.Steps)
	gravity := decide.GravityOf(plan)
	graver := gravity > u.gravity
	steps := decide.NewSteps(i.Steps, plan, graver && u.begun && !s.effects.Undelivered(i))
	for n := range steps {
		if !v.At.Equal(i.At) {
			steps[n].Began = v.At
		}
	}
	i.Steps = append(i.Steps, steps...)
	reason := s.Reason(v, sign)
	switch {
	case graver:
		if i.Threshold != v.Threshold.Name {
			i.Reason = reason + alsoCrossed(i.Threshold, i.Reason)
		}
		i.Key, i.Threshold, i.Playbook, i.Source = v.Key, v.Threshold.Name, v.Threshold.Playbook, v.Cause.Source
	case !slices.Contains(u.crossed, v.Threshold.Name):
		i.Reason += alsoCrossed(v.Threshold.Name, reason)
	}
	if account := decide.AccountOf(v); account != "" {
		i.Account = account // whom the new steps are about
	}
	u.crossed = append(u.crossed, v.Threshold.Name)
	s.isGuesser(u, v)
	if u.gravity = max(u.gravity, gravity); gravity == u.gravity {
		s.contain(u, v.At)
	}
	u.add(v)
	return first
}

// alsoCrossed names another threshold that an incident crossed, and why.
func alsoCrossed(threshold, reason string) string {
	return fmt.Sprintf("; also %s: %s", threshold, strings.TrimSuffix(reason, "."))
}

// Record completes an incident whose urgent steps are under way, or what joined it. It
// returns the first step that was not recorded yet, and whether the incident's calls are
// to be recorded; ok is false if there was nothing to record.
func (s *Incidents) Record(u *Incident) (step int, aboutCalls, ok bool) {
	i, step := u.Incident, u.steps
	if u.begun && step == len(i.Steps) && len(u.fresh) == 0 {
		return step, false, false // recorded with what it joined
	}
	var more []incident.Evidence
	for _, v := range u.fresh {
		more = append(more, s.evidence(v, i.ID, i.Evidence, more)...)
	}
	fresh := u.fresh
	more = u.listGuesses(more)
	inOrder(more)
	aboutCalls = contain.AboutCalls(i) && u.callsOf(i, step)
	i.Evidence = append(i.Evidence, more...)
	inOrder(i.Evidence)
	u.fresh, u.steps = nil, len(i.Steps)
	u.amend(u.last)
	if u.begun {
		s.effects.Extend(i, step, more)
	} else {
		u.begun = true
		s.effects.Record(i)
	}
	s.hasListed(u, fresh)
	return step, aboutCalls, true
}

// Last is when the last verdict came that belongs to the incident.
func (u *Incident) Last() time.Time { return u.last }

// Crossed are the thresholds that the incident crossed.
func (u *Incident) Crossed() []string { return u.crossed }

// inOrder sorts evidence by time, and what came at the same time in the order of arrival. A
// success that failures make a break-in comes after them.
func inOrder(list []incident.Evidence) {
	follows := func(e *incident.Evidence) int {
		if e.Signal == score.SuccessAfterFailures || e.Signal == score.NewPlaceAfterFailures {
			return 1
		}
		return 0
	}
	slices.SortStableFunc(list, func(x, y incident.Evidence) int {
		return cmp.Or(x.At.Compare(y.At), follows(&x)-follows(&y))
	})
}

// callsOf says whether one of the steps from number n on ends calls.
func (u *Incident) callsOf(i *incident.Incident, n int) bool {
	part := incident.Incident{Account: i.Account, Steps: i.Steps[n:]}
	return contain.AboutCalls(&part)
}

// forgetOver forgets the incidents that can no longer be joined.
func (s *Incidents) forgetOver(now time.Time) {
	s.list = slices.DeleteFunc(s.list, func(u *Incident) bool {
		if !u.over(now) || u.late > 0 {
			return false
		}
		s.forgetGuesser(u)
		return true
	})
}

func (s *Incidents) forgetGuesser(u *Incident) {
	if s.guessers[u.source] == u {
		delete(s.guessers, u.source)
	}
}

// Reason says why a threshold was crossed: by which call, or after how many guesses.
func (s *Incidents) Reason(v *score.Verdict, sign *calls.Sign) string {
	reason := v.Reason
	if v.Key.Per == score.PerOrigin {
		reason = fmt.Sprintf("calls that no phone set up, from %s: %s", score.OriginWords(v.Key.Account), v.Reason)
	}
	if sign != nil {
		reason += "; " + sign.Detail
	}
	if v.Cause.Signal != score.SuccessAfterFailures {
		return reason
	}
	n := s.breakIn.Counted(v.Key.Account)
	if n > 0 {
		reason += "; after " + incident.Count(n, "failed login") + " from unknown addresses"
	}
	if others := s.otherFailures(v); n < s.breakIn.Threshold() && others > 0 {
		reason += "; after " + incident.Count(others, "failed login") + " to other extensions from this address"
	}
	return reason
}

// otherFailures counts the failures of other accounts at a verdict's address.
func (s *Incidents) otherFailures(v *score.Verdict) (n int) {
	for _, r := range s.table.Evidence(score.SourceKey(v.Cause.Source)) {
		if r.Signal.Failure() && r.Account != v.Key.Account && v.At.Sub(r.At) < s.breakIn.Within() {
			n++
		}
	}
	return n
}
