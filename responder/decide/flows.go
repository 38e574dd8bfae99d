package decide

import (
	"fmt"
	"maps"
	"net/netip"
	"strconv"
	"time"

	"github.com/tollwarden/tollwarden/ami/event"
	"github.com/tollwarden/tollwarden/responder/incident"
	"github.com/tollwarden/tollwarden/responder/score"
)

// Where healthy accounts live, only what was used is cut: the flow of one phone with a
// wrong password, or of a guesser behind the same NAT. Over UDP a flow is a port of the
// address, otherwise a connection. Whoever goes on through others is a guesser that
// changes its port: then more is cut (widen.go), but never the registered phones.

const (
	// maxFlows is how many flows of an address may be dropped within flowsWithin, and how
	// many connections. One phone has one, or two when its router gives it another.
	maxFlows    = 3
	flowsWithin = time.Hour
	// reconnecting is flowsWithin for the connections of a device that tries one
	// account. A phone with a wrong password connects again and again, from a new port
	// each time, and must not cost its neighbours theirs: one that tries every 20 seconds
	// has a connection dropped each minute. A guesser gets four guesses a minute, fewer
	// than one that is throttled.
	reconnecting = 150 * time.Second
	// maxShared bounds the addresses with a dropped flow.
	maxShared = 4096
	// maxFlowsKept bounds the flows of one address that are remembered.
	maxFlowsKept = 256
)

// Flows remembers which flows of shared addresses were dropped. The zero value
// is ready to use.
type Flows struct {
	dropped map[netip.Prefix]map[flowKey]time.Time // by source key
}

type flowKey struct {
	port       uint16
	connection bool
}

func flowOf(v *score.Verdict) (netip.Prefix, flowKey) {
	return event.SourcePrefix(v.Cause.Source), flowKey{v.Cause.Port, v.Cause.Transport.Connected()}
}

// Cut is the flow that brought a verdict about, where others live at its address; false
// if it is not known for certain or if the attack continues through others. own is
// whether the verdict's account is at home at the address, and agent what its phone calls
// itself there, "" when that is not known. wider is whether more than flows can be cut there:
// where it cannot, as at the address of nearly all phones, flows are all there is to cut.
func (f *Flows) Cut(v *score.Verdict, own bool, agent string, wider bool) (incident.Flow, bool) {
	known := v.Cause.Transport == event.UDP || v.Cause.Transport.Connected()
	guesses := v.Key.Per != score.PerAccount || v.Cause.Signal.Failure() // others end with their account's calls
	if !v.Proven || !known || v.Cause.Port == 0 || !v.Cause.Source.IsValid() || guesses && !f.room(v, wider) {
		return incident.Flow{}, false
	}
	flow := incident.Flow{At: netip.AddrPortFrom(v.Cause.Source, v.Cause.Port), Connection: v.Cause.Transport.Connected()}
	describeFlow(&flow, v, own, agent)
	return flow, true
}

func describeFlow(flow *incident.Flow, v *score.Verdict, own bool, agent string) {
	accounts := triedBy(v)
	guesses := v.Cause.Signal.Failure()
	switch {
	case guesses && len(accounts) == 1 && own, !guesses && v.Key.Per == score.PerAccount:
		flow.Phone = "the phone of extension " + strconv.QuoteToGraphic(AccountOf(v))
		if agent != "" {
			flow.Phone += fmt.Sprintf(" (User-Agent %s)", strconv.QuoteToGraphic(agent))
		}
		flow.About = flow.Phone + " has a wrong password, correct it"
		if !guesses {
			flow.About = flow.Phone + " did what the reason says, or somebody else behind this address"
		}
	case guesses && len(accounts) > 0:
		flow.Phone = "a device that tries passwords of " + score.Printable(accounts[0])
		if len(accounts) > 1 {
			flow.Phone += fmt.Sprintf(" and %d more", len(accounts)-1)
		}
		flow.About = flow.Phone + ": find it behind this address"
	default:
		flow.Phone = "the device behind this port"
		flow.About = flow.Phone + " did what the reason says"
	}
}

// triedBy are the accounts that failed at the verdict's address within its threshold's
// time, that of the last failure first.
func triedBy(v *score.Verdict) (accounts []string) {
	add := func(name string) {
		for _, known := range accounts {
			if known == name {
				return
			}
		}
		if name != "" {
			accounts = append(accounts, name)
		}
	}
	add(v.Cause.Account)
	source := event.SourcePrefix(v.Cause.Source)
	for _, e := range v.Evidence {
		if e.Signal.Failure() && v.At.Sub(e.At) < v.Threshold.Within && event.SourcePrefix(e.Source) == source {
			add(e.Account)
		}
	}
	return accounts
}

// OnePhone says whether a verdict rests on the wrong passwords of one account alone, as
// those of one phone.
func OnePhone(v *score.Verdict) bool {
	for _, e := range v.Evidence {
		if v.Threshold.Points[e.Signal] > 0 && v.At.Sub(e.At) < v.Threshold.Within && !e.Signal.Failure() {
			return false
		}
	}
	return v.Cause.Signal.Failure() && len(triedBy(v)) == 1
}

// room says whether one more flow of the verdict's address may be dropped.
func (f *Flows) room(v *score.Verdict, wider bool) bool {
	source, flow := flowOf(v)
	dropped, known := f.dropped[source]
	if !known {
		return len(f.dropped) < maxShared
	}
	within := flowsWithin
	if flow.connection && OnePhone(v) {
		within = reconnecting
	}
	recent := 0
	for other, at := range dropped {
		if other != flow && other.connection == flow.connection && v.At.Sub(at) < within {
			recent++
		}
	}
	return (recent < maxFlows || !wider) && len(dropped) < maxFlowsKept
}

// Add remembers that the flow of a verdict is dropped.
func (f *Flows) Add(v *score.Verdict) {
	source, flow := flowOf(v)
	if f.dropped == nil {
		f.dropped = map[netip.Prefix]map[flowKey]time.Time{}
	}
	if f.dropped[source] == nil {
		f.dropped[source] = map[flowKey]time.Time{}
	}
	f.dropped[source][flow] = v.At
}

// Forget makes a flow one that was never dropped. source is the key of its address.
func (f *Flows) Forget(source netip.Prefix, port uint16, connection bool) {
	delete(f.dropped[source], flowKey{port, connection})
}

// Prune forgets the flows that no longer count.
func (f *Flows) Prune(now time.Time) { pruneOlder(f.dropped, now, flowsWithin) }

// pruneOlder removes the times that are as old as an age, and keys without any.
func pruneOlder[K, L comparable](m map[K]map[L]time.Time, now time.Time, age time.Duration) {
	for k, times := range m {
		maps.DeleteFunc(times, func(_ L, at time.Time) bool { return now.Sub(at) >= age })
		if len(times) == 0 {
			delete(m, k)
		}
	}
}
