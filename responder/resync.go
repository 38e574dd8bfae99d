package responder

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/tollwarden/tollwarden/responder/incident"
	"github.com/tollwarden/tollwarden/responder/places"
)

// Resync rebuilds from Asterisk what its events report: the accounts, the
// channels that are up, the registrations, and the carriers that its configuration
// names.
func (e *Engine) Resync(ctx context.Context, now time.Time) error {
	accounts, err := e.parts.Inventory.Accounts(ctx)
	if err != nil {
		return fmt.Errorf("list accounts: %w", err)
	}
	e.with(func() {
		e.judge.Calls.List(accounts)
		e.judge.Calls.BeginSnapshot()
	})
	up, err := e.parts.Inventory.Channels(ctx)
	if err != nil {
		return fmt.Errorf("list channels: %w", err)
	}
	e.with(func() { e.judge.Calls.ApplySnapshot(now, up) })
	contacts, err := e.parts.Inventory.Contacts(ctx)
	if err != nil {
		return fmt.Errorf("list registrations: %w", err)
	}
	first := false
	e.with(func() {
		e.judge.SetContacts(now, contacts, up)
		first, e.first = e.first, false
	})
	if first {
		e.listPhones(contacts)
	}
	if e.parts.Own != nil {
		own := e.parts.Own()
		e.with(func() { e.judge.Places.SetOwn(own) })
	}
	carriers, err := e.parts.Inventory.Carriers(ctx)
	if err != nil {
		err = fmt.Errorf("list carriers: %w", err)
	}
	if err == nil || len(carriers) > 0 {
		e.with(func() { e.judge.Places.SetCarriers(carriers) })
	}
	return errors.Join(err, e.releaseProtected(now))
}

// listPhones logs who is signed in at the first start: a thief may be among them.
func (e *Engine) listPhones(contacts []places.Contact) {
	if len(contacts) == 0 {
		return
	}
	for _, line := range places.SignedIn(contacts) {
		e.parts.Log.Info().Msg("signed in at the first start: " + line)
	}
	e.parts.Log.Info().Msg(places.WhoseAreThese)
}

// releaseProtected releases the bans on spoofable evidence of protected addresses, and
// those of addresses that are never banned.
func (e *Engine) releaseProtected(now time.Time) error {
	var list []incident.Ban
	e.with(func() { list = e.judge.Misbanned(now) })
	err := e.Bans.Release(now, list, "protected, and the evidence can be spoofed")
	e.with(func() { list = e.judge.VitalBans(now) })
	return errors.Join(err, e.Bans.Release(now, list, "never banned: Asterisk's configuration names it, or nearly all phones are behind it"))
}
