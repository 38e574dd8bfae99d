package firewall

import (
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"time"

	"github.com/google/nftables"
	"github.com/google/nftables/binaryutil"
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"
)

// maxTCPPorts is the capacity of the set of TCP ports.
const maxTCPPorts = 1 << 10

var (
	// connectionSets hold connections that are dropped.
	connectionSets = [2]watchSet{{"conns4", false, true, maxFlows}, {"conns6", true, true, maxFlows}}
	// closedSets hold addresses from which nothing is let in over TCP, but what keptSets
	// hold.
	closedSets = [2]watchSet{{"closed4", false, false, maxSuspects}, {"closed6", true, false, maxSuspects}}
	keptSets   = [2]watchSet{{"kept4", false, true, maxFlows}, {"kept6", true, true, maxFlows}}
)

// SetTCPPorts replaces the TCP ports on which Asterisk takes SIP, over TCP, TLS or
// WebSocket: on these, connections are dropped and addresses closed. After an error the
// ports are as before.
func (w *Watch) SetTCPPorts(ports []uint16) error {
	ports = slices.Compact(slices.Sorted(slices.Values(ports)))
	if len(ports) > maxTCPPorts || slices.Contains(ports, 0) {
		return fmt.Errorf("firewall: watch: TCP ports %v: %w: want at most %d ports", ports, ErrInvalid, maxTCPPorts)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	before := w.tcpPorts
	w.tcpPorts = ports
	err := w.replaceTCPPorts()
	if errors.Is(err, unix.ENOENT) {
		err = w.build()
	}
	if err != nil {
		w.tcpPorts = before
		return fmt.Errorf("firewall: table inet %s: set TCP ports: %w", w.name, explain(err))
	}
	return nil
}

// replaceTCPPorts replaces them in one transaction.
func (w *Watch) replaceTCPPorts() error {
	set := tcpPortSet(nfTable(w.name))
	w.writer.FlushSet(set)
	if err := w.writer.SetAddElements(set, portElements(w.tcpPorts)); err != nil {
		return err
	}
	return w.writer.Flush()
}

func tcpPortSet(t *nftables.Table) *nftables.Set {
	return &nftables.Set{Table: t, Name: "tcp_ports", KeyType: nftables.TypeInetService, KeyByteOrder: binaryutil.BigEndian, Size: maxTCPPorts}
}

func portElements(ports []uint16) []nftables.SetElement {
	out := make([]nftables.SetElement, len(ports))
	for i, port := range ports {
		out[i].Key = binaryutil.BigEndian.PutUint16(port)
	}
	return out
}

// DropConnection drops what comes from one address and port, and what goes there, over
// TCP at the ports of SetTCPPorts for the given time from now; 0 lets it through again.
func (w *Watch) DropConnection(within time.Duration, connection netip.AddrPort) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.dropOne(connectionSets, w.connections, within, connection)
}

// CloseConnections closes an address for the given time from now; 0 ends that. The
// address is an IPv4 /32 or an IPv6 /64. Nothing that it sends over TCP to the ports of
// SetTCPPorts is let in, except over the connections in live.
func (w *Watch) CloseConnections(within time.Duration, at netip.Prefix, live []netip.AddrPort) error {
	return w.changeSource("close", sourceSets{closedSets, keptSets, w.closed, w.kept}, within, at, live)
}

// Connections returns the connections that are dropped now, each with its end.
func (w *Watch) Connections() map[netip.AddrPort]time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.connections.ends(time.Now())
}

// Closed returns the addresses that are closed now, each with its end.
func (w *Watch) Closed() map[netip.Prefix]time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.closed.ends(time.Now())
}

// Kept returns the connections that are let in from a closed address.
func (w *Watch) Kept(at netip.Prefix) []netip.AddrPort {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Collect(maps.Keys(sourceSets{excepted: w.kept}.within(at)))
}

// addConnectionRules adds the rules for connections to the batch.
func (w *Watch) addConnectionRules(c watchChains) {
	drop := []expr.Any{&expr.Verdict{Kind: expr.VerdictDrop}}
	for i, s := range connectionSets {
		addRule(w.writer, c.incoming, s.tcp(&chains[0]), s.match(&chains[0], false), drop)
		addRule(w.writer, c.outgoing, s.tcp(&chains[1]), s.match(&chains[1], false), drop)
		closed := closedSets[i]
		addRule(w.writer, c.incoming, closed.tcp(&chains[0]), closed.match(&chains[0], false), keptSets[i].match(&chains[0], true), drop)
	}
}

// tcp matches TCP packets of the set's family to or from one of our ports.
func (s watchSet) tcp(c *chain) []expr.Any {
	offset := uint32(2) // destination
	if c.output {
		offset = 0 // source
	}
	return []expr.Any{
		&expr.Meta{Key: expr.MetaKeyL4PROTO, Register: 1},
		&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: []byte{unix.IPPROTO_TCP}},
		&expr.Meta{Key: expr.MetaKeyNFPROTO, Register: 1},
		&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: []byte{s.family()}},
		&expr.Payload{DestRegister: 1, Base: expr.PayloadBaseTransportHeader, Offset: offset, Len: 2},
		&expr.Lookup{SourceRegister: 1, SetName: "tcp_ports"},
	}
}

func (s watchSet) family() byte {
	if s.v6 {
		return unix.NFPROTO_IPV6
	}
	return unix.NFPROTO_IPV4
}

// isSource says whether a prefix is one source: an IPv4 /32 or an IPv6 /64.
func isSource(p netip.Prefix) bool {
	return p == p.Masked() && (p.Bits() == 32 || p.Bits() == 64) && p.Addr().Is6() == (p.Bits() == 64)
}

// pruneFlows forgets the flows that the kernel has forgotten by itself.
func pruneFlows(some flows, now time.Time) {
	maps.DeleteFunc(some, func(_ netip.AddrPort, until expiry) bool { return until.over(expiryOf(now)) })
}
