package contain

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"time"

	"github.com/tollwarden/tollwarden/responder/incident"
	"github.com/tollwarden/tollwarden/responder/orders"
)

// maxOld bounds the passwords that an account had, of which each is recognised when it is
// back.
const maxOld = 16

// readWithin bounds one look at what is in force for an account.
const readWithin = 10 * time.Second

// begin keeps the Keeper away from an account until end is called: what Asterisk has in
// force in between says nothing.
func (r *Runner) begin(account string) (end func()) {
	r.owner.With(func() { r.busy[account]++ })
	return func() { r.release(account) }
}

func (r *Runner) release(account string) {
	r.owner.With(func() {
		if r.busy[account]--; r.busy[account] == 0 {
			delete(r.busy, account)
		}
	})
}

// beginRepair is begin, unless the order no longer stands or somebody else is changing the
// account.
func (r *Runner) beginRepair(key orders.Key) (end func(), still bool) {
	r.owner.With(func() {
		if still = r.busy[key.Account] == 0 && r.state.Orders.Get(key.Account, key.Kind) != nil; still {
			r.busy[key.Account]++
		}
	})
	return func() { r.release(key.Account) }, still
}

// putOrder keeps an order. The caller holds the lock.
func (r *Runner) putOrder(o *orders.Order) {
	r.state.Orders.Put(o)
	r.ledger.PutOrder(*o)
}

// ordered records that something was done to an account that has to stay, or that it failed
// and has to be tried again. What Asterisk refuses is no order.
func (r *Runner) ordered(account string, kind orders.Kind, number int64, err error, change func(o *orders.Order)) {
	if r.standing == nil || errors.Is(err, incident.ErrRefused) {
		return
	}
	r.owner.With(func() {
		now := time.Now()
		o := r.state.Orders.Get(account, kind)
		switch {
		case o == nil || err == nil:
			fresh := orders.New(now, account, kind, number, err)
			if o != nil {
				fresh.Old, fresh.Repairs = o.Old, o.Repairs
				fresh.Old = append(slices.Clone(fresh.Old), o.New...)
			}
			o = fresh
		default:
			o.Failed(now, err)
		}
		if change != nil {
			change(o)
		}
		r.putOrder(o)
	})
}

// endOrder ends an order since a person, or the end of an attack, asks for it.
func (r *Runner) endOrder(account string, kind orders.Kind) {
	r.owner.With(func() {
		if o := r.state.Orders.Get(account, kind); o != nil {
			r.state.Orders.Drop(o.Key())
			r.ledger.DropOrder(account, kind)
		}
	})
}

// passwords are the fingerprints of what an account logs in with; none if that is not known.
func (r *Runner) passwords(ctx context.Context, account string) []orders.Fingerprint {
	if r.standing == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, readWithin)
	defer cancel()
	live, err := r.standing.Live(ctx, account)
	if err != nil {
		return nil
	}
	return live.Passwords
}

// rotated records what became of a rotation. A failed one is tried again if an incident
// asked for it; a person who did has been told.
func (r *Runner) rotated(ctx context.Context, account string, number int64, old []orders.Fingerprint, err error) {
	now := r.passwords(context.WithoutCancel(ctx), account)
	changed := len(now) > 0 && !slices.ContainsFunc(now, func(f orders.Fingerprint) bool { return slices.Contains(old, f) })
	if err != nil && !changed && number == 0 {
		return
	}
	if changed {
		err = nil // even if that is not certain: what is in force is not the old one
	}
	r.ordered(account, orders.Rotate, number, err, func(o *orders.Order) {
		o.Replace(old, maxOld)
		if err == nil {
			o.Set(now)
			return
		}
		o.Replace(slices.Clone(o.New), maxOld) // what we set before was to be replaced, too
	})
}

// restricted records a restriction.
func (r *Runner) restricted(account string, number int64, to []netip.Prefix) {
	r.ordered(account, orders.Restrict, number, nil, func(o *orders.Order) { o.Networks = incident.PrefixesText(to) })
}

// brokenRotation says whether an account should have another password and has not. The
// caller holds the lock.
func (r *Runner) brokenRotation(account string) bool {
	o := r.state.Orders.Get(account, orders.Rotate)
	return o != nil && o.State.Broken()
}
