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
	bans bart.Table[Ban]
}

// covering is the ban that already drops all of prefix: its own, or that of a
// prefix around it.
func (b *book) covering(now time.Time, prefix netip.Prefix) (Ban, bool) {
	for _, ban := range b.bans.Supernets(prefix) {
		if ban.InForce(now) {
			return ban, true
		}
	}
	return Ban{}, false
}

// exact is the ban of just this prefix.
func (b *book) exact(now time.Time, prefix netip.Prefix) (Ban, bool) {
	ban, ok := b.bans.Get(prefix)
	return ban, ok && ban.InForce(now)
}

func (b *book) put(ban Ban) { b.bans.Insert(ban.Prefix, ban) }

func (b *book) remove(prefix netip.Prefix) { b.bans.Delete(prefix) }

// list is every ban with time left, newest first.
func (b *book) list(now time.Time) []Ban {
	var list []Ban
	for _, ban := range b.bans.All() {
		if ban.InForce(now) {
			list = append(list, ban)
		}
	}
	slices.SortFunc(list, func(x, y Ban) int {
		if c := y.Since.Compare(x.Since); c != 0 {
			return c
		}
		return x.Prefix.Addr().Compare(y.Prefix.Addr())
	})
	return list
}

// prune forgets the bans that ran out.
func (b *book) prune(now time.Time) {
	var over []netip.Prefix
	for prefix, ban := range b.bans.All() {
		if !ban.InForce(now) {
			over = append(over, prefix)
		}
	}
	for _, prefix := range over {
		b.remove(prefix)
	}
}

func (b *book) len() int { return b.bans.Size() }
