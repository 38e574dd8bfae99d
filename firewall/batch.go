package firewall

import (
	"fmt"
	"net/netip"
	"time"
)

// edit is what one batch does to one set: first drop, then add. What is
// dropped need not be there any more (it may have run out a moment ago); what
// is added must be absent or dropped by the same batch.
type edit struct{ drop, add []interval }

// batch is one transaction on the sets.
type batch [setCount]edit

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

// change is one thing asked of the core: a ban with its end, or a release.
type change struct {
	prefix  netip.Prefix
	scope   Scope
	until   expiry
	release bool
}

// setKey is where a ban is booked: a prefix in a set.
type setKey struct {
	set    setID
	prefix netip.Prefix
}

func (o change) key() setKey { return setKey{setOf(o.prefix, o.scope), o.prefix} }

// changesOf checks bans. One whose end has come is a change to release.
func changesOf(now time.Time, bans []Ban) ([]change, error) {
	changes := make([]change, 0, len(bans))
	for _, b := range bans {
		p, err := normal(b.Prefix)
		if err != nil {
			return nil, err
		}
		if b.Scope > SIP || b.Scope == SIP && setOf(p, All) != hosts4 && setOf(p, All) != slash64 {
			return nil, fmt.Errorf("%w scope %d of %s: it is for single IPv4 addresses and IPv6 /64s", ErrInvalid, b.Scope, p)
		}
		changes = append(changes, change{p, b.Scope, expiryOf(b.Until), !b.Until.IsZero() && !b.Until.After(now)})
	}
	return latest(changes), nil
}

// releasesOf checks prefixes to release.
func releasesOf(prefixes []netip.Prefix) ([]change, error) {
	changes := make([]change, 0, len(prefixes))
	for _, p := range prefixes {
		p, err := normal(p)
		if err != nil {
			return nil, err
		}
		changes = append(changes, change{prefix: p, release: true})
	}
	return latest(changes), nil
}

// allowanceOf checks an allow list.
func allowanceOf(prefixes []netip.Prefix) (map[netip.Prefix]expiry, error) {
	list := make(map[netip.Prefix]expiry, len(prefixes))
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

// latest keeps the last change for each prefix: a batch must name an element
// once.
func latest(changes []change) []change {
	if len(changes) < 2 {
		return changes
	}
	at := make(map[netip.Prefix]int, len(changes))
	out := changes[:0]
	for _, o := range changes {
		if i, ok := at[o.prefix]; ok {
			out[i] = o
			continue
		}
		at[o.prefix] = len(out)
		out = append(out, o)
	}
	return out
}
