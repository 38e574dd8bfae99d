package firewall

import (
	"encoding/binary"
	"maps"
	"net/netip"
	"time"

	"github.com/google/nftables"
)

// flows are conversations and until when: to be dropped, or to pass undecided. It has no more entries than
// the kernel's sets, which are limited.
type flows map[netip.AddrPort]expiry

// DropFlow drops SIP over UDP from and to one address and port for the given time.
func (w *Watch) DropFlow(within time.Duration, flow netip.AddrPort) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	now := time.Now()
	flow = netip.AddrPortFrom(flow.Addr().Unmap(), flow.Port())
	one := flows{flow: expiryOf(now.Add(within))}
	if err := w.add(one, now); err != nil {
		return err
	}
	maps.DeleteFunc(w.flows, func(_ netip.AddrPort, until expiry) bool { return until.over(expiryOf(now)) })
	maps.Copy(w.flows, one)
	return nil
}

// adopt takes over the flows and the suspects that an earlier run of the daemon left
// in the kernel. A flow that cannot be read is dropped again when its phone goes on,
// and so with a suspect.
func (w *Watch) adopt() {
	each := func(sets [2]watchSet, fn func(e element)) {
		for _, s := range sets {
			found, _ := w.reader.elements(w.name, s.name)
			for _, e := range found {
				if e.until != forever {
					fn(e)
				}
			}
		}
	}
	each(flowSets, func(e element) { w.flows[netip.AddrPortFrom(e.key, e.port)] = e.until })
	each(liveSets, func(e element) { w.live[netip.AddrPortFrom(e.key, e.port)] = e.until })
	each(suspectSets, func(e element) { w.suspects[e.key] = e.until })
}

// elements returns the flows of one family that have time left, for the kernel.
func (f flows) elements(v6 bool, now time.Time) []nftables.SetElement {
	var out []nftables.SetElement
	for flow, until := range f {
		if flow.Addr().Is6() != v6 || until.over(expiryOf(now)) {
			continue
		}
		out = append(out, nftables.SetElement{Key: flowKey(flow), Timeout: timeout(until, now)})
	}
	return out
}

// flowKey is the key of a flow, padded to registers.
func flowKey(a netip.AddrPort) []byte {
	return append(binary.BigEndian.AppendUint16(a.Addr().AsSlice(), a.Port()), 0, 0)
}
