// Package bans keeps the bans: the registry of those in force, which is the
// daemon's truth, the count of each address's offences, and the queue that
// brings changes into the kernel. Loading at start, reconciling and a person's
// orders about bans are here, too.
//
// Registry and Offences have no lock and no clock: their owner calls them from
// one goroutine at a time.
package bans

import (
	"net/netip"
	"slices"
	"time"

	"github.com/gaissmai/bart"

	"github.com/tollwarden/tollwarden/responder/incident"
)

// MaxSpoofable bounds the bans on spoofable evidence: whoever spoofs addresses
// fills no more of the registry, and never the kernel's sets, which hold twice as
// many of this scope.
const MaxSpoofable = 1 << 17

// MaxClosed bounds the networks closed on spoofable evidence: forged packets
// close no more of the Internet than this at a time.
const MaxClosed = 1 << 10

// renewWithin is how long after a ban on spoofable evidence one more failure
// brings it back: its address was never proven, but a guesser must be kept out
// anyway.
const renewWithin = time.Hour

// Registry holds the bans in force with their reasons. The kernel holds the same
// prefixes and knows no reasons.
type Registry struct {
	bans      bart.Table[entry]
	spoofable int                        // of them, ended ones included
	closed    map[netip.Prefix]time.Time // of them, the networks, and since when
	ended     int                        // of them, those no longer in force at pruned
	observed  int                        // of them, those in force at pruned that mode observe did not carry out
	pending   int                        // of them, those that the kernel has not acknowledged
	pruned    time.Time
	loaded    int64 // µs since 1970: no ban was dropped for certain before
}

// entry is a ban, and since when the kernel drops it.
type entry struct {
	incident.Ban
	dropped int64 // µs since 1970; 0: the kernel has not acknowledged it
}

// Count is how many bans are in force, those included that ended since the last
// Prune, but not those that mode observe did not carry out. It costs nothing.
func (r *Registry) Count() int { return r.bans.Size() - r.ended - r.observed }

// Spoofable is how many bans rest on spoofable evidence, ended ones included.
func (r *Registry) Spoofable() int { return r.spoofable }

// Full says that no more bans on spoofable evidence are accepted.
func (r *Registry) Full() bool { return r.spoofable >= MaxSpoofable }

// Closed are the networks that are closed on spoofable evidence, ended ones
// included, in no particular order.
func (r *Registry) Closed() (list []incident.Ban) {
	for prefix := range r.closed {
		ban, _ := r.bans.Get(prefix)
		list = append(list, ban.Ban)
	}
	return list
}

// Crowded is the network that has to be released before another one is closed on
// spoofable evidence: the one closed first; false while there is room.
func (r *Registry) Crowded() (oldest incident.Ban, crowded bool) {
	if len(r.closed) < MaxClosed {
		return oldest, false
	}
	var first netip.Prefix
	for prefix, since := range r.closed {
		if !first.IsValid() || since.Before(r.closed[first]) {
			first = prefix
		}
	}
	ban, _ := r.bans.Get(first)
	return ban.Ban, true
}

// Covering is the ban that already drops prefix: its own, or that of a prefix
// around it. One on proven evidence comes before one that may be spoofed, and of several
// the one that drops most.
func (r *Registry) Covering(now time.Time, prefix netip.Prefix) (incident.Ban, bool) {
	var proven, spoofable incident.Ban
	for _, ban := range r.bans.Supernets(prefix) {
		switch {
		case !ban.InForce(now):
		case ban.Spoofable():
			spoofable = ban.Ban
		case ban.Scope.Everything():
			return ban.Ban, true
		case !proven.Prefix.IsValid():
			proven = ban.Ban
		}
	}
	if proven.Prefix.IsValid() {
		return proven, true
	}
	return spoofable, spoofable.Prefix.IsValid()
}

// Exact is the ban of just this prefix.
func (r *Registry) Exact(now time.Time, prefix netip.Prefix) (incident.Ban, bool) {
	ban, ok := r.bans.Get(prefix)
	return ban.Ban, ok && ban.InForce(now)
}

// Renewable is the ban on spoofable evidence of just this prefix that ended a
// short time ago, so that one more failure brings it back. A network's is not: the
// failure may be an innocent neighbour's.
func (r *Registry) Renewable(now time.Time, prefix netip.Prefix) (incident.Ban, bool) {
	ban, ok := r.bans.Get(prefix)
	return ban.Ban, ok && ban.Spoofable() && !ban.Network() && !ban.InForce(now) && now.Sub(ban.Until) < renewWithin
}

// Within are the bans in force of prefixes inside prefix, its own included.
func (r *Registry) Within(now time.Time, prefix netip.Prefix) (list []incident.Ban) {
	for _, ban := range r.bans.Subnets(prefix) {
		if ban.InForce(now) {
			list = append(list, ban.Ban)
		}
	}
	return list
}

// Put brings a ban into force, in the place of an earlier one of its prefix. The
// kernel has to acknowledge it.
func (r *Registry) Put(ban incident.Ban) { r.put(entry{Ban: ban}) }

func (r *Registry) put(ban entry) {
	r.Remove(ban.Prefix)
	r.bans.Insert(ban.Prefix, ban)
	if ban.dropped == 0 {
		r.pending++
	}
	if ban.Spoofable() {
		r.spoofable++
		if ban.Network() {
			if r.closed == nil {
				r.closed = map[netip.Prefix]time.Time{}
			}
			r.closed[ban.Prefix] = ban.Since
		}
	}
	if !ban.InForce(r.pruned) {
		r.ended++
	} else if ban.Observed {
		r.observed++
	}
}

// Remove ends the ban of just this prefix, if there is one.
func (r *Registry) Remove(prefix netip.Prefix) {
	was, ok := r.bans.Get(prefix)
	if !ok {
		return
	}
	r.bans.Delete(prefix)
	if was.dropped == 0 {
		r.pending--
	}
	if was.Spoofable() {
		r.spoofable--
		delete(r.closed, prefix)
	}
	if !was.InForce(r.pruned) {
		r.ended--
	} else if was.Observed {
		r.observed--
	}
}

// List is every ban in force, in no particular order, with those that mode observe did not
// carry out.
func (r *Registry) List(now time.Time) []incident.Ban {
	list := make([]incident.Ban, 0, r.bans.Size())
	for _, ban := range r.bans.All() {
		if ban.InForce(now) {
			list = append(list, ban.Ban)
		}
	}
	return list
}

// InForce is every ban that the kernel should hold, in no particular order.
func (r *Registry) InForce(now time.Time) []incident.Ban {
	return slices.DeleteFunc(r.List(now), func(b incident.Ban) bool { return b.Observed })
}

// ForgetObserved forgets the bans that mode observe did not carry out, those that have ended
// included. It returns those that have not.
func (r *Registry) ForgetObserved(now time.Time) (list []incident.Ban) {
	var gone []incident.Ban
	for _, ban := range r.bans.All() {
		if ban.Observed {
			gone = append(gone, ban.Ban)
		}
	}
	for _, ban := range gone {
		if r.Remove(ban.Prefix); ban.InForce(now) {
			list = append(list, ban)
		}
	}
	return list
}

// NewestFirst brings bans into the order in which people read them.
func NewestFirst(list []incident.Ban) {
	slices.SortFunc(list, func(x, y incident.Ban) int {
		if c := y.Since.Compare(x.Since); c != 0 {
			return c
		}
		return x.Prefix.Addr().Compare(y.Prefix.Addr())
	})
}

// Prune forgets the bans that ran out, renewable ones only when they no longer
// are or room is short. It returns those that ran out since it was last called.
func (r *Registry) Prune(now time.Time) (ended []incident.Ban) {
	var gone []netip.Prefix
	crowded := r.spoofable > MaxSpoofable/2
	kept, observed := 0, 0
	for prefix, ban := range r.bans.All() {
		if ban.InForce(now) {
			if ban.Observed {
				observed++
			}
			continue
		}
		if ban.Until.After(r.pruned) {
			ended = append(ended, ban.Ban)
		}
		if _, renewable := r.Renewable(now, prefix); crowded || !renewable {
			gone = append(gone, prefix)
		} else {
			kept++
		}
	}
	for _, prefix := range gone {
		r.Remove(prefix)
	}
	r.ended, r.observed, r.pruned = kept, observed, now
	return ended
}
