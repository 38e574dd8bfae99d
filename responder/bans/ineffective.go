package bans

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/tollwarden/tollwarden/responder/incident"
)

const (
	// Settle is how long after the kernel's acknowledgement of a ban its address may
	// still be heard, because of what was in Asterisk's queues.
	Settle = 2 * time.Second
	// Quiet is how long nothing must be heard until a ban counts as effective again.
	Quiet = 10 * time.Minute
	// maxIneffective bounds the bans that are remembered. Beyond it those quiet
	// longest are forgotten first.
	maxIneffective = 256
)

// Remedy is what is to be done about a ban that lets its address through.
type Remedy uint8

// At the first sign the ban is renewed: another program may have removed it, or the
// packet was in Asterisk's queues. If that does not help, it is widened.
const (
	NoRemedy Remedy = iota
	Renew
	Widen
)

// Sign is one sign that a banned address still gets through.
type Sign struct {
	At       time.Time // when it happened, or if that is not known, was reported
	Answered bool      // a response left for the address; otherwise an event names it
}

// IneffectiveBan is a ban whose address was heard more than Settle after the
// kernel had acknowledged the ban.
type IneffectiveBan struct {
	Ban      incident.Ban
	Dropped  time.Time // the kernel's first acknowledgement
	Since    time.Time // of the first sign
	Last     time.Time // of the last one
	Answered uint64    // responses that left for the address since then
	Heard    uint64    // events that named it since then
	Renewals uint64
	Renewed  time.Time // for the last time
	Widened  time.Time // zero: it was not
	Kept     string    // why it was not widened; "" when it need not be
	Failing  time.Time // since when renewing is known not to help; zero: it helps
	Excused  time.Time // when damage to the table last explained a sign
	Noted    uint64    // signs that the incident tells of
}

// Ineffective remembers the bans whose addresses are still heard. It is bounded.
// The zero value is ready to use.
type Ineffective struct {
	by       map[netip.Prefix]*IneffectiveBan
	repaired time.Time // when the kernel's table was
}

// Take records a sign about the address of a ban, which the kernel drops since dropped,
// and says what to do. failing is true for the sign by which the ban turns out to be
// without effect.
func (t *Ineffective) Take(now time.Time, ban incident.Ban, dropped time.Time, sign Sign) (b *IneffectiveBan, remedy Remedy, failing bool) {
	b = t.by[ban.Prefix]
	if b != nil && !b.Ban.Since.Equal(ban.Since) {
		b = nil // of an earlier ban
	}
	fresh := sign.At.Sub(dropped) > Settle
	if b == nil && fresh {
		b = t.add(&IneffectiveBan{Ban: ban, Dropped: dropped, Since: sign.At})
	}
	if b == nil || sign.At.Before(b.Since) {
		return b, NoRemedy, false
	}
	b.Ban, b.Last = ban, now
	if sign.Answered {
		b.Answered++
	} else {
		b.Heard++
	}
	if !fresh {
		return b, NoRemedy, false
	}
	remedy = Renew
	if b.Renewals > 0 {
		if failing = b.Failing.IsZero() && !(now.Sub(t.repaired) < Settle && b.excuse(now)); failing {
			b.Failing = sign.At
		}
		if !ban.Scope.Everything() {
			remedy = Widen
		}
	}
	b.Renewals++
	b.Renewed = now
	return b, remedy, failing
}

// excuseEvery is how often damage to the table explains that a banned address is
// heard: more often it is not in force long enough between two repairs.
const excuseEvery = 10 * time.Second

// excuse says whether damage to the table explains the last sign.
func (b *IneffectiveBan) excuse(now time.Time) bool {
	if !b.Excused.IsZero() && now.Sub(b.Excused) < excuseEvery {
		return false
	}
	b.Excused = now
	return true
}

// Repaired records that the kernel's table is in order again after another program
// damaged it, which explains what was heard meanwhile.
func (t *Ineffective) Repaired(now time.Time) {
	t.repaired = now
	for _, b := range t.by {
		if !b.Failing.IsZero() && now.Sub(b.Failing) < Settle && b.excuse(now) {
			b.Failing = time.Time{}
		}
	}
}

func (t *Ineffective) add(b *IneffectiveBan) *IneffectiveBan {
	if t.by == nil {
		t.by = map[netip.Prefix]*IneffectiveBan{}
	}
	if len(t.by) >= maxIneffective {
		oldest := b
		for _, other := range t.by {
			if oldest == b || other.Last.Before(oldest.Last) {
				oldest = other
			}
		}
		delete(t.by, oldest.Ban.Prefix)
	}
	t.by[b.Ban.Prefix] = b
	return b
}

// Prune forgets the bans that are over, and returns those that count as effective
// again because nothing was heard for Quiet.
func (t *Ineffective) Prune(now time.Time, r *Registry) (recovered []*IneffectiveBan) {
	for prefix, b := range t.by {
		switch {
		case !b.inForce(now, r):
			delete(t.by, prefix)
		case !b.Failing.IsZero() && now.Sub(b.Last) >= Quiet:
			b.Failing = time.Time{}
			recovered = append(recovered, b)
		}
	}
	return recovered
}

func (b *IneffectiveBan) inForce(now time.Time, r *Registry) bool {
	is, ok := r.Exact(now, b.Ban.Prefix)
	return ok && is.Since.Equal(b.Ban.Since)
}

// All are the bans that are remembered, in no particular order.
func (t *Ineffective) All() (list []*IneffectiveBan) {
	for _, b := range t.by {
		list = append(list, b)
	}
	return list
}

// List returns the bans without effect now, the longest first.
func (t *Ineffective) List(now time.Time, r *Registry) (list []IneffectiveBan) {
	for _, b := range t.by {
		if !b.Failing.IsZero() && now.Sub(b.Last) < Quiet && b.inForce(now, r) {
			list = append(list, *b)
		}
	}
	slices.SortFunc(list, func(x, y IneffectiveBan) int {
		if c := x.Failing.Compare(y.Failing); c != 0 {
			return c
		}
		return x.Ban.Prefix.Compare(y.Ban.Prefix)
	})
	return list
}

// String says in words what was heard, and what was done about it.
func (b *IneffectiveBan) String() string {
	const clock = "15:04:05 MST"
	var heard []string
	if b.Answered > 0 {
		heard = append(heard, "answered "+incident.Count(int(b.Answered), "time"))
	}
	if b.Heard > 0 {
		heard = append(heard, "reported by Asterisk "+incident.Count(int(b.Heard), "time"))
	}
	text := fmt.Sprintf("still %s after %s (first at %s, last at %s)", strings.Join(heard, " and "), Settle, b.Since.UTC().Format(clock), b.Last.UTC().Format(clock))
	if b.Renewals > 0 {
		text += "; renewed " + incident.Count(int(b.Renewals), "time") + ", last at " + b.Renewed.UTC().Format(clock)
	}
	if !b.Widened.IsZero() {
		text += "; widened to all traffic of the address at " + b.Widened.UTC().Format(clock)
	}
	if b.Kept != "" {
		text += "; not widened to all traffic: " + b.Kept
	}
	return text
}
