package bans

import (
	"net/netip"
	"time"
)

// maxOffenders bounds the offences kept in memory: 500,000 addresses at about
// 100 bytes. Beyond it those longest quiet are forgotten first.
const maxOffenders = 500_000

// maxRepeats bounds the bans on spoofable evidence that are counted: whoever
// spoofs addresses fills no more.
const maxRepeats = MaxSpoofable

// Offences counts the offences of each address for the ladder, or in the same
// way its bans on spoofable evidence, which are none.
type Offences struct {
	most   int
	forget time.Duration
	by     map[netip.Prefix]offence
}

type offence struct {
	count int
	last  time.Time
}

// NewOffences counts offences that are no older than forget.
func NewOffences(forget time.Duration) *Offences {
	return &Offences{most: maxOffenders, forget: forget, by: map[netip.Prefix]offence{}}
}

// NewRepeats counts bans on spoofable evidence that began no longer than forget
// ago.
func NewRepeats(forget time.Duration) *Offences {
	return &Offences{most: maxRepeats, forget: forget, by: map[netip.Prefix]offence{}}
}

// Configure changes how long an offence counts.
func (o *Offences) Configure(forget time.Duration) { o.forget = forget }

// Count is the number of offences of prefix that still count at now.
func (o *Offences) Count(now time.Time, prefix netip.Prefix) int {
	was := o.by[prefix]
	if was.count == 0 || now.Sub(was.last) > o.forget {
		return 0
	}
	return was.count
}

// Add records one more offence.
func (o *Offences) Add(now time.Time, prefix netip.Prefix) {
	o.Set(prefix, o.Count(now, prefix)+1, now)
}

// Set records how often an address has offended, and when it last did.
func (o *Offences) Set(prefix netip.Prefix, count int, last time.Time) {
	if _, known := o.by[prefix]; !known && len(o.by) >= o.most {
		o.shrink()
	}
	o.by[prefix] = offence{count, last}
}

// Clear forgets the offences of all addresses in prefix, and returns how many
// there were of each.
func (o *Offences) Clear(prefix netip.Prefix) map[netip.Prefix]int {
	gone := map[netip.Prefix]int{}
	for source, was := range o.by {
		if prefix.Bits() <= source.Bits() && prefix.Contains(source.Addr()) {
			gone[source] = was.count
			delete(o.by, source)
		}
	}
	return gone
}

// shrink makes room by a sixteenth: the oldest of a sample, since the map's
// own order is random and an exact order would cost every offence.
func (o *Offences) shrink() {
	const sample = 8
	var oldest netip.Prefix
	var at time.Time
	seen, gone := 0, 0
	for prefix, was := range o.by {
		if seen%sample == 0 || was.last.Before(at) {
			oldest, at = prefix, was.last
		}
		if seen++; seen%sample == 0 {
			delete(o.by, oldest)
			if gone++; gone >= o.most/16 {
				return
			}
		}
	}
}
