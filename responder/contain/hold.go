package contain

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/tollwarden/tollwarden/responder/incident"
	"github.com/tollwarden/tollwarden/responder/orders"
)

// lock locks an account and keeps what unlocks it. As long as Asterisk does not
// refuse the account's calls, the daemon ends them as they come.
func (r *Runner) lock(ctx context.Context, account string, number int64) (detail string, err error) {
	defer r.begin(account)()
	first := r.keepLock(account, "")
	var known string // of an earlier lock
	r.owner.With(func() { known, _ = r.state.Locks.Get(account) })
	ctx, cancel := context.WithTimeout(ctx, rotateWithin)
	defer cancel()
	was, detail, err := r.accounts.Lock(ctx, account)
	if was == "" && err == nil {
		was = cmp.Or(contexts(known), unknownContext) // locked before
	}
	switch {
	case was != "" && err != nil:
		r.keepLock(account, was+" "+partly)
	case was != "":
		r.keepLock(account, was)
	}
	abandoned := number == 0 && was == "" && errors.Is(err, incident.ErrUnreachable) // a person is told, and asks again
	if errors.Is(err, incident.ErrRefused) || abandoned {
		if first {
			r.forgetLock(account)
		}
		return "", err
	}
	r.ordered(account, orders.Lock, number, err, nil)
	if err != nil {
		return detail, fmt.Errorf("%w; while it runs, the daemon ends the calls of %s as they come", err, account)
	}
	return detail + "; previous context: " + was + "; " + r.help(ctx, account, was), nil
}

func (r *Runner) unlock(ctx context.Context, account, was string) (detail string, err error) {
	defer r.begin(account)()
	detail = "Asterisk was never reached"
	if was != "" {
		ctx, cancel := context.WithTimeout(ctx, rotateWithin)
		defer cancel()
		detail, err = r.accounts.Unlock(ctx, account, contexts(was))
	}
	if err == nil {
		r.forgetLock(account)
		r.endOrder(account, orders.Lock)
	}
	return detail, err
}

// keepLock remembers a lock, and says whether there was none.
func (r *Runner) keepLock(account, was string) (first bool) {
	r.owner.With(func() {
		var keep string
		var changed bool
		if keep, first, changed = r.state.Locks.Keep(account, was); changed {
			r.ledger.PutHold(incident.Hold{Account: account, Kind: incident.HoldLock, Value: keep, Since: time.Now()})
		}
	})
	return first
}

func (r *Runner) forgetLock(account string) {
	r.owner.With(func() {
		r.state.Locks.Forget(account)
		r.ledger.DropHold(account, incident.HoldLock)
	})
}

// restrict restricts an account to networks and keeps what ends that: first of
// all, so that it ends whatever becomes of this process.
func (r *Runner) restrict(ctx context.Context, account string, to []netip.Prefix, number int64) (detail string, err error) {
	defer r.begin(account)()
	var why string
	r.owner.With(func() {
		now := time.Now()
		if why = r.state.Restrictions.Begin(now, account, to); why == "" {
			r.ledger.PutHold(incident.Hold{Account: account, Kind: incident.HoldRestriction, Value: incident.PrefixesText(to), Since: now})
		}
	})
	if why != "" {
		return "", errors.New(why)
	}
	ctx, cancel := context.WithTimeout(ctx, rotateWithin)
	defer cancel()
	detail, err = r.accounts.Restrict(ctx, account, to)
	r.owner.With(func() { r.state.Restrictions.Began(time.Now(), account, err) })
	if err == nil {
		r.restricted(account, number, to)
	}
	return detail, err
}

// unrestrict ends a restriction.
func (r *Runner) unrestrict(ctx context.Context, account string) (detail string, err error) {
	defer r.begin(account)()
	var to []netip.Prefix
	var restricted bool
	r.owner.With(func() { to, restricted = r.state.Restrictions.Networks(account) })
	if !restricted {
		return "", nil
	}
	ctx, cancel := context.WithTimeout(ctx, rotateWithin)
	defer cancel()
	detail, err = r.accounts.Unrestrict(ctx, account, to)
	var gone bool
	r.owner.With(func() {
		if gone = r.state.Restrictions.Ended(time.Now(), account, err); gone {
			r.ledger.DropHold(account, incident.HoldRestriction)
		}
	})
	if gone {
		r.endOrder(account, orders.Restrict)
	}
	switch {
	case err == nil:
		return detail, nil
	case gone:
		return detail, fmt.Errorf("gave up, because Asterisk never confirmed the restriction: %w", err)
	default:
		return detail, fmt.Errorf("will retry every minute: %w", err)
	}
}
