package firewall

import (
	"time"

	"github.com/google/nftables"
	"github.com/google/nftables/binaryutil"
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"
)

// watchSet is one set of the table, with addresses and ports as keys.
type watchSet struct {
	name string
	v6   bool
}

var watchSets = [...]watchSet{{name: "flows4"}, {name: "flows6", v6: true}}

func (s watchSet) nf(t *nftables.Table) *nftables.Set {
	key := nftables.TypeIPAddr
	if s.v6 {
		key = nftables.TypeIP6Addr
	}
	return &nftables.Set{
		Table: t, Name: s.name, KeyType: nftables.MustConcatSetType(key, nftables.TypeInetService), Concatenation: true,
		KeyByteOrder: binaryutil.BigEndian, HasTimeout: true, Size: maxFlows,
	}
}

// watchChains are the chains of the table: where packets of flows are dropped, and
// where packets are copied.
type watchChains struct{ incoming, outgoing, received *nftables.Chain }

func newWatchChains(t *nftables.Table) watchChains {
	received := nfChain(t, &chains[0])
	received.Name, received.Hooknum = "received", nftables.ChainHookInput
	// After the host's own rules (filter 0, security 50, srcnat 100): what they
	// drop does not reach Asterisk, and what they rewrite does.
	received.Priority = nftables.ChainPriorityRef(250)
	outgoing := nfChain(t, &chains[1])
	// After the bans: what they drop is not sent.
	outgoing.Priority = nftables.ChainPriorityRef(*nftables.ChainPriorityRaw + 1)
	return watchChains{incoming: nfChain(t, &chains[0]), outgoing: outgoing, received: received}
}

// chains returns the chains that are used: without a log, nothing is copied.
func (w *Watch) chains(t *nftables.Table) (c watchChains, used []*nftables.Chain) {
	c = newWatchChains(t)
	used = []*nftables.Chain{c.incoming, c.outgoing}
	if w.log != nil {
		used = append(used, c.received)
	}
	return c, used
}

// queue queues the contents of the table.
func (w *Watch) queue(t *nftables.Table) error {
	_, used := w.chains(t)
	for _, c := range used {
		w.writer.AddChain(c)
	}
	for _, s := range watchSets {
		set := s.nf(t)
		if err := w.writer.AddSet(set, nil); err != nil {
			return err
		}
		if err := w.writer.SetAddElements(set, w.flows.elements(s.v6, time.Now())); err != nil {
			return err
		}
	}
	w.queueRules(t)
	return nil
}

// queueRules queues the rules of every chain. They name their sets, which exist or
// are in the same batch.
func (w *Watch) queueRules(t *nftables.Table) {
	c, _ := w.chains(t)
	add := func(to *nftables.Chain, parts ...[]expr.Any) {
		var all []expr.Any
		for _, part := range parts {
			all = append(all, part...)
		}
		w.writer.AddRule(&nftables.Rule{Table: t, Chain: to, Exprs: all})
	}
	drop := []expr.Any{&expr.Verdict{Kind: expr.VerdictDrop}}
	for _, s := range watchSets {
		for _, port := range w.ports {
			add(c.incoming, s.match(&chains[0], port), drop)
			add(c.outgoing, s.match(&chains[1], port), drop)
		}
	}
	if w.log == nil {
		return
	}
	for _, port := range w.ports { // last: what the rules for flows drop is not sent
		add(c.outgoing, chains[1].udp(port), isResponse(expr.CmpOpEq), copyToLog)
		add(c.received, chains[0].udp(port), isResponse(expr.CmpOpNeq), isText, copyToLog)
	}
}

// match is the part of a rule before its verdict, for one of our ports.
func (s watchSet) match(c *chain, port uint16) []expr.Any {
	const register = 1
	family, size := byte(unix.NFPROTO_IPV4), uint32(4)
	second := uint32(unix.NFT_REG32_01) // behind an IPv4 address
	if s.v6 {
		family, size, second = unix.NFPROTO_IPV6, 16, unix.NFT_REG_2
	}
	out := append(c.udp(port),
		&expr.Meta{Key: expr.MetaKeyNFPROTO, Register: register},
		&expr.Cmp{Op: expr.CmpOpEq, Register: register, Data: []byte{family}},
		&expr.Payload{DestRegister: register, Base: expr.PayloadBaseNetworkHeader, Offset: c.offset(s.v6), Len: size})
	offset := uint32(0) // the remote port: the source of incoming packets
	if c.output {
		offset = 2
	}
	return append(out,
		&expr.Payload{DestRegister: second, Base: expr.PayloadBaseTransportHeader, Offset: offset, Len: 2},
		&expr.Lookup{SourceRegister: register, SetName: s.name})
}

// responseBegins is how every response begins (RFC 3261 section 7.2).
const responseBegins = "SIP/2.0 "

// udpHeader is where the payload begins.
const udpHeader = 8

// isResponse compares the beginning of a payload with that of a response. A shorter
// payload, such as a keep-alive, matches neither way.
func isResponse(op expr.CmpOp) []expr.Any {
	return []expr.Any{
		&expr.Payload{DestRegister: 1, Base: expr.PayloadBaseTransportHeader, Offset: udpHeader, Len: uint32(len(responseBegins))},
		&expr.Cmp{Op: op, Register: 1, Data: []byte(responseBegins)},
	}
}

// isText matches payloads that begin like text, or with control characters, but not
// with the zeros of a keep-alive, STUN or RTP. A method need not be upper-case; PJSIP
// skips empty lines before it, and chan_sip all control characters but zero. A
// narrower match would be a way around the watch.
var isText = []expr.Any{
	&expr.Payload{DestRegister: 1, Base: expr.PayloadBaseTransportHeader, Offset: udpHeader, Len: 1},
	&expr.Range{Op: expr.CmpOpEq, Register: 1, FromData: []byte{1}, ToData: []byte{'~'}},
}

// copyToLog copies a packet to the log at once, since an answer may follow soon:
// the kernel delays batches by 10 ms or more.
var copyToLog = []expr.Any{&expr.Log{
	Key:   1<<unix.NFTA_LOG_GROUP | 1<<unix.NFTA_LOG_QTHRESHOLD,
	Group: LogGroup, QThreshold: 1,
}}
