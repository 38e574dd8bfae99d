package bans

import (
	"net/netip"
	"time"

	"github.com/tollwarden/tollwarden/responder/incident"
)

// MaxFlows bounds the flows that are remembered.
const MaxFlows = 4096

// flowRemembered is how long after its end a flow is remembered with its incident: a
// phone that goes on with a wrong password makes one incident a day.
const flowRemembered = 24 * time.Hour

// Flows is the registry of the flows that are dropped. The kernel holds the same flows
// and knows no reasons. The zero value is ready to use.
type Flows struct {
	by map[flowKey]*flow
}

type flowKey struct {
	at         netip.AddrPort
	connection bool
}

// flow is a block, and until when the kernel drops it as far as it has said.
type flow struct {
	incident.PartialBlock
	kernel time.Time
	ended  bool // it was let through, or its end was noticed
}

func keyOf(b incident.PartialBlock) flowKey { return flowKey{b.Flow, b.Connection} }

// Put enters a flow that is to be dropped, or dropped for longer. It keeps since when
// that is so, and the incident that was last made about the phone. If there is no room,
// evicted is the flow that must be let through for it.
func (f *Flows) Put(now time.Time, b incident.PartialBlock) (evicted incident.PartialBlock, full bool) {
	if f.by == nil {
		f.by = map[flowKey]*flow{}
	}
	is := &flow{PartialBlock: b}
	was, known := f.by[keyOf(b)]
	if known && was.InForce(now) {
		is.Since, is.kernel = was.Since, was.kernel
	}
	for _, other := range f.by {
		if b.Incident == 0 && other.Flow.Addr() == b.Flow.Addr() && other.Account == b.Account {
			is.Incident = max(is.Incident, other.Incident)
		}
	}
	if !known && len(f.by) >= MaxFlows {
		evicted, full = f.evict(now)
	}
	f.by[keyOf(b)] = is
	return evicted, full
}

// evict forgets the flow that ends, or ended, before all others. It returns the flow if
// that is still in force.
func (f *Flows) evict(now time.Time) (first incident.PartialBlock, inForce bool) {
	for _, b := range f.by {
		if first.Until.IsZero() || b.Until.Before(first.Until) {
			first = b.PartialBlock
		}
	}
	delete(f.by, keyOf(first))
	return first, first.InForce(now)
}

// Restore enters a flow that the kernel has kept.
func (f *Flows) Restore(now time.Time, b incident.PartialBlock) {
	if _, full := f.Put(now, b); !full {
		f.by[keyOf(b)].kernel = b.Until
	}
}

// Acknowledged records that the kernel drops a flow, or why it does not: then the flow
// is in force only as long as the kernel said before. ok is false if it was removed
// meanwhile.
func (f *Flows) Acknowledged(at netip.AddrPort, connection bool, err error) (b incident.PartialBlock, ok bool) {
	is, ok := f.by[flowKey{at, connection}]
	if !ok || is.ended {
		return b, false
	}
	if err != nil {
		is.Until, is.ended = is.kernel, is.kernel.IsZero()
	} else {
		is.kernel = is.Until
	}
	return is.PartialBlock, true
}

// Recorded gives a flow the number of its incident.
func (f *Flows) Recorded(at netip.AddrPort, connection bool, id int64) {
	if is, ok := f.by[flowKey{at, connection}]; ok {
		is.Incident = id
	}
}

// Remove ends a flow that is let through before its time. undo brings it back.
func (f *Flows) Remove(b incident.PartialBlock) (undo func()) {
	is, ok := f.by[keyOf(b)]
	if !ok {
		return func() {}
	}
	gone := &flow{PartialBlock: is.PartialBlock, ended: true}
	gone.Until = gone.Since
	f.by[keyOf(b)] = gone
	return func() {
		if f.by[keyOf(b)] == gone {
			f.by[keyOf(b)] = is
		}
	}
}

// List is every flow that is dropped, in no particular order.
func (f *Flows) List(now time.Time) (list []incident.PartialBlock) {
	for _, b := range f.by {
		if !b.ended && b.InForce(now) {
			list = append(list, b.PartialBlock)
		}
	}
	return list
}

// Prune forgets the flows that ended long ago. It returns those that ended since it was
// last called.
func (f *Flows) Prune(now time.Time) (ended []incident.PartialBlock) {
	for key, b := range f.by {
		switch {
		case b.InForce(now):
			continue
		case !b.ended:
			b.ended = true
			ended = append(ended, b.PartialBlock)
		}
		if now.Sub(b.Until) >= flowRemembered {
			delete(f.by, key)
		}
	}
	return ended
}
