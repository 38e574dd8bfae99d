package bans

import (
	"net/netip"
	"slices"
	"time"

	"github.com/tollwarden/tollwarden/responder/incident"
)

const (
	// MaxSuspects bounds the addresses that are throttled at once.
	MaxSuspects = 4096
	// maxLive bounds the conversations that pass at one of them.
	maxLive = 1024
	// maxBarred is from how many conversations guesses may come until no further one
	// passes: whoever has an account could sign in from a new port for each guess.
	maxBarred = 3
)

// Suspects is the registry of the addresses that are throttled or closed over UDP, since a
// ban would hit others. The kernel holds the same addresses and knows no reasons.
type Suspects struct {
	throttler Throttler
	live      func(at netip.Prefix) []netip.AddrPort
	by        map[netip.Prefix]*suspect
}

// Throttler carries out what a Suspects decides. Neither call waits.
type Throttler interface {
	// Suspect throttles an address for that time; 0 ends it. The conversations in live
	// pass as before. It may keep live, which never changes. ok is false if there is no
	// room now. Otherwise what the kernel says comes back by Suspects.Acknowledged.
	Suspect(at netip.Prefix, within time.Duration, live []netip.AddrPort) (ok bool)
	// PartialChanged is called for each change of a partial block.
	PartialChanged(b incident.PartialBlock, change incident.BanChange)
}

// suspect is what is known of an address.
type suspect struct {
	incident.PartialBlock
	kernel  time.Time        // until when the kernel throttles it, as far as it has said
	unsent  bool             // the kernel has not taken what was decided last
	live    []netip.AddrPort // conversations that pass undecided; shared, so never changed in place
	barred  []netip.AddrPort // those that would, had no guesses come from them
	guesses bool             // it guesses; otherwise it received others' answers, which can happen to anybody
}

// NewSuspects makes a registry of no address. live are the conversations of the phones in
// use at an address.
func NewSuspects(throttler Throttler, live func(at netip.Prefix) []netip.AddrPort) *Suspects {
	return &Suspects{throttler: throttler, live: live, by: map[netip.Prefix]*suspect{}}
}

// Add has the address of a block throttled, or goes on with it. A conversation that a
// failure came from, of those in failed, does not pass. guesses is false if it only
// received others' answers. begun says whether it was not throttled before, and ok is false
// if there is no room for it.
func (s *Suspects) Add(now time.Time, why incident.PartialBlock, within time.Duration, failed []netip.AddrPort, guesses bool) (begun, ok bool) {
	at := why.Address
	is := s.by[at]
	if is == nil {
		if len(s.by) >= MaxSuspects && !s.drop() {
			s.Prune(now)
		}
		if len(s.by) >= MaxSuspects {
			return false, false
		}
		is = &suspect{}
		s.by[at] = is
	}
	if !is.InForce(now) {
		why.Since, begun = now, true
		*is = suspect{PartialBlock: why, live: s.live(at)}
	}
	if guesses && !is.guesses { // so far it received others' answers, if anything
		is.guesses, is.Account, is.Reason, is.Origin = true, why.Account, why.Reason, why.Origin
	}
	changed := is.bar(failed)
	if !changed && !is.unsent && is.Until.Sub(now) > within/2 {
		return begun, true
	}
	if until := now.Add(within); until.After(is.Until) {
		is.Until = until
	}
	s.throttle(now, is)
	return begun, true
}

// throttle has the kernel throttle a suspect. If there is no room for that now, the next
// guess tries again.
func (s *Suspects) throttle(now time.Time, is *suspect) {
	if is.unsent = !s.throttler.Suspect(is.Address, is.Until.Sub(now), is.live); is.unsent {
		is.Until = is.kernel
	}
}

// drop makes room for another suspect: misdirected answers can name any number of
// addresses.
func (s *Suspects) drop() bool {
	for at, is := range s.by {
		if !is.guesses {
			s.end(at, is)
			return true
		}
	}
	return false
}

// bar takes the conversations that guesses came from out of the live ones.
func (is *suspect) bar(failed []netip.AddrPort) (changed bool) {
	for _, at := range failed {
		if i := slices.Index(is.live, at); i >= 0 {
			is.live, is.barred = slices.Delete(slices.Clone(is.live), i, i+1), append(is.barred, at)
			changed = true
		}
	}
	return changed
}

// Admits says whether the conversation of a phone that signs in at a suspect's address may
// pass from now on: there is room for it, and it is neither one that passes nor one that
// guesses came from. It allocates nothing.
func (s *Suspects) Admits(now time.Time, at netip.Prefix, phone netip.AddrPort) bool {
	if len(s.by) == 0 {
		return false
	}
	is := s.by[at]
	return is != nil && is.InForce(now) && len(is.live) < maxLive && len(is.barred) < maxBarred && !slices.Contains(is.live, phone) && !slices.Contains(is.barred, phone)
}

// Admit lets the conversation of a phone pass that Admits.
func (s *Suspects) Admit(now time.Time, at netip.Prefix, phone netip.AddrPort) {
	is := s.by[at]
	is.live = append(slices.Clone(is.live), phone)
	s.throttle(now, is)
}

// Acknowledged records that the kernel throttles an address, or why it does not: then the
// next guess tries again.
func (s *Suspects) Acknowledged(now time.Time, at netip.Prefix, err error) {
	is := s.by[at]
	if is == nil {
		return
	}
	if err != nil {
		is.Until, is.unsent = is.kernel, true
		return
	}
	begins := !is.kernel.After(now)
	if is.kernel = is.Until; begins {
		change := incident.Throttled
		if is.Kind == incident.ClosedAddress {
			change = incident.Closed
		}
		s.throttler.PartialChanged(is.PartialBlock, change)
	}
}

// Recorded gives a suspect the number of the incident that it is one by: crossed are the
// thresholds that the incident is about.
func (s *Suspects) Recorded(at netip.Prefix, crossed []string, id int64) {
	if is := s.by[at]; is != nil && is.Incident == 0 && slices.Contains(crossed, is.Origin) {
		is.Incident = id
	}
}

// At is the block of an address; ok is false if it is not throttled now.
func (s *Suspects) At(now time.Time, at netip.Prefix) (b incident.PartialBlock, ok bool) {
	if is := s.by[at]; is != nil && is.InForce(now) {
		return is.PartialBlock, true
	}
	return b, false
}

// List is every suspect, in no particular order.
func (s *Suspects) List(now time.Time) (list []incident.PartialBlock) {
	for _, is := range s.by {
		if is.InForce(now) {
			b := is.PartialBlock
			b.Phones = len(is.live)
			list = append(list, b)
		}
	}
	return list
}

// Remove forgets a suspect, which the kernel is to let go. undo is for when it does not.
func (s *Suspects) Remove(at netip.Prefix) (undo func()) {
	is := s.by[at]
	delete(s.by, at)
	return func() {
		if s.by[at] == nil && is != nil {
			s.by[at] = is
		}
	}
}

// Restore takes over a suspect that the kernel has kept. The conversations in live pass. ok
// is false if there is no room for it.
func (s *Suspects) Restore(b incident.PartialBlock, live []netip.AddrPort) (ok bool) {
	if ok = len(s.by) < MaxSuspects; ok {
		s.by[b.Address] = &suspect{PartialBlock: b, kernel: b.Until, live: live, guesses: b.Origin != incident.OriginMisdirected}
	}
	return ok
}

// End ends, of our own accord, the throttling of the addresses that are selected, and
// returns them.
func (s *Suspects) End(selected func(at netip.Prefix) bool) (ended []netip.Prefix) {
	for at, is := range s.by {
		if selected(at) {
			s.end(at, is)
			ended = append(ended, at)
		}
	}
	return ended
}

func (s *Suspects) end(at netip.Prefix, is *suspect) {
	delete(s.by, at)
	s.throttler.Suspect(at, 0, nil)
	s.throttler.PartialChanged(is.PartialBlock, incident.Released)
}

// Prune forgets the suspects whose time is over.
func (s *Suspects) Prune(now time.Time) {
	for at, is := range s.by {
		if !is.InForce(now) {
			delete(s.by, at)
			if !is.kernel.IsZero() {
				s.throttler.PartialChanged(is.PartialBlock, incident.Ended)
			}
		}
	}
}
