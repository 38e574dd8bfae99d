package firewall

import (
	"errors"
	"slices"
	"time"

	"github.com/google/nftables"
	"github.com/google/nftables/binaryutil"
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"
)

// watchSet is one set of the table, with addresses as keys, or with addresses and
// ports.
type watchSet struct {
	name  string
	v6    bool
	ports bool // the keys have ports
	size  uint32
}

var (
	flowSets    = [2]watchSet{{"flows4", false, true, maxFlows}, {"flows6", true, true, maxFlows}}
	liveSets    = [2]watchSet{{"live4", false, true, maxFlows}, {"live6", true, true, maxFlows}}
	suspectSets = [2]watchSet{{"suspects4", false, false, maxSuspects}, {"suspects6", true, false, maxSuspects}}
)

// setFor is the set for one family.
func setFor(sets [2]watchSet, v6 bool) watchSet {
	if v6 {
		return sets[1]
	}
	return sets[0]
}

func (s watchSet) nf(t *nftables.Table) *nftables.Set {
	key := nftables.TypeIPAddr
	if s.v6 {
		key = nftables.TypeIP6Addr
	}
	out := &nftables.Set{Table: t, Name: s.name, KeyType: key, KeyByteOrder: binaryutil.BigEndian, HasTimeout: true, Size: s.size}
	if s.ports {
		out.KeyType, out.Concatenation = nftables.MustConcatSetType(key, nftables.TypeInetService), true
	}
	return out
}

// watchChains are the chains of the table: where packets of flows are dropped, where
// those of suspects wait for a decision, and where packets are copied. A packet that
// passes a decision goes on to the next chain.
type watchChains struct{ incoming, suspected, received, outgoing, sent *nftables.Chain }

func newWatchChains(t *nftables.Table) watchChains {
	at := func(name string, c *chain, hook *nftables.ChainHook, priority nftables.ChainPriority) *nftables.Chain {
		out := nfChain(t, c)
		out.Name, out.Hooknum, out.Priority = name, hook, nftables.ChainPriorityRef(priority)
		return out
	}
	const (
		// After the host's own rules (filter 0, security 50, srcnat 100): what they
		// drop does not reach Asterisk, and what they rewrite does.
		late = 250
		// After the bans: what they drop is not sent.
		early = -300 + 1 // raw + 1
	)
	return watchChains{
		incoming:  nfChain(t, &chains[0]),
		suspected: at("suspected", &chains[0], nftables.ChainHookInput, late-1),
		received:  at("received", &chains[0], nftables.ChainHookInput, late),
		outgoing:  at("outgoing", &chains[1], nftables.ChainHookOutput, early),
		sent:      at("sent", &chains[1], nftables.ChainHookOutput, early+1),
	}
}

// queueing are the chains whose rules have the packets of suspects wait.
func (c watchChains) queueing() []*nftables.Chain {
	return []*nftables.Chain{c.suspected, c.outgoing}
}

// chains returns the chains that are used: without a log no packet is copied.
func (w *Watch) chains(t *nftables.Table) (c watchChains, used []*nftables.Chain) {
	c = newWatchChains(t)
	used = []*nftables.Chain{c.incoming, c.outgoing, c.suspected}
	if w.log != nil {
		used = append(used, c.received, c.sent)
	}
	return c, used
}

// addContents adds the contents of the table to the batch.
func (w *Watch) addContents(t *nftables.Table) error {
	_, used := w.chains(t)
	for _, c := range used {
		w.writer.AddChain(c)
	}
	now := time.Now()
	add := func(sets [2]watchSet, elements func(v6 bool, now time.Time) []nftables.SetElement) error {
		for _, s := range sets {
			set := s.nf(t)
			if err := w.writer.AddSet(set, nil); err != nil {
				return err
			}
			if err := w.writer.SetAddElements(set, elements(s.v6, now)); err != nil {
				return err
			}
		}
		return nil
	}
	ports := tcpPortSet(t)
	err := errors.Join(
		w.writer.AddSet(ports, portElements(w.tcpPorts)),
		add(flowSets, w.flows.elements), add(liveSets, w.live.elements), add(suspectSets, w.suspects.elements),
		add(connectionSets, w.connections.elements), add(keptSets, w.kept.elements), add(closedSets, w.closed.elements))
	if err != nil {
		return err
	}
	w.addRules(t)
	return nil
}

// addRules adds the rules of every chain to the batch. They name their sets, which exist
// or are in the same batch.
func (w *Watch) addRules(t *nftables.Table) {
	c, _ := w.chains(t)
	drop := []expr.Any{&expr.Verdict{Kind: expr.VerdictDrop}}
	for _, s := range flowSets {
		for _, port := range w.ports {
			addRule(w.writer, c.incoming, s.udp(&chains[0], port), s.match(&chains[0], false), drop)
			addRule(w.writer, c.outgoing, s.udp(&chains[1], port), s.match(&chains[1], false), drop)
		}
	}
	w.addConnectionRules(c)
	w.addSuspectRules(c)
	if w.log == nil {
		return
	}
	for _, port := range w.ports {
		addRule(w.writer, c.sent, chains[1].udp(port), isResponse(expr.CmpOpEq), copyToLog)
		addRule(w.writer, c.received, chains[0].udp(port), isResponse(expr.CmpOpNeq), isText, copyToLog)
	}
}

// addSuspectRules adds the rules for suspects to the batch. The rules for flows come
// first: what is dropped anyway does not wait. Without a queue nothing waits, and
// requests are dropped.
func (w *Watch) addSuspectRules(c watchChains) {
	wait := []expr.Any{w.toQueue}
	if w.toQueue == nil {
		wait[0] = &expr.Verdict{Kind: expr.VerdictDrop}
	}
	for i, s := range suspectSets {
		for _, port := range w.ports {
			if s.v6 {
				addRule(w.writer, c.suspected, s.udp(&chains[0], port), s.match(&chains[0], false), liveSets[i].match(&chains[0], true), isFragment, wait)
			}
			addRule(w.writer, c.suspected, s.udp(&chains[0], port), s.match(&chains[0], false), liveSets[i].match(&chains[0], true),
				isResponse(expr.CmpOpNeq), isText, wait)
			if w.toQueue != nil {
				addRule(w.writer, c.outgoing, s.udp(&chains[1], port), s.match(&chains[1], false), liveSets[i].match(&chains[1], true),
					isResponse(expr.CmpOpEq), wait)
			}
		}
	}
}

// addRule adds a rule made of parts to the batch.
func addRule(conn *nftables.Conn, to *nftables.Chain, parts ...[]expr.Any) {
	conn.AddRule(&nftables.Rule{Table: to.Table, Chain: to, Exprs: slices.Concat(parts...)})
}

// udp matches UDP packets of the set's family to or from one of our ports.
func (s watchSet) udp(c *chain, port uint16) []expr.Any {
	return append(c.udp(port),
		&expr.Meta{Key: expr.MetaKeyNFPROTO, Register: 1},
		&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: []byte{s.family()}})
}

// match looks up the remote end of a packet of this family in the set; absent inverts
// that. In a set without ports it looks up the /64 of an IPv6 address.
func (s watchSet) match(c *chain, absent bool) []expr.Any {
	const register = 1
	size, second := uint32(4), uint32(unix.NFT_REG32_01) // behind an IPv4 address
	if s.v6 {
		size, second = 16, unix.NFT_REG_2
	}
	out := []expr.Any{&expr.Payload{DestRegister: register, Base: expr.PayloadBaseNetworkHeader, Offset: c.offset(s.v6), Len: size}}
	switch {
	case s.ports:
		offset := uint32(0) // the remote port: the source of incoming packets
		if c.output {
			offset = 2
		}
		out = append(out, &expr.Payload{DestRegister: second, Base: expr.PayloadBaseTransportHeader, Offset: offset, Len: 2})
	case s.v6:
		out = append(out, half64(register, size))
	}
	return append(out, &expr.Lookup{SourceRegister: register, SetName: s.name, Invert: absent})
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

// isText matches payloads that begin with text or a control character, but not with the
// zeros of a keep-alive, or like STUN or RTP. A method may be lower-case; PJSIP skips
// empty lines before it, and chan_sip all control characters but zero. A narrower match
// would be a way around the watch.
var isText = []expr.Any{
	&expr.Payload{DestRegister: 1, Base: expr.PayloadBaseTransportHeader, Offset: udpHeader, Len: 1},
	&expr.Range{Op: expr.CmpOpEq, Register: 1, FromData: []byte{1}, ToData: []byte{'~'}},
}

// isFragment matches the first fragment of an IPv6 packet, which may be too short for the
// beginning of its payload to be compared (RFC 8200 section 4.5).
var isFragment = []expr.Any{
	&expr.Exthdr{DestRegister: 1, Type: unix.IPPROTO_FRAGMENT, Len: 1, Flags: unix.NFT_EXTHDR_F_PRESENT, Op: expr.ExthdrOpIpv6},
	&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: []byte{1}},
}

// copyToLog copies a packet to the log at once, since an answer may follow soon:
// the kernel delays batches by 10 ms or more.
var copyToLog = []expr.Any{&expr.Log{
	Key:   1<<unix.NFTA_LOG_GROUP | 1<<unix.NFTA_LOG_QTHRESHOLD,
	Group: LogGroup, QThreshold: 1,
}}
