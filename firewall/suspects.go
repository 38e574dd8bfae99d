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
// live pass undecided.
func (w *Watch) Suspect(within time.Duration, at netip.Prefix, live []netip.AddrPort) error {
	if at != at.Masked() || at.Bits() != 32 && at.Bits() != 64 || at.Addr().Is6() != (at.Bits() == 64) {
		return fmt.Errorf("firewall: watch: suspect %s: %w: want an IPv4 /32 or an IPv6 /64", at, ErrInvalid)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.queueErr != nil && within > 0 {
		return fmt.Errorf("firewall: watch: suspect %s: %w", at, w.queueErr)
	}
	now := time.Now()
	w.prune(now)
	was := w.within(at)
	w.setSuspect(expiryOf(now.Add(within)), at, live)
	w.prune(now)
	err := w.replaceSuspect(at, was, now)
	if errors.Is(err, unix.ENOENT) { // another program removed the table
		err = w.build()
	}
	if err != nil {
		return fmt.Errorf("firewall: table inet %s: suspect %s: %w", w.name, at, explain(err))
	}
	return nil
}

// Suspects returns the addresses that are suspects now, each with its end.
func (w *Watch) Suspects() map[netip.Prefix]time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	now, list := expiryOf(time.Now()), make(map[netip.Prefix]time.Time, len(w.suspects))
	for addr, until := range w.suspects {
		if !until.over(now) {
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
	return slices.Collect(maps.Keys(w.within(at)))
}

func (w *Watch) setSuspect(until expiry, at netip.Prefix, live []netip.AddrPort) {
	w.suspects[at.Addr()] = until
	maps.DeleteFunc(w.live, func(a netip.AddrPort, _ expiry) bool { return at.Contains(a.Addr()) })
	for _, a := range live {
		if a = netip.AddrPortFrom(a.Addr().Unmap(), a.Port()); at.Contains(a.Addr()) {
			w.live[a] = until
		}
	}
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

// replaceSuspect replaces what the kernel may have of one suspect, in one transaction.
// What it deletes it adds first, since it may have run out.
func (w *Watch) replaceSuspect(at netip.Prefix, was flows, now time.Time) error {
	t, v6 := nfTable(w.name), at.Addr().Is6()
	replace := func(set watchSet, old, is []nftables.SetElement) error {
		nf := set.nf(t)
		if len(old) == 0 { // to delete none would delete all
			return nil
		}
		return errors.Join(w.writer.SetAddElements(nf, old), w.writer.SetDeleteElements(nf, old), w.writer.SetAddElements(nf, is))
	}
	is := w.within(at)
	maps.Copy(was, is)
	soon := expiryOf(now.Add(time.Minute)) // not within this transaction
	for a := range was {
		was[a] = soon
	}
	addr := at.Addr()
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
