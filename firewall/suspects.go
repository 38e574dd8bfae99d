package firewall

import (
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"time"

	"github.com/google/nftables"
	"golang.org/x/sys/unix"
)

// Suspicion is an address whose SIP over UDP is decided about packet by packet, and
// for how long.
type Suspicion struct {
	// Prefix is an IPv4 /32 or an IPv6 /64.
	Prefix netip.Prefix
	// For is how long; 0 ends the suspicion.
	For time.Duration
	// Live are the conversations of registered phones there. They pass undecided,
	// also when the daemon stalls.
	Live []netip.AddrPort
}

// maxSuspects is the capacity of each set of suspects.
const maxSuspects = 1 << 14

// Suspect puts an address under suspicion, or renews that, or ends it. Of its live
// conversations exactly those named now are.
func (w *Watch) Suspect(s Suspicion) error {
	if s.Prefix != s.Prefix.Masked() || s.Prefix.Bits() != 32 && s.Prefix.Bits() != 64 || s.Prefix.Addr().Is6() != (s.Prefix.Bits() == 64) {
		return fmt.Errorf("firewall: watch: suspect %s: %w: want an IPv4 /32 or an IPv6 /64", s.Prefix, ErrInvalid)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.toQueue == nil {
		return fmt.Errorf("firewall: watch: suspect %s: %w", s.Prefix, w.queueErr)
	}
	now := time.Now()
	w.prune(now)
	was := w.within(s.Prefix)
	maps.DeleteFunc(w.live, func(a netip.AddrPort, _ expiry) bool { return s.Prefix.Contains(a.Addr()) })
	delete(w.suspects, s.Prefix.Addr())
	if s.For > 0 {
		until := expiryOf(now.Add(s.For))
		w.suspects[s.Prefix.Addr()] = until
		for _, a := range s.Live {
			if a = netip.AddrPortFrom(a.Addr().Unmap(), a.Port()); s.Prefix.Contains(a.Addr()) {
				w.live[a] = until
			}
		}
	}
	err := w.replaceSuspect(s, was, now)
	if errors.Is(err, unix.ENOENT) { // another program removed the table
		err = w.build()
	}
	if err != nil {
		return fmt.Errorf("firewall: table inet %s: suspect %s: %w", w.name, s.Prefix, explain(err))
	}
	return nil
}

// within returns the live conversations of an address.
func (w *Watch) within(p netip.Prefix) flows {
	out := flows{}
	for a, until := range w.live {
		if p.Contains(a.Addr()) {
			out[a] = until
		}
	}
	return out
}

// replaceSuspect puts one suspect as it is now in place of what the kernel may have of
// it, in one transaction. What is deleted is added first, since it may have run out.
func (w *Watch) replaceSuspect(s Suspicion, was flows, now time.Time) error {
	t, v6 := nfTable(w.name), s.Prefix.Addr().Is6()
	replace := func(set watchSet, old, is []nftables.SetElement) error {
		nf := set.nf(t)
		if len(old) == 0 { // to delete none would delete all
			return nil
		}
		return errors.Join(w.writer.SetAddElements(nf, old), w.writer.SetDeleteElements(nf, old), w.writer.SetAddElements(nf, is))
	}
	is := w.within(s.Prefix)
	maps.Copy(was, is)
	soon := expiryOf(now.Add(time.Minute)) // not within this transaction
	for a := range was {
		was[a] = soon
	}
	addr := s.Prefix.Addr()
	current := suspects{}
	if until, ok := w.suspects[addr]; ok {
		current[addr] = until
	}
	err := errors.Join(
		replace(setFor(suspectSets, v6), suspects{addr: soon}.elements(v6, now), current.elements(v6, now)),
		replace(setFor(liveSets, v6), was.elements(v6, now), is.elements(v6, now)))
	if err != nil {
		return err
	}
	return w.writer.Flush()
}

// prune forgets what the kernel has forgotten by itself.
func (w *Watch) prune(now time.Time) {
	over := expiryOf(now)
	maps.DeleteFunc(w.suspects, func(_ netip.Addr, until expiry) bool { return until.over(over) })
	maps.DeleteFunc(w.live, func(_ netip.AddrPort, until expiry) bool { return until.over(over) })
}

// suspects are addresses under suspicion and until when: of IPv6 the first of a /64.
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
