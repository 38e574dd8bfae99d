package firewall

import (
	"fmt"
	"net/netip"
	"time"
)

// edit is what one batch does to one set: flush, drop, add, in this order. What
// is dropped may be absent (it may have run out a moment ago); what is added
// must be absent, or flushed or dropped by the same batch.
type edit struct {
	flush     bool
	drop, add []interval
}

// batch is one transaction on the sets.
type batch [setCount]edit

// size is the number of elements in the batch.
func (b *batch) size() int {
	n := 0
	for i := range b {
		n += len(b[i].drop) + len(b[i].add)
	}
	return n
}

func (b *batch) empty() bool {
	for i := range b {
		if b[i].flush {
			return false
		}
	}
	return b.size() == 0
}

// split cuts a batch that only adds into batches of about n elements. The
// interval sets are small and go first, in one piece.
func (b *batch) split(n int) []batch {
	out := []batch{{}}
	room := n
	for id, e := range b {
		if sets[id].interval {
			out[0][id].add = e.add
			room -= len(e.add)
		}
	}
	for id, e := range b {
		if sets[id].interval {
			continue
		}
		for rest := e.add; len(rest) > 0; {
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

// change is a validated ban with its end, or a release.
type change struct {
	prefix  netip.Prefix
	scope   Scope
	until   expiry
	release bool
}

func (ch change) key() setKey { return setKey{setOf(ch.prefix, ch.scope), ch.prefix} }

// changesOf validates bans. A ban that has ended becomes a release.
func changesOf(now time.Time, bans []Ban) ([]change, error) {
	changes := make([]change, 0, len(bans))
	for _, b := range bans {
		p, err := normal(b.Prefix)
		if err != nil {
			return nil, err
		}
		if b.Scope >= scopeCount {
			return nil, fmt.Errorf("%w scope %d for %s", ErrInvalid, b.Scope, p)
		}
		changes = append(changes, change{p, b.Scope, expiryOf(b.Until), !b.Until.IsZero() && !b.Until.After(now)})
	}
	return changes, nil
}

// releasesOf validates prefixes to release.
func releasesOf(prefixes []netip.Prefix) ([]change, error) {
	changes := make([]change, 0, len(prefixes))
	for _, p := range prefixes {
		p, err := normal(p)
		if err != nil {
			return nil, err
		}
		changes = append(changes, change{prefix: p, release: true})
	}
	return changes, nil
}

// allowListOf validates an allow list.
func allowListOf(prefixes []netip.Prefix) (map[netip.Prefix]expiry, error) {
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

// latest keeps the last change of each prefix: a batch must name an element at
// most once.
func latest(changes []change) []change {
	if len(changes) < 2 {
		return changes
	}
	at := make(map[netip.Prefix]int, len(changes))
	out := changes[:0]
	for _, ch := range changes {
		if i, ok := at[ch.prefix]; ok {
			out[i] = ch
			continue
		}
		at[ch.prefix] = len(out)
		out = append(out, ch)
	}
	return out
}
