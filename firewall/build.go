package firewall

import (
	"net/netip"
	"time"

	"github.com/google/nftables"
	"github.com/google/nftables/binaryutil"
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"
)

// nfTable is a table for google/nftables.
func nfTable(name string) *nftables.Table {
	return &nftables.Table{Name: name, Family: nftables.TableFamilyINet}
}

// nfSet is a set as the kernel should make it. If counted, each element of a ban
// has a counter. The counter is declared for the whole set, since nft does not
// load a listing in which only elements have one.
func nfSet(t *nftables.Table, id setID, counted bool) *nftables.Set {
	s := &sets[id]
	out := &nftables.Set{
		Table: t, Name: s.name, Size: s.size,
		KeyType: nftables.TypeIPAddr, KeyByteOrder: binaryutil.BigEndian,
		Interval: s.interval, HasTimeout: !s.allow, Counter: counted && !s.allow,
	}
	if s.v6 {
		out.KeyType = nftables.TypeIP6Addr
	}
	return out
}

// nfChain is a chain as the kernel should make it.
func nfChain(t *nftables.Table, c *chain) *nftables.Chain {
	policy := nftables.ChainPolicyAccept
	out := &nftables.Chain{
		Table: t, Name: c.name, Type: nftables.ChainTypeFilter, Policy: &policy,
		Hooknum: nftables.ChainHookPrerouting, Priority: nftables.ChainPriorityRaw,
	}
	if c.output {
		out.Hooknum = nftables.ChainHookOutput
	}
	return out
}

// Offsets of the addresses in the network header (RFC 791 3.1, RFC 8200 3).
func (c *chain) offset(v6 bool) uint32 {
	switch {
	case v6 && c.output:
		return 24
	case v6:
		return 8
	case c.output:
		return 16
	default:
		return 12
	}
}

// exprs is a rule as the kernel's expressions; words is the same in nft's notation.
func (c *chain) exprs(s *nftables.Set, r rule) []expr.Any {
	const register = 1 // NFT_REG_1, the first of 16 bytes
	id := r.set
	family, size := byte(unix.NFPROTO_IPV4), uint32(4)
	if sets[id].v6 {
		family, size = unix.NFPROTO_IPV6, 16
	}
	var out []expr.Any
	if r.over != 0 {
		out = c.transport(r.over, r.port)
	}
	out = append(out,
		&expr.Meta{Key: expr.MetaKeyNFPROTO, Register: register},
		&expr.Cmp{Op: expr.CmpOpEq, Register: register, Data: []byte{family}},
		&expr.Payload{DestRegister: register, Base: expr.PayloadBaseNetworkHeader, Offset: c.offset(sets[id].v6), Len: size},
	)
	if sets[id].half {
		out = append(out, half64(register, size))
	}
	out = append(out, &expr.Lookup{SourceRegister: register, SetName: s.Name, SetID: s.ID})
	if sets[id].allow {
		return append(out, &expr.Verdict{Kind: expr.VerdictAccept})
	}
	return append(out,
		&expr.Objref{Type: unix.NFT_OBJECT_COUNTER, Name: c.counter},
		&expr.Verdict{Kind: expr.VerdictDrop})
}

// half64 keeps the first half of an IPv6 address.
func half64(register, size uint32) expr.Any {
	mask := netip.MustParseAddr("ffff:ffff:ffff:ffff::").As16()
	return &expr.Bitwise{SourceRegister: register, DestRegister: register, Len: size, Mask: mask[:], Xor: make([]byte, size)}
}

// udp matches UDP packets to or from one of our ports.
func (c *chain) udp(port uint16) []expr.Any { return c.transport(unix.IPPROTO_UDP, port) }

// transport matches UDP or TCP packets to or from one of our ports, which both
// protocols have at the same place (RFC 768, RFC 9293). Only the first fragment of a
// packet has a port; without it the others are useless.
func (c *chain) transport(protocol byte, port uint16) []expr.Any {
	const register = 1
	offset := uint32(2) // destination
	if c.output {
		offset = 0 // source
	}
	return []expr.Any{
		&expr.Meta{Key: expr.MetaKeyL4PROTO, Register: register},
		&expr.Cmp{Op: expr.CmpOpEq, Register: register, Data: []byte{protocol}},
		&expr.Payload{DestRegister: register, Base: expr.PayloadBaseTransportHeader, Offset: offset, Len: 2},
		&expr.Cmp{Op: expr.CmpOpEq, Register: register, Data: binaryutil.BigEndian.PutUint16(port)},
	}
}

// buildTable queues the whole table, with empty sets.
func buildTable(conn *nftables.Conn, t *nftables.Table, p ports, counted bool, counts map[string]Count) error {
	conn.AddTable(t)
	for id := range setCount {
		if err := conn.AddSet(nfSet(t, id, counted), nil); err != nil {
			return err
		}
	}
	for i := range chains {
		c := &chains[i]
		count := counts[c.counter]
		conn.AddObj(&nftables.NamedObj{
			Table: t, Name: c.counter, Type: nftables.ObjTypeCounter,
			Obj: &expr.Counter{Packets: count.Packets, Bytes: count.Bytes},
		})
		addRules(conn, conn.AddChain(nfChain(t, c)), c, p)
	}
	return nil
}

// addRules queues the rules of one chain. They name their sets, which exist or are
// in the same batch.
func addRules(conn *nftables.Conn, to *nftables.Chain, c *chain, p ports) {
	for _, r := range rulesFor(p) {
		conn.AddRule(&nftables.Rule{Table: to.Table, Chain: to, Exprs: c.exprs(nfSet(to.Table, r.set, false), r)})
	}
}

// buildContents queues the elements of empty sets.
func buildContents(conn *nftables.Conn, t *nftables.Table, b *batch, now time.Time) error {
	for id, e := range b {
		if len(e.add) == 0 {
			continue
		}
		s := nfSet(t, setID(id), false) // only its name and type matter here
		if err := conn.SetAddElements(s, elementsOf(setID(id), e.add, now)); err != nil {
			return err
		}
	}
	return nil
}

// elementsOf returns the kernel's elements for intervals.
func elementsOf(id setID, intervals []interval, now time.Time) []nftables.SetElement {
	out := make([]nftables.SetElement, 0, 2*len(intervals))
	for _, s := range intervals {
		e := nftables.SetElement{Key: s.first.AsSlice()}
		if s.until != forever {
			e.Timeout = timeout(s.until, now)
		}
		if !sets[id].interval {
			out = append(out, e)
			continue
		}
		end := s.last.Next()
		e.IntervalOpen = !end.IsValid()
		out = append(out, e)
		if end.IsValid() {
			out = append(out, nftables.SetElement{Key: end.AsSlice(), IntervalEnd: true})
		}
	}
	return out
}

// timeout returns the time left, rounded up to the kernel's milliseconds.
func timeout(until expiry, now time.Time) time.Duration {
	left := time.Duration(until - expiry(now.UnixNano()))
	return max(time.Millisecond, (left + time.Millisecond - 1).Truncate(time.Millisecond))
}
