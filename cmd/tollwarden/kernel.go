package main

import (
	"errors"
	"net/netip"
	"time"

	"github.com/tollwarden/tollwarden/firewall"
	"github.com/tollwarden/tollwarden/responder"
)

// drops is a firewall table as the responder sees it: the table knows prefixes
// and times, the responder's book the reasons.
type drops struct{ table firewall.Table }

// Ban drops the prefixes until their times.
func (d drops) Ban(now time.Time, bans []responder.Ban) error {
	return d.table.Ban(now, plainBans(bans)...)
}

// Release lets the prefixes through again.
func (d drops) Release(prefixes ...netip.Prefix) error { return d.table.Release(prefixes...) }

// Include drops the prefixes beside those already dropped, in a table made anew
// when somebody else has damaged ours.
func (d drops) Include(now time.Time, bans []responder.Ban) error {
	return d.mending(now, func() error { return d.table.Include(now, plainBans(bans)) })
}

// Complete says that every ban was included.
func (d drops) Complete(now time.Time) error {
	return d.mending(now, func() error { return d.table.Complete(now) })
}

// Restore makes exactly these the bans in force, in a table made anew when
// somebody else has damaged ours.
func (d drops) Restore(now time.Time, bans []responder.Ban) error {
	return d.mending(now, func() error { return d.table.Restore(now, plainBans(bans)) })
}

// mending does something to the table, once more after a repair when it was
// lost.
func (d drops) mending(now time.Time, do func() error) error {
	err := do()
	if errors.Is(err, firewall.ErrLost) {
		if err = d.table.Repair(now); err == nil {
			err = do()
		}
	}
	return err
}

// Bans are the prefixes dropped now, as the table's books have them.
func (d drops) Bans(now time.Time) []responder.Ban {
	list := d.table.Bans(now)
	bans := make([]responder.Ban, 0, len(list))
	for _, b := range list {
		if firewall.IsCanary(b.Prefix) { // of a probe that a crash cut off
			continue
		}
		scope := responder.ScopeAll
		if b.Scope == firewall.SIP {
			scope = responder.ScopeSIP
		}
		bans = append(bans, responder.Ban{Prefix: b.Prefix, Until: b.Until, Scope: scope})
	}
	return bans
}

// Allow replaces the list of what is let through whatever is banned.
func (d drops) Allow(prefixes []netip.Prefix) error { return d.table.Allow(prefixes) }

func plainBans(bans []responder.Ban) []firewall.Ban {
	list := make([]firewall.Ban, len(bans))
	for i, b := range bans {
		list[i] = firewall.Ban{Prefix: b.Prefix, Until: b.Until}
		if b.Scope == responder.ScopeSIP {
			list[i].Scope = firewall.SIP
		}
	}
	return list
}
