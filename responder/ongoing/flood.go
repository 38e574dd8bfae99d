package ongoing

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
	// GoesOnFor is how long the bans in a row of one address are one incident.
	GoesOnFor = 24 * time.Hour
)

// Flood is the bans of addresses that may be spoofed. It has no lock: its owner calls it
// from one goroutine at a time.
type Flood struct {
	effects         Effects
	blocked, spared shared              // of addresses that were blocked, and of those that were not
	numbers         map[int64]time.Time // of incidents that are shared
}

// shared is an incident that collects such bans.
type shared struct {
	incident *incident.Incident // nil: there is none now
	first    *Incident          // the same, as one that can be joined
	why      string             // the reason of its first verdict
	listed   int
	blocked  int       // addresses that were blocked
	networks int       // networks that were, since their addresses take turns
	spared   int       // those that were not, for reasons of their own
	refused  int       // those for which there is no room
	alone    int       // of those spared, the ones with an incident of their own
	written  int       // addresses and networks that the reason counts
	at       time.Time // when it was last brought up to date
}

// NewFlood returns a Flood without incidents.
func NewFlood(effects Effects) *Flood { return &Flood{effects: effects} }

// Taken is what a verdict adds to an incident that is shared.
type Taken struct {
	Incident *Incident
	Listed   bool          // its steps are those of the incident from number Step on
	Step     int           // 0 unless Listed
	Ban      *incident.Ban // of an address that is only counted; nil if it is not blocked
}

// Take adds a verdict to the incident of this minute. full says whether there is no room for
// a ban. ok is false if there is none: the verdict then opens it.
func (f *Flood) Take(v *score.Verdict, steps []incident.Step, mode incident.Mode, full bool) (t Taken, ok bool) {
	s, ban := f.of(steps, full), BanOf(steps)
	if s == &f.spared && s.spared < maxAlone && s.incident != nil && v.At.Sub(s.incident.At) < floodWithin {
		return Taken{}, false
	}
	if s.incident == nil || v.At.Sub(s.incident.At) >= floodWithin || s.incident.Mode != mode {
		f.recount(s, v.At)
		*s = shared{}
		return Taken{}, false
	}
	s.share()
	f.Number(s.incident)
	s.add(ban, full)
	t = Taken{Incident: s.first}
	if s.listed >= maxListed || ban == nil && s.refused > 0 {
		if ban != nil {
			ban.Incident, ban.Step, ban.Reason = s.incident.ID, incident.StepUnlisted, UnlistedReason
		}
		t.Ban = ban
		return t, true
	}
	s.listed++
	i := s.incident
	t.Listed, t.Step = true, len(i.Steps)
	for n := range steps {
		steps[n].Began = v.At
	}
	i.Steps = append(i.Steps, steps...)
	i.Reason, s.written, s.at = s.reason(), s.targets(), v.At
	s.first.fresh = append(s.first.fresh, &score.Verdict{At: v.At, Threshold: v.Threshold, Evidence: []score.Record{v.Cause}})
	return t, true
}

// of is where a plan belongs: with those that are blocked, or would be if there were room,
// or with those that are not.
func (f *Flood) of(steps []incident.Step, full bool) *shared {
	if BanOf(steps) == nil && !full {
		return &f.spared
	}
	return &f.blocked
}

// Opened makes a new incident the one of its minute.
func (f *Flood) Opened(v *score.Verdict, u *Incident, full bool) {
	s := f.of(u.Incident.Steps, full)
	alone := 0
	if s == &f.spared {
		alone = s.spared // since the first of them
	}
	*s = shared{incident: u.Incident, first: u, why: v.Reason, listed: 1, spared: alone, alone: alone, at: v.At}
	s.add(BanOf(u.Incident.Steps), full)
}

// add counts an address.
func (s *shared) add(ban *incident.Ban, full bool) {
	switch {
	case ban != nil && ban.Network():
		s.networks++
	case ban != nil:
		s.blocked++
	case full:
		s.refused++
	default:
		s.spared++
	}
}

// targets is how many addresses and networks the incident is about.
func (s *shared) targets() int { return s.blocked + s.networks + s.spared - s.alone + s.refused }

// Continues begins the reason of a ban that was brought back.
const Continues = "continues after its ban: "

// UnlistedReason is the reason of a ban that its incident only counts. The ledger keeps a
// hundred thousand of them, so it is short.
const UnlistedReason = "part of a flood"

// Joined records that an incident is about more than a block: no other address may share it.
func (f *Flood) Joined(i *incident.Incident) {
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
	return strings.Join(parts, "; ") + "; the first: " + strings.TrimPrefix(s.why, Continues)
}

// Number records that an incident is shared, once it has its number.
func (f *Flood) Number(i *incident.Incident) {
	if i.ID == 0 {
		return // it is not recorded yet
	}
	if f.numbers == nil {
		f.numbers = map[int64]time.Time{}
	}
	f.numbers[i.ID] = i.At
}

// Shares says whether the incident of a ban is shared with others.
func (f *Flood) Shares(ban incident.Ban) bool {
	_, shared := f.numbers[ban.Incident]
	return shared || ban.Step == incident.StepUnlisted || ban.Reason == UnlistedReason // which the ledger keeps
}

// countEvery is how often the numbers that a reason names are brought up to date.
const countEvery = 10 * time.Second

// Watch brings the incidents of this minute up to date.
func (f *Flood) Watch(now time.Time) {
	for _, s := range []*shared{&f.blocked, &f.spared} {
		if now.Sub(s.at) >= countEvery {
			f.recount(s, now)
		}
	}
}

func (f *Flood) recount(s *shared, now time.Time) {
	if s.incident != nil && s.targets() > s.listed && s.targets() > s.written {
		s.written, s.at = s.targets(), now
		s.incident.Reason = s.reason()
		f.effects.Amend(s.incident)
	}
}

// Prune forgets which incidents were shared long ago.
func (f *Flood) Prune(now time.Time) {
	for id, at := range f.numbers {
		if now.Sub(at) >= sharedFor {
			delete(f.numbers, id)
		}
	}
}

// BanOf is the ban that steps put in force, or would in mode observe; nil if there is
// none.
func BanOf(steps []incident.Step) *incident.Ban {
	for n := range steps {
		if steps[n].Ban.Prefix.IsValid() {
			return &steps[n].Ban
		}
	}
	return nil
}
