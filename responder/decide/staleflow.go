package decide

import (
	"fmt"
	"net/netip"
	"strconv"
	"time"

	"github.com/tollwarden/tollwarden/ami/event"
	"github.com/tollwarden/tollwarden/responder/incident"
	"github.com/tollwarden/tollwarden/responder/score"
)

// An address can be shared: several phones behind one NAT, and one of them with
// a wrong password. It fails for ever, and the others must not pay for it: only
// its flow is dropped, and a message says which phone to correct.

const (
	// healthyPhones is how many other accounts make an address a shared one.
	healthyPhones = 2
	// maxFlows is how many flows of an address may be dropped within flowsWithin.
	// One phone has one, or two when its router gives it another; more are a
	// guesser that changes its port, and the address is banned like any other.
	maxFlows    = 3
	flowsWithin = time.Hour
	// maxShared bounds the addresses with a dropped flow.
	maxShared = 4096
)

// Flows remembers which flows of shared addresses were dropped. The zero value
// is ready to use.
type Flows struct {
	dropped map[netip.Prefix]map[uint16]time.Time // by source key, then by port
}

// Stale is the flow of the phone whose wrong password brought a verdict about;
// false when it was anything else: a guesser tries several accounts, or comes
// from several ports. healthy is how many other accounts are in use at the
// address, and agent what the phone calls itself, "" when that is not known.
func (f *Flows) Stale(v *score.Verdict, healthy int, agent string) (incident.Flow, bool) {
	if !onePhone(v) || healthy < healthyPhones || !f.room(v) {
		return incident.Flow{}, false
	}
	flow := incident.Flow{
		At:    netip.AddrPortFrom(v.Cause.Source, v.Cause.Port),
		Phone: "the phone of account " + strconv.QuoteToGraphic(v.Cause.Account),
	}
	if agent != "" {
		flow.Phone += fmt.Sprintf(" (User-Agent %s)", strconv.QuoteToGraphic(agent))
	}
	return flow, true
}

// onePhone says whether a verdict rests on the wrong passwords of one account
// alone, from an address that is proven.
func onePhone(v *score.Verdict) bool {
	if v.Key.Per != score.PerSource || !v.Proven || v.Cause.Transport != event.UDP || v.Cause.Account == "" || !v.Cause.Signal.Failure() {
		return false
	}
	for _, e := range v.Evidence {
		counts := v.Threshold.Points[e.Signal] > 0 && v.At.Sub(e.At) < v.Threshold.Within
		if counts && (e.Account != v.Cause.Account || !e.Signal.Failure()) {
			return false
		}
	}
	return true
}

// room says whether one more flow of the verdict's address may be dropped.
func (f *Flows) room(v *score.Verdict) bool {
	ports, known := f.dropped[v.Key.Prefix]
	if !known {
		return len(f.dropped) < maxShared
	}
	recent := 0
	for port, at := range ports {
		if port != v.Cause.Port && v.At.Sub(at) < flowsWithin {
			recent++
		}
	}
	return recent < maxFlows
}

// Add remembers that the flow of a verdict is dropped.
func (f *Flows) Add(v *score.Verdict) {
	if f.dropped == nil {
		f.dropped = map[netip.Prefix]map[uint16]time.Time{}
	}
	if f.dropped[v.Key.Prefix] == nil {
		f.dropped[v.Key.Prefix] = map[uint16]time.Time{}
	}
	f.dropped[v.Key.Prefix][v.Cause.Port] = v.At
}

// Forget makes the flow at an address and port one that was never dropped. source is
// the key of its address.
func (f *Flows) Forget(source netip.Prefix, port uint16) {
	delete(f.dropped[source], port)
}

// Prune forgets the flows that no longer count.
func (f *Flows) Prune(now time.Time) {
	for source, ports := range f.dropped {
		for port, at := range ports {
			if now.Sub(at) >= flowsWithin {
				delete(ports, port)
			}
		}
		if len(ports) == 0 {
			delete(f.dropped, source)
		}
	}
}
