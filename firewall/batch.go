package firewall

import (
	"fmt"
	"net/netip"
	"time"
)

// change is what one batch does to one set: first drop, then add. What is
// dropped need not be there any more (it may have run out a moment ago); what
// is added must be absent or dropped by the same batch.
type change struct{ drop, add []span }

// batch is one transaction on the sets.
type batch [setCount]change

// size is how many elements the batch is about.
func (b *batch) size() int {
	n := 0
	for i := range b {
		n += len(b[i].drop) + len(b[i].add)
	}
	return n
}

// split cuts a batch that only adds into batches of about n elements. The
// interval sets are few and go first, uncut.
func (b *batch) split(n int) []batch {
	out := []batch{{}}
	room := n
	for id, c := range b {
		if sets[id].interval {
			out[0][id].add = c.add
			room -= len(c.add)
		}
	}
	for id, c := range b {
		if sets[id].interval {
			continue
		}
		for rest := c.add; len(rest) > 0; {
			if room <= 0 {
				out = append(out, batch{})
				room = n
			}
			k := min(room, len(rest))
			out[len(out)-1][id].add = rest[:k]
			rest = rest[k:]
			room -= k
		}
	}
	return out
}

// order is one thing asked of the desk: a ban with its end, or a release.
type order struct {
	prefix  netip.Prefix
	scope   Scope
	until   stamp
	release bool
}

// place is where a ban is booked: a prefix in a set.
type place struct {
	set    setID
	prefix netip.Prefix
}

func (o order) place() place { return place{setOf(o.prefix, o.scope), o.prefix} }

// ordersOf checks bans. One whose end has come is an order to release.
func ordersOf(now time.Time, bans []Ban) ([]order, error) {
	orders := make([]order, 0, len(bans))
	for _, b := range bans {
		p, err := normal(b.Prefix)
		if err != nil {
			return nil, err
		}
		if b.Scope > SIP || b.Scope == SIP && setOf(p, All) != hosts4 && setOf(p, All) != slash64 {
			return nil, fmt.Errorf("%w scope %d of %s: it is for single IPv4 addresses and IPv6 /64s", ErrInvalid, b.Scope, p)
		}
		orders = append(orders, order{p, b.Scope, stampOf(b.Until), !b.Until.IsZero() && !b.Until.After(now)})
	}
	return latest(orders), nil
}

// releasesOf checks prefixes to release.
func releasesOf(prefixes []netip.Prefix) ([]order, error) {
	orders := make([]order, 0, len(prefixes))
	for _, p := range prefixes {
		p, err := normal(p)
		if err != nil {
			return nil, err
		}
		orders = append(orders, order{prefix: p, release: true})
	}
	return latest(orders), nil
}

// allowanceOf checks an allow list.
func allowanceOf(prefixes []netip.Prefix) (map[netip.Prefix]stamp, error) {
	list := make(map[netip.Prefix]stamp, len(prefixes))
	for _, p := range prefixes {
		p, err := normal(p)
		if err != nil {
			return nil, err
		}
		list[p] = forever
	}
	if len(list) > MaxPrefixes {
		return nil, fmt.Errorf("%w: at most %d prefixes on the allow list", ErrInvalid, MaxPrefixes)
	}
	return list, nil
}

// latest keeps the last order for each prefix: a batch must name an element
// once.
func latest(orders []order) []order {
	if len(orders) < 2 {
		return orders
	}
	at := make(map[netip.Prefix]int, len(orders))
	out := orders[:0]
	for _, o := range orders {
		if i, ok := at[o.prefix]; ok {
			out[i] = o
			continue
		}
		at[o.prefix] = len(out)
		out = append(out, o)
	}
	return out
}
