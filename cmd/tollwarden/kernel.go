package main

import (
	"errors"
	"net/netip"
	"sync"
	"time"

	"github.com/tollwarden/tollwarden/config"
	"github.com/tollwarden/tollwarden/firewall"
	"github.com/tollwarden/tollwarden/responder"
)

// drops is a firewall table as the responder sees it. The table knows prefixes
// and ends; the responder knows the reasons.
type drops struct {
	table firewall.Table
	// mu keeps a list of the table's bans complete until it is reconciled.
	mu sync.Mutex
}

// Ban drops the prefixes until their times.
func (d *drops) Ban(now time.Time, bans []responder.Ban) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.table.Ban(now, plainBans(bans)...)
}

// Release lets the prefixes through again.
func (d *drops) Release(prefixes ...netip.Prefix) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.table.Release(prefixes...)
}

// Reconcile drops exactly these prefixes, whatever state the table is in.
func (d *drops) Reconcile(now time.Time, bans []responder.Ban) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.table.Reconcile(now, plainBans(bans))
}

// Restore is what the responder calls Reconcile.
func (d *drops) Restore(now time.Time, bans []responder.Ban) error { return d.Reconcile(now, bans) }

// Include drops the prefixes beside those already dropped, in a rebuilt table if
// another program has removed ours.
func (d *drops) Include(now time.Time, bans []responder.Ban) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	err := d.table.Ban(now, plainBans(bans)...)
	if errors.Is(err, firewall.ErrLost) {
		err = d.table.Reconcile(now, append(d.table.Bans(now), plainBans(bans)...))
	}
	return err
}

// Complete says that every ban was included.
func (d *drops) Complete(now time.Time) error { return d.refresh(now) }

// refresh reconciles the table with the bans it is known to have.
func (d *drops) refresh(now time.Time) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.table.Reconcile(now, d.table.Bans(now))
}

// Bans returns the prefixes dropped now.
func (d *drops) Bans(now time.Time) []responder.Ban {
	list := d.table.Bans(now)
	bans := make([]responder.Ban, 0, len(list))
	for _, b := range list {
		if firewall.IsCanary(b.Prefix) { // left by a probe that was interrupted
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

// Allow replaces the list of what is never dropped.
func (d *drops) Allow(prefixes []netip.Prefix) error { return d.table.Allow(prefixes) }

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

// guardKernel makes the guard of a table in the kernel.
func (d *daemon) guardKernel(cfg *config.Config) {
	kernel, ok := d.table.(*firewall.Kernel)
	if !ok {
		return
	}
	d.kernelGuard = firewall.NewGuard(firewall.GuardConfig{
		Table: kernel, Watch: d.watch, Interval: cfg.Health.Kernel, Log: d.log,
		Reconcile: d.drops.refresh,
		OnRepair:  func(e firewall.GuardEvent) { d.herald.tell(repairAlarm(e)) },
	})
}
