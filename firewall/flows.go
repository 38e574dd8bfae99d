package firewall

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/google/nftables"
	"golang.org/x/sys/unix"
)

// flows are conversations, each with its end: to be dropped, or to pass undecided. The
// kernel's sets, which are limited, have as many.
type flows map[netip.AddrPort]expiry

// DropFlow drops SIP over UDP from and to one address and port for the given time
// from now; 0 lets it through again.
func (w *Watch) DropFlow(within time.Duration, flow netip.AddrPort) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.dropOne(flowSets, w.flows, within, flow)
}

// dropOne drops one flow of a kind. The caller holds the lock.
func (w *Watch) dropOne(sets [2]watchSet, known flows, within time.Duration, flow netip.AddrPort) error {
	now := time.Now()
	flow = netip.AddrPortFrom(flow.Addr().Unmap(), flow.Port())
	until := expiryOf(now.Add(within))
	err := w.replaceFlow(sets, flow, until, now)
	if errors.Is(err, unix.ENOENT) { // another program removed the table
		if err = w.build(); err == nil {
			err = w.replaceFlow(sets, flow, until, now)
		}
	}
	if err != nil {
		return fmt.Errorf("firewall: table inet %s: flow %s: %w", w.name, flow, explain(err))
	}
	known[flow] = until
	pruneFlows(known, now)
	return nil
}

// replaceFlow replaces what the kernel may have of one flow, in one transaction: to
// add an element again would leave its end as it was. What it deletes it adds first,
// since it may have run out.
func (w *Watch) replaceFlow(sets [2]watchSet, flow netip.AddrPort, until expiry, now time.Time) error {
	set := setFor(sets, flow.Addr().Is6())
	nf, was := set.nf(nfTable(w.name)), flows{flow: expiryOf(now.Add(time.Minute))}.elements(set.v6, now)
	err := errors.Join(w.writer.SetAddElements(nf, was), w.writer.SetDeleteElements(nf, was),
		w.writer.SetAddElements(nf, flows{flow: until}.elements(set.v6, now)))
	if err != nil {
		return err
	}
	return w.writer.Flush()
}

// Flows returns the flows that are dropped now, each with its end.
func (w *Watch) Flows() map[netip.AddrPort]time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.flows.ends(time.Now())
}

// ends returns the flows that have time left, each with its end.
func (f flows) ends(now time.Time) map[netip.AddrPort]time.Time {
	list := make(map[netip.AddrPort]time.Time, len(f))
	for flow, until := range f {
		if !until.over(expiryOf(now)) {
			list[flow] = until.time()
		}
	}
	return list
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
