package bans

import (
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/tollwarden/tollwarden/responder/incident"
)

// byAllowList is who released what the allow list covers.
const byAllowList = "the allow list"

// Ledger is what bans need of the daemon's memory on disk. None of the calls
// waits.
type Ledger interface {
	PutBan(b incident.Ban)
	DeleteBan(prefix netip.Prefix, at time.Time, by string)
	ForgetOffences(prefix netip.Prefix)
	ForgetRepeats(prefix netip.Prefix)
}

// Remembered is what the ledger knows of bans at a start.
type Remembered struct {
	Bans []incident.Ban
	// Partial says that the ledger could not tell all of them: the kernel may
	// hold more, which then stay.
	Partial bool
}

// Restore brings the bans of the ledger into the registry alone, as the kernel
// drops them. What the allow list covers by now is released.
func Restore(now time.Time, r *Registry, ledger Ledger, was Remembered, allowed func(netip.Prefix) bool) {
	for _, ban := range was.Bans {
		if allowed(ban.Prefix) {
			ledger.DeleteBan(ban.Prefix, now, byAllowList)
			continue
		}
		r.put(entry{ban, now.UnixMicro()})
	}
}

// Load takes over what the ledger and the kernel remember: afterwards registry
// and kernel hold the same bans, without a gap for any of them. What the allow
// list covers by now is released. The kernel's bans without a record are kept,
// and recorded. After an ErrFull those that end last are in force.
func Load(now time.Time, r *Registry, firewall Firewall, ledger Ledger, was Remembered, allowed func(netip.Prefix) bool) error {
	Restore(now, r, ledger, was, allowed)
	var free []netip.Prefix
	for _, ban := range firewall.Bans(now) {
		// The kernel holds overlapping prefixes in pieces, so that a piece of a
		// known ban is not a ban of its own.
		if _, known := r.Covering(now, ban.Prefix); known {
			continue
		}
		if allowed(ban.Prefix) {
			free = append(free, ban.Prefix)
			continue
		}
		ban.Since, ban.Origin, ban.Reason = now, incident.OriginKernel, "found in the kernel at start, without a record"
		ban.Step = incident.StepUnknown
		r.put(entry{ban, now.UnixMicro()})
		ledger.PutBan(ban)
	}
	list := r.List(now)
	put := firewall.Reconcile // which releases what is not in the list
	if was.Partial {
		if err := release(firewall, free); err != nil {
			return fmt.Errorf("release what the allow list covers: %w", err)
		}
		put = func(now time.Time, list []incident.Ban) error { return banEach(now, firewall, list) }
	}
	if err := put(now, list); err != nil {
		r.unacknowledgeAll()
		return fmt.Errorf("restore %d bans: %w", len(list), err)
	}
	return nil
}

// banEach bans in one go, or what fits if there is no room for all.
func banEach(now time.Time, firewall Firewall, list []incident.Ban) error {
	err := firewall.Ban(now, list)
	if !errors.Is(err, ErrFull) {
		return err
	}
	for _, ban := range list {
		if one := firewall.Ban(now, []incident.Ban{ban}); one != nil && !errors.Is(one, ErrFull) {
			return one
		}
	}
	return err
}

func release(firewall Firewall, prefixes []netip.Prefix) error {
	if len(prefixes) == 0 {
		return nil
	}
	return firewall.Release(prefixes...)
}
