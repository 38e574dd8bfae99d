package firewall

import (
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"time"

	"github.com/google/nftables"
	"golang.org/x/sys/unix"
)

// maxSuspects is the capacity of each set of suspects.
const maxSuspects = 1 << 14

// Suspect makes an address a suspect for the given time from now; 0 ends that. The
// address is an IPv4 /32 or an IPv6 /64. Of the conversations there, exactly those in
// live pass undecided. If the kernel lets nobody decide (Throttles), its requests are
// dropped.
func (w *Watch) Suspect(within time.Duration, at netip.Prefix, live []netip.AddrPort) error {
	return w.changeSource("suspect", sourceSets{suspectSets, liveSets, w.suspects, w.live}, within, at, live)
}

// changeSource has one address in these sets for a time. what is that in words.
func (w *Watch) changeSource(what string, s sourceSets, within time.Duration, at netip.Prefix, live []netip.AddrPort) error {
	if !isSource(at) {
		return fmt.Errorf("firewall: watch: %s %s: %w: want an IPv4 /32 or an IPv6 /64", what, at, ErrInvalid)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if err := w.replaceSource(s, within, at, live); err != nil {
		return fmt.Errorf("firewall: table inet %s: %s %s: %w", w.name, what, at, explain(err))
	}
	return nil
}

// Suspects returns the addresses that are suspects now, each with its end.
func (w *Watch) Suspects() map[netip.Prefix]time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.suspects.ends(time.Now())
}

// ends returns the addresses that have time left, each with its end.
func (s suspects) ends(now time.Time) map[netip.Prefix]time.Time {
	list := make(map[netip.Prefix]time.Time, len(s))
	for addr, until := range s {
		if !until.over(expiryOf(now)) {
			bits := 32
			if addr.Is6() {
				bits = 64
			}
			list[netip.PrefixFrom(addr, bits)] = until.time()
		}
	}
	return list
}

// Live returns the conversations of a suspect that pass undecided.
func (w *Watch) Live(at netip.Prefix) []netip.AddrPort {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Collect(maps.Keys(sourceSets{excepted: w.live}.within(at)))
}

// sourceSets are the sets of addresses of one kind and of the conversations there that
// are excepted, in the kernel and here.
type sourceSets struct {
	sources, exceptions [2]watchSet
	known               suspects
	excepted            flows
}

// replaceSource replaces one address with its exceptions, and makes the table anew if
// another program removed it. After an error everything is as before, as it is in the
// kernel.
func (w *Watch) replaceSource(s sourceSets, within time.Duration, at netip.Prefix, live []netip.AddrPort) error {
	now := time.Now()
	s.prune(now)
	until, known := s.known[at.Addr()]
	was := s.within(at)
	s.set(expiryOf(now.Add(within)), at, live)
	s.prune(now)
	err := w.replaceElements(s, at, was, now)
	if errors.Is(err, unix.ENOENT) {
		err = w.build()
	}
	if err != nil {
		s.set(until, at, nil)
		maps.Copy(s.excepted, was)
		if !known {
			delete(s.known, at.Addr())
		}
	}
	return err
}

func (s sourceSets) set(until expiry, at netip.Prefix, live []netip.AddrPort) {
	s.known[at.Addr()] = until
	maps.DeleteFunc(s.excepted, func(a netip.AddrPort, _ expiry) bool { return at.Contains(a.Addr()) })
	for _, a := range live {
		if a = netip.AddrPortFrom(a.Addr().Unmap(), a.Port()); at.Contains(a.Addr()) {
			s.excepted[a] = until
		}
	}
}

// within returns the exceptions of an address.
func (s sourceSets) within(p netip.Prefix) flows {
	out := flows{}
	for a, until := range s.excepted {
		if p.Contains(a.Addr()) {
			out[a] = until
		}
	}
	return out
}

// replaceElements replaces what the kernel may have of one address, in one transaction.
// What it deletes it adds first, since it may have run out.
func (w *Watch) replaceElements(s sourceSets, at netip.Prefix, was flows, now time.Time) error {
	t, v6 := nfTable(w.name), at.Addr().Is6()
	replace := func(set watchSet, old, is []nftables.SetElement) error {
		nf := set.nf(t)
		if len(old) == 0 { // to delete none would delete all
			return nil
		}
		return errors.Join(w.writer.SetAddElements(nf, old), w.writer.SetDeleteElements(nf, old), w.writer.SetAddElements(nf, is))
	}
	is := s.within(at)
	soon := expiryOf(now.Add(time.Minute)) // not within this transaction
	old := flows{}
	for _, some := range []flows{was, is} {
		for a := range some {
			old[a] = soon
		}
	}
	addr := at.Addr()
	current := suspects{}
	if until, ok := s.known[addr]; ok {
		current[addr] = until
	}
	err := errors.Join(
		replace(setFor(s.sources, v6), suspects{addr: soon}.elements(v6, now), current.elements(v6, now)),
		replace(setFor(s.exceptions, v6), old.elements(v6, now), is.elements(v6, now)))
	if err != nil {
		return err
	}
	return w.writer.Flush()
}

// prune forgets what the kernel has forgotten by itself.
func (s sourceSets) prune(now time.Time) {
	over := expiryOf(now)
	maps.DeleteFunc(s.known, func(_ netip.Addr, until expiry) bool { return until.over(over) })
	pruneFlows(s.excepted, now)
}

// suspects are addresses, each with its end: of IPv6 the first of a /64.
type suspects map[netip.Addr]expiry

// elements returns the suspects of one family that have time left, for the kernel.
func (s suspects) elements(v6 bool, now time.Time) []nftables.SetElement {
	var out []nftables.SetElement
	for addr, until := range s {
		if addr.Is6() == v6 && !until.over(expiryOf(now)) {
			out = append(out, nftables.SetElement{Key: addr.AsSlice(), Timeout: timeout(until, now)})
		}
	}
	return out
}
