package firewall

import (
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"time"

	"github.com/google/nftables"
	"golang.org/x/sys/unix"
)

// flows are conversations, each with its end: to be dropped, or to pass undecided. The
// kernel's sets, which are limited, have as many.
type flows map[netip.AddrPort]expiry

// DropFlow drops SIP over UDP from and to one address and port for the given time.
func (w *Watch) DropFlow(within time.Duration, flow netip.AddrPort) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.dropOne(flowSets, w.flows, within, flow)
}

// dropOne drops one flow of a kind. The caller holds the lock.
func (w *Watch) dropOne(sets [2]watchSet, known flows, within time.Duration, flow netip.AddrPort) error {
	now := time.Now()
	flow = netip.AddrPortFrom(flow.Addr().Unmap(), flow.Port())
	one := flows{flow: expiryOf(now.Add(within))}
	if err := w.add(sets, one, now); err != nil {
		return err
	}
	pruneFlows(known, now)
	maps.Copy(known, one)
	return nil
}

// add adds flows in one transaction, and makes the table anew if another program
// removed it. The caller holds the lock.
func (w *Watch) add(sets [2]watchSet, some flows, now time.Time) error {
	put := func() error {
		t := nfTable(w.name)
		for _, s := range sets {
			if err := w.writer.SetAddElements(s.nf(t), some.elements(s.v6, now)); err != nil {
				return err
			}
		}
		return w.writer.Flush()
	}
	err := put()
	if errors.Is(err, unix.ENOENT) {
		if err = w.build(); err == nil {
			err = put()
		}
	}
	if err != nil {
		return fmt.Errorf("firewall: table inet %s: %w", w.name, explain(err))
	}
	return nil
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
