package firewall

import (
	"encoding/binary"
	"maps"
	"net/netip"
	"time"

	"github.com/google/nftables"
)

// flows are the conversations to drop and until when. It has no more entries than
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

// adopt takes over the flows that an earlier run of the daemon left in the kernel.
// A flow that cannot be read is dropped again when its phone goes on.
func (w *Watch) adopt() {
	for _, s := range watchSets {
		found, _ := w.reader.elements(w.name, s.name)
		for _, e := range found {
			if e.port != 0 && e.until != forever {
				w.flows[netip.AddrPortFrom(e.key, e.port)] = e.until
			}
		}
	}
}

// elements returns the flows of one family that have time left, for the kernel.
func (f flows) elements(v6 bool, now time.Time) []nftables.SetElement {
	var out []nftables.SetElement
	for flow, until := range f {
		if flow.Addr().Is6() != v6 || until.over(expiryOf(now)) {
			continue
		}
		key := binary.BigEndian.AppendUint16(flow.Addr().AsSlice(), flow.Port())
		out = append(out, nftables.SetElement{Key: append(key, 0, 0), Timeout: timeout(until, now)}) // padded to registers
	}
	return out
}
