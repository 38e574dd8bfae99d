package responder

import (
	"net/netip"
	"time"
)

// Ladder gives the ban time of a source's first, second, third, … offence.
type Ladder struct {
	// Times by offence; the last serves all that follow. Zero is forever.
	Times []time.Duration
	// Forget is the age at which an offence no longer counts.
	Forget time.Duration
	// Claimed is the ban time where forged packets can have brought the verdict
	// about: always the same, and no offence.
	Claimed time.Duration
}

// Until is the end of the ban for the offence with this number, counted from
// one; the zero time is forever.
func (l Ladder) Until(now time.Time, offence int) time.Time {
	d := l.time(offence)
	if d == 0 {
		return time.Time{}
	}
	return now.Add(d)
}

func (l Ladder) time(offence int) time.Duration {
	if len(l.Times) == 0 {
		return 0
	}
	return l.Times[min(max(offence, 1), len(l.Times))-1]
}

// maxOffenders bounds the offences kept in memory: 500,000 sources at about
// 100 bytes. Beyond it the ones longest quiet are forgotten first.
const maxOffenders = 500_000

// offences counts the offences of each source for the ladder.
type offences struct {
	forget time.Duration
	by     map[netip.Prefix]offence
}

type offence struct {
	count int
	last  time.Time
}

func newOffences(forget time.Duration) *offences {
	return &offences{forget: forget, by: map[netip.Prefix]offence{}}
}

// count is the number of offences of prefix that still count at now.
func (o *offences) count(now time.Time, prefix netip.Prefix) int {
	was := o.by[prefix]
	if was.count == 0 || now.Sub(was.last) > o.forget {
		return 0
	}
	return was.count
}

// add records one more offence and returns its number.
func (o *offences) add(now time.Time, prefix netip.Prefix) int {
	n := o.count(now, prefix) + 1
	o.set(prefix, n, now)
	return n
}

func (o *offences) set(prefix netip.Prefix, count int, last time.Time) {
	if _, known := o.by[prefix]; !known && len(o.by) >= maxOffenders {
		o.shrink()
	}
	o.by[prefix] = offence{count, last}
}

// recall adds what a source did before the start to what it did since.
func (o *offences) recall(prefix netip.Prefix, count int, last time.Time) {
	if was, known := o.by[prefix]; known {
		count += was.count
		last = was.last
	}
	o.set(prefix, count, last)
}

// pardon forgets the offences of all sources in prefix, and says which.
func (o *offences) pardon(prefix netip.Prefix) map[netip.Prefix]int {
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
func (o *offences) shrink() {
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
			if gone++; gone >= maxOffenders/16 {
				return
			}
		}
	}
}
