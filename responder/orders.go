package responder

import (
	"context"
	"net/netip"
	"time"

	"github.com/tollwarden/tollwarden/responder/contain"
	"github.com/tollwarden/tollwarden/responder/incident"
	"github.com/tollwarden/tollwarden/responder/ledger"
	"github.com/tollwarden/tollwarden/responder/orders"
)

// keepOrders makes what keeps orders in force.
func (e *Engine) keepOrders() {
	if e.parts.Standing == nil {
		return
	}
	e.keeper = e.runner.Keep(contain.KeeperOptions{
		Standing: e.parts.Standing, Stranger: e.stranger, Tell: e.orderChanged, Reloaded: e.parts.OnReload,
		Paused: func(now time.Time) bool {
			_, paused := e.judge.Paused(now)
			return paused
		},
		Observes: e.judge.Observes,
	})
}

// stranger says whether an account is not at home at an address. An address that is known
// counts if its network was used before a time, when a stolen password became valid again.
// Called under the lock.
func (e *Engine) stranger(now, since time.Time, account string, at netip.Addr) bool {
	p := e.judge.Places
	at = at.Unmap()
	if !at.IsValid() || p.Allowed(netip.PrefixFrom(at, at.BitLen())) {
		return false
	}
	return !p.Home(now, account, at) && !(p.Known(account, at, now) && p.UsedSince(since, account, at))
}

// orderChanged logs and keeps what became of an order. It must not take the lock.
func (e *Engine) orderChanged(n contain.News) {
	o := n.Order
	level := e.parts.Log.Warn()
	if n.Alarm {
		level = e.parts.Log.Error()
	}
	level.Str("account", o.Account).Str("order", string(o.Kind)).Str("state", string(o.State)).Str("reason", o.Reason).Str("detail", n.Detail).Msg("an order was not in force")
	e.parts.Ledger.PutAction(ledger.Action{At: time.Now(), UID: ownAction, Action: "order", Target: o.Account, Detail: o.Words()})
	if e.parts.OnOrder != nil {
		e.parts.OnOrder(n)
	}
}

// Reloaded says that Asterisk has read its files.
func (e *Engine) Reloaded() {
	if e.keeper != nil {
		e.keeper.Compare()
	}
}

// Orders lists what must stay in force for accounts, and what of that ended lately.
func (e *Engine) Orders() (list []orders.Order) {
	e.with(func() { list = e.judge.Contain.Orders.List() })
	return list
}

// Outdated says whether an account must never have a password again: another was ordered
// in its place.
func (e *Engine) Outdated(account string, password orders.Fingerprint) (is bool) {
	e.with(func() {
		o := e.judge.Contain.Orders.Get(account, orders.Rotate)
		is = o != nil && o.Replaced(password)
	})
	return is
}

// restoreOrders takes over the orders of former runs. Locks and restrictions that the ledger
// of an older version holds become orders.
func (e *Engine) restoreOrders(ctx context.Context, now time.Time, holds []incident.Hold) {
	list, err := e.parts.Ledger.Orders(ctx)
	e.doubt(err, "the orders")
	book := &e.judge.Contain.Orders
	for i := range list {
		book.Put(&list[i])
	}
	for _, h := range holds {
		kind := orders.Lock
		if h.Kind == incident.HoldRestriction {
			kind = orders.Restrict
		}
		if h.Kind != incident.HoldLock && h.Kind != incident.HoldRestriction || book.Get(h.Account, kind) != nil {
			continue
		}
		o := orders.New(now, h.Account, kind, 0, nil)
		o.Created, o.Since = h.Since, h.Since
		if kind == orders.Restrict {
			o.Networks = h.Value
		}
		book.Put(o)
		e.parts.Ledger.PutOrder(*o)
	}
	for _, k := range book.Prune(now) {
		e.parts.Ledger.DropOrder(k.Account, k.Kind)
	}
}
