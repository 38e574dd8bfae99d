package responder

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/tollwarden/tollwarden/responder/calls"
	"github.com/tollwarden/tollwarden/responder/incident"
	"github.com/tollwarden/tollwarden/responder/judge"
	"github.com/tollwarden/tollwarden/responder/places"
)

// Limits of what Resync waits for, so that calls of a thief end within seconds of the start,
// however long Asterisk's log is.
const (
	guessesWithin  = 4 * time.Second
	reportedWithin = 2 * time.Second
	// longReport is for how long Resync waits beyond that, to judge again what the rest of
	// a long log says.
	longReport = 20 * time.Second
)

// Resync rebuilds from Asterisk what its events report: the accounts, the
// channels that are up, the registrations, and the carriers that its configuration
// names. It judges what happened while no events came in, in this order:
//
//  1. what was guessed meanwhile, so that a guesser's registration makes no place known
//  2. the registrations: which places are known
//  3. the calls that are up, by where they go and how many there are
//  4. carriers and this machine's own addresses
//  5. what Asterisk's log says of the time, event by event
//  6. the guessers' registrations, and what is left of the calls of limited accounts
func (e *Engine) Resync(ctx context.Context, now time.Time) error {
	accounts, err := e.parts.Inventory.Accounts(ctx)
	if err != nil {
		return fmt.Errorf("list the extensions: %w", err)
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
	var legs []calls.Leg
	e.with(func() {
		e.judge.Calls.ApplySnapshot(now, up)
		e.judge.Gate.ForgetGone()
		legs = e.judge.Calls.Standing(now, up)
	})
	err = e.meet(ctx, now, up)
	var before []calls.Channel
	e.with(func() {
		before = e.judge.JudgeAlreadyUp(now)
		e.judge.JudgeLegsAlreadyUp(now, legs)
	})
	err = errors.Join(err, e.learnAddresses(ctx))
	for _, within := range []time.Duration{reportedWithin, longReport} {
		all := e.catchUp(ctx, within)
		e.with(func() {
			e.judge.JudgeContacts(now)
			e.judge.RefuseAlreadyUp(now, before)
		})
		if all {
			break
		}
	}
	return errors.Join(err, e.releaseProtected(now))
}

// learnAddresses takes the addresses of this machine, and those that Asterisk's configuration
// names.
func (e *Engine) learnAddresses(ctx context.Context) error {
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
	return err
}

// meet takes the registrations that Asterisk holds, after what was guessed meanwhile.
func (e *Engine) meet(ctx context.Context, now time.Time, up []calls.Channel) error {
	contacts, err := e.parts.Inventory.Contacts(ctx)
	if err != nil {
		return fmt.Errorf("list registrations: %w", err)
	}
	silent, err := e.silentContacts(ctx)
	if err != nil {
		return err
	}
	var guesses []judge.Guess
	if e.parts.Before != nil {
		within, cancel := context.WithTimeout(ctx, guessesWithin)
		guesses = e.parts.Before.Guesses(within)
		cancel()
	}
	first := false
	e.with(func() {
		if len(guesses) > 0 {
			e.judge.Meanwhile(guesses)
		}
		e.judge.ExpectUnannounced(silent)
		e.judge.SetContacts(now, contacts, up)
		first, e.first = e.first, false
	})
	if first {
		e.listPhones(contacts)
	}
	return nil
}

// catchUp waits until what other sensors hold of the time without events has been judged.
func (e *Engine) catchUp(ctx context.Context, within time.Duration) (all bool) {
	if e.parts.Before == nil {
		return true
	}
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	return e.parts.Before.Reported(ctx)
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
	if e.parts.Before != nil {
		if unknown := e.parts.Before.Unknown(); unknown != "" {
			e.parts.Log.Warn().Msg(unknown)
		}
	}
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

// ResyncForwards reads the call forwards in Asterisk's database, of which no event tells,
// and judges those that have been set since the last time.
func (e *Engine) ResyncForwards(ctx context.Context, now time.Time) error {
	list, err := e.parts.Inventory.Forwards(ctx)
	if err != nil {
		return err
	}
	var stood []string
	e.with(func() { stood = e.judge.SetForwards(now, list) })
	for _, words := range stood {
		e.parts.Log.Warn().Msg("a call forward to a costly number stood already when Tollwarden first looked: " + words + "; its calls are judged when they leave")
	}
	return nil
}
