package judge

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
	// maxUnderWay bounds the incidents that can be joined; that of which nothing was heard
	// for the longest time makes room.
	maxUnderWay = 128
	// maxSteps and maxRows bound the steps and the evidence of an incident that is joined
	// again and again.
	maxSteps = 100
	maxRows  = 500
)

// underWay is an incident that can be joined.
type underWay struct {
	incident *incident.Incident
	last     time.Time // when its last verdict came
	gravity  decide.Gravity
	events   map[sighting]bool // that crossed its thresholds
	crossed  []string          // the thresholds

	uncounted []*score.Verdict // whose events are not in events yet
	fresh     []*score.Verdict // whose evidence is to be recorded
	steps     int              // how many of its steps are recorded
	begun     bool             // it is recorded
	contained time.Time        // when its account was last treated as a thief's
	spoofed   bool             // it may become one about many addresses

	source   netip.Prefix // of the guesser that it is about; the zero Prefix if it is about none
	heard    time.Time    // when that last guessed
	late     int          // guesses since the last that were listed
	unlisted int          // guesses that are not listed
	told     int          // of those, how many the reason names
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

// joinable is the incident under way that a verdict belongs to: about the same account
// and by the same events, or crossed by the same event. It is nil for a verdict about
// the whole site, whose incident lists every address.
func (j *Judge) joinable(v *score.Verdict) *underWay {
	if v.Key.Per == score.PerSite {
		return nil
	}
	if u := j.goingOn(v); u != nil {
		return u
	}
	for _, u := range slices.Backward(j.underWay) {
		i := u.incident
		if v.At.Sub(u.last) >= joinWithin || !j.takesMore(u, v) {
			continue
		}
		if v.Key.Per == score.PerOrigin && v.Key == i.Key {
			return u
		}
		account := decide.AccountOf(v)
		if i.Account != "" && account != "" && i.Account != account {
			continue
		}
		if v.At.Equal(u.last) && v.Cause.Source == i.Source || account != "" && account == i.Account && j.shares(v, u) {
			return u
		}
	}
	return nil
}

// takesMore says whether there is room in an incident for a verdict, and whether it was
// decided in the same mode.
func (j *Judge) takesMore(u *underWay, v *score.Verdict) bool {
	i := u.incident
	return i.Key.Per != score.PerSite && len(i.Steps) < maxSteps && len(i.Evidence) < maxRows && i.Mode == j.modeOf(v.At)
}

// shares says whether an event counts for a verdict that crossed a threshold of an
// incident before.
func (j *Judge) shares(v *score.Verdict, u *underWay) bool {
	for _, before := range u.uncounted {
		for _, r := range j.counted(before) {
			u.events[sightingOf(&r)] = true
		}
	}
	u.uncounted = nil
	for _, r := range j.counted(v) {
		if u.events[sightingOf(&r)] {
			return true
		}
	}
	return false
}

// counted are the records that crossed the threshold of a verdict: those with points, and
// the failures that make a success a break-in.
func (j *Judge) counted(v *score.Verdict) []score.Record {
	var list []score.Record
	for _, r := range v.Evidence {
		if v.Threshold.Points[r.Signal] > 0 && v.At.Sub(r.At) < v.Threshold.Within {
			list = append(list, r)
		}
	}
	if afterFailures(v) {
		list = append(list, j.breakIn.Failures(v.Key.Account)...)
	}
	return list
}

// begin makes a new incident one that can be joined.
func (j *Judge) begin(v *score.Verdict, i *incident.Incident) *underWay {
	u := &underWay{incident: i, gravity: decide.GravityOf(i.Steps), events: map[sighting]bool{}, crossed: []string{v.Threshold.Name}}
	u.add(v)
	j.isGuesser(u, v)
	if len(j.underWay) >= maxUnderWay {
		j.dropUnderWay()
	}
	j.underWay = append(j.underWay, u)
	j.contain(u, v.At)
	return u
}

// dropUnderWay makes room: the incident of which nothing was heard for the longest time can
// no longer be joined.
func (j *Judge) dropUnderWay() {
	oldest := 0
	for n, u := range j.underWay {
		if u.lastHeard().Before(j.underWay[oldest].lastHeard()) {
			oldest = n
		}
	}
	j.forgetGuesser(j.underWay[oldest])
	j.underWay = slices.Delete(j.underWay, oldest, oldest+1)
}

func (u *underWay) lastHeard() time.Time {
	if u.heard.After(u.last) {
		return u.heard
	}
	return u.last
}

// add leaves what takes time for later, since the steps of a verdict come first.
func (u *underWay) add(v *score.Verdict) {
	u.last = v.At
	u.fresh, u.uncounted = append(u.fresh, v), append(u.uncounted, v)
}

// join adds a verdict to an incident under way. Its urgent steps come first.
func (j *Judge) join(u *underWay, v *score.Verdict, sign *calls.Sign, plan []incident.Step) {
	i, first := u.incident, len(u.incident.Steps)
	gravity := decide.GravityOf(plan)
	graver := gravity > u.gravity
	steps := decide.NewSteps(i.Steps, plan, graver && u.begun && !j.effects.Undelivered(i))
	for n := range steps {
		if !v.At.Equal(i.At) {
			steps[n].Began = v.At
		}
	}
	i.Steps = append(i.Steps, steps...)
	reason := j.reasonOf(v, sign)
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
	j.isGuesser(u, v)
	if u.gravity = max(u.gravity, gravity); gravity == u.gravity {
		j.contain(u, v.At)
	}
	u.add(v)
	j.flood.joined(i)
	j.counters.Joined++
	j.carry(i, first, v, func() { j.effects.Join(i, first, func() { j.record(u) }) })
}

// alsoCrossed names another threshold that an incident crossed, and why.
func alsoCrossed(threshold, reason string) string {
	return fmt.Sprintf("; also %s: %s", threshold, strings.TrimSuffix(reason, "."))
}

// record completes an incident whose urgent steps are under way, or what joined it.
func (j *Judge) record(u *underWay) {
	i, step := u.incident, u.steps
	if u.begun && step == len(i.Steps) && len(u.fresh) == 0 {
		return // recorded with what it joined
	}
	var more []incident.Evidence
	for _, v := range u.fresh {
		more = append(more, j.evidence(v, i.ID, i.Evidence, more)...)
	}
	fresh := u.fresh
	more = u.listGuesses(more)
	inOrder(more)
	aboutCalls := contain.AboutCalls(i) && u.callsOf(i, step)
	i.Evidence = append(i.Evidence, more...)
	inOrder(i.Evidence)
	u.fresh, u.steps = nil, len(i.Steps)
	u.amend(u.last)
	if u.begun {
		j.effects.Extend(i, step, more)
	} else {
		u.begun = true
		j.effects.Record(i)
	}
	j.hasListed(u, fresh)
	for _, s := range i.Steps[step:] {
		if s.Ban.Prefix.IsValid() && !s.Ban.Observed {
			j.Bans.Put(s.Ban) // with the incident's number
		}
	}
	j.Partial.Recorded(i, u.crossed)
	j.recordLimit(i)
	if aboutCalls {
		j.Gate.CallsOf(u.last, i, contain.Since(i))
	}
}

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
func (u *underWay) callsOf(i *incident.Incident, n int) bool {
	part := incident.Incident{Account: i.Account, Steps: i.Steps[n:]}
	return contain.AboutCalls(&part)
}

// forgetUnderWay forgets the incidents that can no longer be joined.
func (j *Judge) forgetUnderWay(now time.Time) {
	j.underWay = slices.DeleteFunc(j.underWay, func(u *underWay) bool {
		if !u.over(now) || u.late > 0 {
			return false
		}
		j.forgetGuesser(u)
		return true
	})
}

func (j *Judge) forgetGuesser(u *underWay) {
	if j.guessers[u.source] == u {
		delete(j.guessers, u.source)
	}
}

// reasonOf says why a threshold was crossed: by which call, or after how many guesses.
func (j *Judge) reasonOf(v *score.Verdict, sign *calls.Sign) string {
	reason := v.Reason
	if v.Key.Per == score.PerOrigin {
		reason = originReason(v)
	}
	if sign != nil {
		reason += "; " + sign.Detail
	}
	if v.Cause.Signal != score.SuccessAfterFailures {
		return reason
	}
	n := j.breakIn.Counted(v.Key.Account)
	if n > 0 {
		reason += "; after " + incident.Count(n, "failed login") + " from unknown addresses"
	}
	if others := j.otherFailures(v); n < j.breakIn.Threshold() && others > 0 {
		reason += "; after " + incident.Count(others, "failed login") + " to other accounts from this address"
	}
	return reason
}

// otherFailures counts the failures at a verdict's address for other accounts than its own.
func (j *Judge) otherFailures(v *score.Verdict) (n int) {
	for _, r := range j.table.Evidence(score.SourceKey(v.Cause.Source)) {
		if r.Signal.Failure() && r.Account != v.Key.Account && v.At.Sub(r.At) < j.breakIn.Within() {
			n++
		}
	}
	return n
}
