package orders

import (
	"cmp"
	"maps"
	"slices"
	"time"
)

// Book holds all orders, and those that ended lately. The zero value is ready to use.
type Book struct {
	by map[Key]*Order
}

// keepOver is how long an order that is over is listed.
const keepOver = 7 * 24 * time.Hour

// Put adds an order, or replaces the one of its kind.
func (b *Book) Put(o *Order) {
	if b.by == nil {
		b.by = map[Key]*Order{}
	}
	b.by[o.Key()] = o
}

// Get is the order of a kind; nil if none stands.
func (b *Book) Get(account string, kind Kind) *Order {
	if o := b.by[Key{account, kind}]; o != nil && !o.State.Over() {
		return o
	}
	return nil
}

// Accounts are those with orders that stand, in order.
func (b *Book) Accounts() []string {
	var names []string
	for k, o := range b.by {
		if !o.State.Over() {
			names = append(names, k.Account)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// Of are the orders of an account that stand, by kind.
func (b *Book) Of(account string) (list []*Order) {
	for _, kind := range []Kind{Lock, Restrict, Rotate} {
		if o := b.Get(account, kind); o != nil {
			list = append(list, o)
		}
	}
	return list
}

// List is a copy of all orders, by account and kind.
func (b *Book) List() []Order {
	list := make([]Order, 0, len(b.by))
	for _, o := range b.by {
		list = append(list, *o)
	}
	slices.SortFunc(list, func(a, b Order) int {
		return cmp.Or(cmp.Compare(a.Account, b.Account), cmp.Compare(a.Kind, b.Kind))
	})
	return list
}

// Broken are the orders that are not in force and need a person.
func (b *Book) Broken() []Order {
	return slices.DeleteFunc(b.List(), func(o Order) bool { return !o.State.Broken() })
}

// Prune forgets orders that ended long ago, and returns them.
func (b *Book) Prune(now time.Time) (gone []Key) {
	for _, k := range slices.Collect(maps.Keys(b.by)) {
		if o := b.by[k]; o.State.Over() && now.Sub(o.Since) >= keepOver {
			delete(b.by, k)
			gone = append(gone, k)
		}
	}
	return gone
}

// Drop forgets an order.
func (b *Book) Drop(k Key) { delete(b.by, k) }
