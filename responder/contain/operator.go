package contain

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/tollwarden/tollwarden/responder/incident"
	"github.com/tollwarden/tollwarden/responder/orders"
	"github.com/tollwarden/tollwarden/responder/score"
)

// Operator carries out what a person asks about accounts. A change of Asterisk's
// configuration is not broken off because the person who asked went away. But nothing waits
// for Asterisk: what fails is over, and is not done later.
type Operator struct {
	Runner *Runner
	// AtOnce returns a context with which what is asked of Asterisk fails instead of waiting
	// for a session, or why there is none now. It may be nil: then everything waits.
	AtOnce func(context.Context) (context.Context, error)
	// Acted records what a person did.
	Acted func(now time.Time, uid uint32, what, target, detail string)
	// Stolen says whether somebody else knows an account's password, and ForgetAttack
	// forgets that and the guesses of others. Called under the lock.
	Stolen       func(now time.Time, account string) bool
	ForgetAttack func(account string)
	// EndWaits records that none of an account's steps waits for a person any longer.
	// Called under the lock.
	EndWaits func(account string)
	// Unregistered records that the registrations of an account were removed. Called
	// under the lock. It may be nil.
	Unregistered func(account string)
}

// Rotate gives an account another password; detail says where it is kept. Its
// registrations stay until they run out or are removed.
func (o *Operator) Rotate(ctx context.Context, account string, uid uint32) (detail string, err error) {
	if err := o.may(account); err != nil {
		return "", err
	}
	now := time.Now()
	if ctx, err = o.atOnce(context.WithoutCancel(ctx)); err == nil {
		detail, err = o.Runner.rotateOnce(ctx, account, 0)
	}
	o.record(now, uid, "rotate", account, detail, err)
	return detail, err
}

// Hangup ends every call of an account and names the channels.
func (o *Operator) Hangup(ctx context.Context, account string, uid uint32) ([]string, error) {
	if err := o.may(account); err != nil {
		return nil, err
	}
	now := time.Now()
	ctx, cancel := context.WithTimeout(ctx, hangupWithin)
	defer cancel()
	var channels []string
	ctx, err := o.atOnce(ctx)
	if err == nil {
		channels, err = o.Runner.endCalls(ctx, account)
	}
	o.record(now, uid, "hangup", account, strings.Join(channels, ", "), err)
	return channels, err
}

// RemoveRegistrations removes the registrations of an account; detail is what was
// done.
func (o *Operator) RemoveRegistrations(ctx context.Context, account string, uid uint32) (detail string, err error) {
	if err := o.may(account); err != nil {
		return "", err
	}
	now := time.Now()
	ctx, cancel := context.WithTimeout(ctx, expireWithin)
	defer cancel()
	if ctx, err = o.atOnce(ctx); err == nil {
		detail, err = o.Runner.accounts.RemoveRegistrations(ctx, account)
	}
	if err == nil && o.Unregistered != nil {
		o.Runner.owner.With(func() { o.Unregistered(account) })
	}
	o.record(now, uid, "remove-registrations", account, detail, err)
	return detail, err
}

// Lock takes an account's calls away until Unlock.
func (o *Operator) Lock(ctx context.Context, account string, uid uint32) (detail string, err error) {
	if err := o.may(account); err != nil {
		return "", err
	}
	now := time.Now()
	if ctx, err = o.atOnce(context.WithoutCancel(ctx)); err == nil {
		detail, err = o.Runner.lock(ctx, account, 0)
	}
	if err == nil {
		o.Runner.owner.With(func() { o.EndWaits(account) })
	}
	o.record(now, uid, "lock", account, detail, err)
	return detail, err
}

// Unlock gives a locked account its calls back, and ends the restriction of one that can
// be used from its known networks alone, and the limit of its costs. A password that
// others know counts as changed. What others did during the attack is forgiven then: whoever the person
// lets in comes from a new place, and is no thief for that alone.
func (o *Operator) Unlock(ctx context.Context, account string, uid uint32) (detail string, err error) {
	if account == "" {
		return "", ordinary(account)
	}
	now := time.Now()
	ctx = context.WithoutCancel(ctx)
	r := o.Runner
	var was string
	var locked, restricted, limited, stolen, waits, unchanged bool
	r.owner.With(func() {
		stolen = o.Stolen(now, account)
		waits = r.state.Breaker.Waits(account)
		unchanged = r.brokenRotation(account)
		was, locked = r.state.Locks.Get(account)
		_, limited = r.state.Costs.Of(account)
		_, restricted = r.state.Restrictions.Networks(account)
	})
	if restricted || locked && was != "" {
		if ctx, err = o.atOnce(ctx); err != nil {
			o.record(now, uid, "unlock", account, "", err)
			return "", err
		}
		if restricted {
			r.owner.With(func() { r.state.Restrictions.LeaveAlone(now, account) })
		}
	}
	switch {
	case restricted && locked:
		opened, rerr := r.unrestrict(ctx, account)
		detail, err = r.unlock(ctx, account, was)
		detail, err = opened+"; "+detail, errors.Join(rerr, err)
	case restricted:
		detail, err = r.unrestrict(ctx, account)
	case locked:
		detail, err = r.unlock(ctx, account, was)
	case !stolen && !waits && !limited && !unchanged:
		return "", cmp.Or(ordinary(account), fmt.Errorf("%w: %s is not locked or limited, and its password is not known to be stolen", incident.ErrRefused, account))
	}
	if (restricted || stolen || waits || limited) && err == nil {
		r.owner.With(func() { o.ForgetAttack(account) })
	}
	if limited && err == nil {
		detail = strings.TrimPrefix(detail+"; costly calls are no longer ended", "; ")
	}
	if unchanged && err == nil {
		r.endOrder(account, orders.Rotate)
	}
	if (stolen || waits || unchanged) && err == nil {
		detail = strings.TrimPrefix(detail+"; its password counts as changed", "; ")
	}
	o.record(now, uid, "unlock", account, detail, err)
	return detail, err
}

// may refuses what must not be done to an account.
func (o *Operator) may(account string) error {
	if score.IsOrigin(account) {
		return fmt.Errorf("%w: %s is no extension, and has no password: %s ends the limit of its costs", incident.ErrRefused, account, incident.AccountCommand("unlock", account))
	}
	return ordinary(account)
}

// atOnce has what is asked of Asterisk fail instead of waiting for a session.
func (o *Operator) atOnce(ctx context.Context) (context.Context, error) {
	if o.AtOnce == nil {
		return ctx, nil
	}
	return o.AtOnce(ctx)
}

// ordinary refuses what is no account of a phone.
func ordinary(account string) error {
	switch {
	case account == "":
		return fmt.Errorf("%w: no extension given", incident.ErrRefused)
	case strings.HasPrefix(account, score.ManagerAccounts):
		return fmt.Errorf("%w: %s is a user of the manager interface: change it in manager.conf", incident.ErrRefused, account)
	}
	return nil
}

// record records an order that Asterisk was asked to carry out.
func (o *Operator) record(now time.Time, uid uint32, what, account, detail string, err error) {
	if err != nil {
		what, detail = what+" failed", strings.TrimPrefix(detail+": "+err.Error(), ": ")
	}
	o.Acted(now, uid, what, account, detail)
}
