package responder

import (
	"net/netip"
	"slices"
	"time"

	"github.com/gaissmai/bart"
)

// book holds the bans in force with their reasons. It is the daemon's truth:
// the kernel holds the same prefixes and knows no reasons.
type book struct {
	bans    bart.Table[Ban]
	claimed int // of them, ended ones included
	over    int // of them, those no longer in force at pruned
	pruned  time.Time
	// decided are, while the ledger is read, the prefixes that were decided on
	// since the start, with the ban that the ledger had of them, once it was
	// come upon. Else it is nil.
	decided map[netip.Prefix]*Ban
}

// count is how many bans are in force, those included that ended since the last
// prune. It is asked for all the time, and costs nothing.
func (b *book) count() int { return b.bans.Size() - b.over }

// maxClaimed bounds the claimed bans: who forges addresses fills no more of the
// book, and never the kernel's sets, which hold twice as many of this scope.
const maxClaimed = 1 << 17

// full says that no more claimed bans are accepted.
func (b *book) full() bool { return b.claimed >= maxClaimed }

// covering is the ban that already drops prefix: its own, or that of a prefix
// around it; one that drops all of it before one that closes its SIP ports.
func (b *book) covering(now time.Time, prefix netip.Prefix) (Ban, bool) {
	var claimed Ban
	for _, ban := range b.bans.Supernets(prefix) {
		switch {
		case !ban.InForce(now):
		case ban.Claimed():
			claimed = ban
		default:
			return ban, true
		}
	}
	return claimed, claimed.Prefix.IsValid()
}

// paroled is the claimed ban of just this prefix that ended a short time ago.
func (b *book) paroled(now time.Time, prefix netip.Prefix) (Ban, bool) {
	ban, ok := b.bans.Get(prefix)
	return ban, ok && ban.Claimed() && !ban.InForce(now) && now.Sub(ban.Until) < parole
}

// parole is how long after a claimed ban one more failure brings it back: its
// source never proved to be one, and a guesser is to be kept out all the same.
const parole = time.Hour

// exact is the ban of just this prefix.
func (b *book) exact(now time.Time, prefix netip.Prefix) (Ban, bool) {
	ban, ok := b.bans.Get(prefix)
	return ban, ok && ban.InForce(now)
}

// put brings a ban into force.
func (b *book) put(ban Ban) {
	b.decide(ban.Prefix)
	b.insert(ban)
}

// remove ends a ban.
func (b *book) remove(prefix netip.Prefix) {
	b.decide(prefix)
	b.forget(prefix)
}

func (b *book) decide(prefix netip.Prefix) {
	if b.decided != nil && !b.isDecided(prefix) {
		b.decided[prefix] = nil
	}
}

func (b *book) isDecided(prefix netip.Prefix) bool {
	_, decided := b.decided[prefix]
	return decided
}

// recall takes a ban from before the start, unless its prefix was decided on
// since then.
func (b *book) recall(ban Ban) (taken bool) {
	if b.isDecided(ban.Prefix) {
		b.decided[ban.Prefix] = &ban
		return false
	}
	b.insert(ban)
	return true
}

func (b *book) insert(ban Ban) {
	b.forget(ban.Prefix)
	b.bans.Insert(ban.Prefix, ban)
	if ban.Claimed() {
		b.claimed++
	}
	if !ban.InForce(b.pruned) {
		b.over++
	}
}

func (b *book) forget(prefix netip.Prefix) {
	if was, ok := b.bans.Get(prefix); ok {
		b.bans.Delete(prefix)
		if was.Claimed() {
			b.claimed--
		}
		if !was.InForce(b.pruned) {
			b.over--
		}
	}
}

// list is every ban with time left, in no order of use to anybody.
func (b *book) list(now time.Time) []Ban {
	list := make([]Ban, 0, b.bans.Size())
	for _, ban := range b.bans.All() {
		if ban.InForce(now) {
			list = append(list, ban)
		}
	}
	return list
}

// newestFirst brings bans into the order in which people read them.
func newestFirst(list []Ban) {
	slices.SortFunc(list, func(x, y Ban) int {
		if c := y.Since.Compare(x.Since); c != 0 {
			return c
		}
		return x.Prefix.Addr().Compare(y.Prefix.Addr())
	})
}

// prune forgets the bans that ran out, claimed ones only after their parole, as
// long as there is room. It says which ran out since it was last called.
func (b *book) prune(now time.Time) (ended []Ban) {
	var over []netip.Prefix
	crowded := b.claimed > maxClaimed/2
	kept := 0
	for prefix, ban := range b.bans.All() {
		if ban.InForce(now) {
			continue
		}
		if ban.Until.After(b.pruned) {
			ended = append(ended, ban)
		}
		if _, paroled := b.paroled(now, prefix); crowded || !paroled {
			over = append(over, prefix)
		} else {
			kept++
		}
	}
	for _, prefix := range over {
		b.forget(prefix)
	}
	b.over, b.pruned = kept, now
	return ended
}

func (b *book) len() int { return b.bans.Size() }
