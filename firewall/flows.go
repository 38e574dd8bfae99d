package firewall

import (
	"encoding/binary"
	"maps"
	"net/netip"
	"time"

	"github.com/google/nftables"
)

// flows are the conversations that are dropped, until when. No more of them are
// noted than the kernel's sets have taken.
type flows map[netip.AddrPort]expiry

// DropFlow drops SIP over UDP from and to one address and port, for that time.
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

// adopt notes the flows that a life of the daemon before left in the kernel.
// What cannot be read comes back with its next failures.
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

// elements are the flows of one family in the kernel's terms, but for those
// whose time is over.
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
