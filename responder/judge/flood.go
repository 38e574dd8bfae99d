package judge

import (
	"fmt"
	"net/netip"
	"strings"
	"time"

	"github.com/tollwarden/tollwarden/responder/incident"
	"github.com/tollwarden/tollwarden/responder/score"
)

// Whoever forges packets makes any number of addresses cross a threshold. The bans of
// addresses that may be spoofed share one incident per minute, so that a flood fills
// neither the disk nor the list that people read. The first of a minute is an incident
// like any other, until a second one comes.

const (
	// floodWithin is how long an incident collects such bans.
	floodWithin = time.Minute
	// maxListed bounds the addresses that it lists; the others are counted.
	maxListed = 100
	// maxAlone is how many addresses of a minute that must not be blocked have an incident
	// of their own, since one may be an office's. A flood in a carrier's name is shared.
	maxAlone = 5
	// sharedFor is how long it is known which incidents are shared: as long as the
	// longest such ban, with the time in which it can be renewed.
	sharedFor = 26 * time.Hour
	// goesOnFor is how long the bans in a row of one address are one incident.
	goesOnFor = 24 * time.Hour
)

// flood is the bans of addresses that may be spoofed. The zero value is ready to use.
type flood struct {
	blocked, spared shared              // those that were blocked, and those that were not
	numbers         map[int64]time.Time // of incidents that are shared
}

// shared is an incident that collects such bans.
type shared struct {
	incident *incident.Incident // nil: there is none now
	first    *underWay
	why      string // its first verdict
	listed   int
	blocked  int       // addresses that were blocked
	networks int       // networks that were, since their addresses take turns
	spared   int       // those that were not, for reasons of their own
	refused  int       // those for which there is no room
	alone    int       // of those, the ones with an incident of their own
	written  int       // addresses and networks that the reason counts
	at       time.Time // when it was last brought up to date
}

// take adds a verdict to the incident of this minute. ok is false if there is none: the
// verdict then opens it.
func (f *flood) take(j *Judge, v *score.Verdict, steps []incident.Step) (ok bool) {
	s, ban := f.of(j, steps), banOf(steps)
	if s == &f.spared && s.spared < maxAlone && s.incident != nil && v.At.Sub(s.incident.At) < floodWithin {
		return false
	}
	if s.incident == nil || v.At.Sub(s.incident.At) >= floodWithin || s.incident.Mode != j.modeOf(v.At) {
		s.recount(j, v.At)
		*s = shared{}
		return false
	}
	j.counters.Joined++
	s.share()
	f.number(s.incident)
	s.add(j, ban)
	if s.listed >= maxListed || ban == nil && s.refused > 0 {
		f.countOnly(j, s, ban)
		return true
	}
	s.listed++
	i, step := s.incident, len(s.incident.Steps)
	for n := range steps {
		steps[n].Began = v.At
	}
	i.Steps = append(i.Steps, steps...)
	i.Reason, s.written, s.at = s.reason(), s.targets(), v.At
	s.first.fresh = append(s.first.fresh, &score.Verdict{At: v.At, Threshold: v.Threshold, Evidence: []score.Record{v.Cause}})
	j.carry(i, step, v, func() { j.effects.Join(i, step, func() { j.record(s.first); f.number(i) }) })
	return true
}

// of is where a plan belongs: with those that are blocked, or would be if there were room,
// or with those that are not.
func (f *flood) of(j *Judge, steps []incident.Step) *shared {
	if banOf(steps) == nil && !j.Bans.Full() {
		return &f.spared
	}
	return &f.blocked
}

// opened makes a new incident the one of its minute.
func (f *flood) opened(j *Judge, v *score.Verdict, u *underWay) {
	s := f.of(j, u.incident.Steps)
	alone := 0
	if s == &f.spared {
		alone = s.spared // since the first of them
	}
	*s = shared{incident: u.incident, first: u, why: v.Reason, listed: 1, spared: alone, alone: alone, at: v.At}
	s.add(j, banOf(u.incident.Steps))
}

// add counts an address.
func (s *shared) add(j *Judge, ban *incident.Ban) {
	switch {
	case ban != nil && ban.Network():
		s.networks++
	case ban != nil:
		s.blocked++
	case j.Bans.Full():
		s.refused++
	default:
		s.spared++
	}
}

// targets is how many addresses and networks the incident is about.
func (s *shared) targets() int { return s.blocked + s.networks + s.spared - s.alone + s.refused }

// countOnly puts a ban in force that is not listed; nil is an address that is not blocked.
func (f *flood) countOnly(j *Judge, s *shared, ban *incident.Ban) {
	if ban != nil {
		ban.Incident, ban.Step, ban.Reason = s.incident.ID, incident.StepUnlisted, unlistedReason
		j.enforce(*ban)
		j.effects.Prolong(*ban)
	}
}

// unlistedReason is the reason of a ban that its incident only counts. The ledger keeps a
// hundred thousand of them, so it is short.
const unlistedReason = "part of a flood"

// joined says that an incident is about more than a block: nothing else may share it.
func (f *flood) joined(i *incident.Incident) {
	for _, s := range []*shared{&f.blocked, &f.spared} {
		if s.incident == i {
			*s = shared{}
		}
	}
}

// share makes the incident one about many addresses.
func (s *shared) share() {
	i := s.incident
	i.Key, i.Account, i.Source = score.Key{Per: score.PerSite}, "", netip.Addr{}
}

// reason says in words what a shared incident is about.
func (s *shared) reason() string {
	var parts []string
	verb := "were"
	if s.incident.Mode != incident.Enforce {
		verb = "would be"
	}
	if s.blocked+s.networks > 0 {
		if s.blocked+s.networks == 1 {
			verb = strings.Replace(verb, "were", "was", 1)
		}
		parts = append(parts, fmt.Sprintf("%s that may be spoofed %s blocked", incident.AddressesText(s.blocked, s.networks), verb))
	}
	switch n := s.spared - s.alone; {
	case n == 1:
		parts = append(parts, "1 address that may be spoofed was not blocked")
	case n > 1:
		parts = append(parts, fmt.Sprintf("%d addresses that may be spoofed were not blocked", n))
	}
	if s.refused > 0 {
		parts = append(parts, fmt.Sprintf("%d that may be spoofed were not, since too many are blocked already", s.refused))
	}
	if n := s.targets(); n > s.listed {
		parts = append(parts, fmt.Sprintf("%d of them are listed", s.listed))
	}
	return strings.Join(parts, "; ") + "; the first: " + strings.TrimPrefix(s.why, continues)
}

func (f *flood) number(i *incident.Incident) {
	if i.ID == 0 {
		return // it is not recorded yet
	}
	if f.numbers == nil {
		f.numbers = map[int64]time.Time{}
	}
	f.numbers[i.ID] = i.At
}

// shares says whether the incident of a ban is shared with others.
func (f *flood) shares(ban incident.Ban) bool {
	_, shared := f.numbers[ban.Incident]
	return shared || ban.Step == incident.StepUnlisted || ban.Reason == unlistedReason // which the ledger keeps
}

// countEvery is how often the numbers that a reason names are brought up to date.
const countEvery = 10 * time.Second

// watch brings the incidents of this minute up to date.
func (f *flood) watch(j *Judge, now time.Time) {
	for _, s := range []*shared{&f.blocked, &f.spared} {
		if now.Sub(s.at) >= countEvery {
			s.recount(j, now)
		}
	}
}

func (s *shared) recount(j *Judge, now time.Time) {
	if s.incident != nil && s.targets() > s.listed && s.targets() > s.written {
		s.written, s.at = s.targets(), now
		s.incident.Reason = s.reason()
		j.effects.Amend(s.incident)
	}
}

// prune forgets which incidents were shared long ago.
func (f *flood) prune(now time.Time) {
	for id, at := range f.numbers {
		if now.Sub(at) >= sharedFor {
			delete(f.numbers, id)
		}
	}
}

// banOf is the ban that steps put in force, or would in mode observe; nil if there is
// none.
func banOf(steps []incident.Step) *incident.Ban {
	for n := range steps {
		if steps[n].Ban.Prefix.IsValid() {
			return &steps[n].Ban
		}
	}
	return nil
}

// prolonged puts a ban in force that follows another one of the same address: that is no
// incident of its own. For a day it goes on with that of the ban before it.
func (j *Judge) prolonged(v *score.Verdict, steps []incident.Step) (ok bool) {
	ban := banOf(steps)
	if ban == nil {
		return false
	}
	was, ok := j.Bans.Renewable(v.At, ban.Prefix)
	began := was.Began
	if began.IsZero() {
		began = was.Since
	}
	if !ok || was.Incident == 0 || j.flood.shares(was) || was.Observed != ban.Observed || v.At.Sub(began) >= goesOnFor {
		return false
	}
	ban.Incident, ban.Step, ban.Began = was.Incident, was.Step, began
	j.counters.Joined++
	j.enforce(*ban)
	j.effects.Prolong(*ban)
	return true
}
