package slow

import (
	"net/netip"
	"time"

	"github.com/tollwarden/tollwarden/ami/event"
	"github.com/tollwarden/tollwarden/responder/score"
)

// guesser is an address or a network with what it failed for.
type guesser struct {
	prefix     netip.Prefix
	prev, next int32 // neighbours in the queue of its class, or -1
	last       int64 // newest failure, in µs since 1970
	n          uint8 // tries in use
	class      class
	dirty      bool     // a try changed since it was last kept on disk
	more       bool     // a try was replaced: it failed for more than MaxAccounts accounts
	raised     [2]int64 // when SlowNetwork was last raised, in µs, by proof
	tries      [MaxAccounts]try
}

// try is what an address failed for one account.
type try struct {
	target           int32
	failures, proven uint32
	first, last      int64 // µs since 1970
	// recent and recentProven count the failures since begun, which is less than
	// Config.Within ago when the next failure comes.
	begun                int64
	recent, recentProven uint32
	port                 uint16
	transport            event.Transport
	signal               score.Signal
	dirty                bool
}

// class is how valuable a guesser is. A less valuable one is evicted first.
type class uint8

const (
	once      class = iota // may be spoofed, and failed for one account
	several                // may be spoofed, and failed for several accounts
	confirmed              // has a proven failure
	classes
)

func (x *guesser) classify() class {
	for i := range x.tries[:x.n] {
		if x.tries[i].proven > 0 {
			return confirmed
		}
	}
	if x.n > 1 {
		return several
	}
	return once
}

// counts adds up tries. lasting are the recent failures of those that go on for days.
type counts struct{ accounts, failures, lasting int }

// lasting is how long a try must go on for its failures to say something: a phone with
// an old password on a dynamic address moves on before.
const lasting = 3 * 24 * time.Hour

func (c counts) reach(least counts) bool {
	return c.accounts >= least.accounts && c.failures >= least.failures && c.lasting >= least.lasting
}

// count adds up all tries, and those with proven failures.
func (x *guesser) count() (all, proven counts) {
	for i := range x.tries[:x.n] {
		t := &x.tries[i]
		all.accounts++
		all.failures += int(t.failures)
		lasts := t.last-t.begun >= lasting.Microseconds()
		if lasts {
			all.lasting += int(t.recent)
		}
		if t.proven > 0 {
			proven.accounts++
			proven.failures += int(t.proven)
			if lasts {
				proven.lasting += int(t.recentProven)
			}
		}
	}
	return all, proven
}

// find returns the number of the try for an account, or -1.
func (x *guesser) find(target int32) int {
	for i := range x.tries[:x.n] {
		if x.tries[i].target == target {
			return i
		}
	}
	return -1
}

// spare returns the number of the try to replace: a spoofable one before a proven one,
// then the oldest.
func (x *guesser) spare() int {
	least := 0
	for i := range x.tries[1:x.n] {
		a, b := &x.tries[i+1], &x.tries[least]
		if (a.proven > 0) != (b.proven > 0) {
			if b.proven > 0 {
				least = i + 1
			}
		} else if a.last < b.last {
			least = i + 1
		}
	}
	return least
}

// add counts one more failure. What began at or before cut is no longer recent.
func (t *try) add(o *score.Observation, cut int64) {
	at := o.At.UnixMicro()
	if t.begun <= cut {
		t.begun, t.recent, t.recentProven = at, 0, 0
	}
	t.failures++
	t.recent++
	if o.Proof == score.Proven {
		t.proven++
		t.recentProven++
	}
	if t.first == 0 {
		t.first = at
	}
	t.last = max(t.last, at)
	t.port, t.transport, t.signal, t.dirty = o.Port, o.Transport, o.Signal, true
}

// join adds what is known of the same account from elsewhere.
func (t *try) join(other *try) {
	t.failures += other.failures
	t.proven += other.proven
	if t.first == 0 || other.first < t.first {
		t.first = other.first
	}
	t.begun, t.recent, t.recentProven = t.first, t.failures, t.proven
	if other.last > t.last {
		t.last, t.port, t.transport, t.signal = other.last, other.port, other.transport, other.signal
	}
}
