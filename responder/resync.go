package responder

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/tollwarden/tollwarden/responder/calls"
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
		e.unannounced = slices.ContainsFunc(accounts, func(a calls.Account) bool { return a.Unannounced })
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
	silent, err := e.silentContacts(ctx)
	if err != nil {
		return err
	}
	first := false
	e.with(func() {
		e.judge.ExpectUnannounced(silent)
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

// ResyncUnannounced reads the registrations that no event reports, if there are accounts
// of that kind.
func (e *Engine) ResyncUnannounced(ctx context.Context) error {
	contacts, err := e.silentContacts(ctx)
	if err != nil {
		return err
	}
	e.with(func() { e.judge.SetUnannounced(time.Now(), contacts) })
	return nil
}

func (e *Engine) silentContacts(ctx context.Context) (list []places.Contact, err error) {
	there := false
	e.with(func() { there = e.unannounced })
	if there {
		if list, err = e.parts.Inventory.UnannouncedContacts(ctx); err != nil {
			return nil, fmt.Errorf("list registrations that no event reports: %w", err)
		}
	}
	return list, nil
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
