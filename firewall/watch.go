package firewall

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/google/nftables"
	"github.com/google/nftables/binaryutil"
	"github.com/google/nftables/expr"
	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// Watch is what the daemon knows of single conversations, in a second table,
// `<name>_watch`, beside the one with the bans:
//
//   - Asterisk's 401 and 407 over UDP are copied into an NFLOG group, after the
//     other table has let them pass. A guess with a nonce that was really sent
//     to its source proves that source; but whose answers go elsewhere (see
//     Challenge) shows only where they go, so that all of them are copied.
//   - flows4, flows6: address and port of one phone behind an address that
//     others use, too; its SIP over UDP is dropped for a while.
//
// Each life of the daemon makes the table anew, with the flows that have time
// left. A life that is over leaves it in the kernel, which then copies to nobody.
//
// All methods but Run may be called from any goroutine.
type Watch struct {
	name  string
	ports []uint16
	netns int

	mu     sync.Mutex
	writer *nftables.Conn
	reader *reader
	flows  flows             // that are to be dropped
	built  map[string]string // the table's shape as it was made
	log    *netlink.Conn     // nil: challenges are not seen
}

// LogGroup is the NFLOG group that challenges are copied to. Whoever else reads
// it keeps us from it, and is told in Challenges.
const LogGroup = 0x7457

// maxWatched is how many flows each set holds at most; all time out.
const maxWatched = 128 << 10

const watchSuffix = "_watch"

// ErrNoLog: the kernel or another program does not let us see challenges. All
// else works.
var ErrNoLog = errors.New("challenges cannot be watched")

// OpenWatch makes the table anew, with the flows of the one there is. An error
// that is ErrNoLog comes with a Watch that does all but see challenges.
func OpenWatch(cfg Config) (*Watch, error) {
	cfg, err := cfg.normal()
	if err != nil {
		return nil, err
	}
	w := &Watch{name: cfg.Name + watchSuffix, ports: cfg.SIPPorts, netns: cfg.NetNS, flows: flows{}}
	limit := maxBatch
	if w.writer, _, err = newConn(cfg.NetNS, &limit); err != nil {
		return nil, fmt.Errorf("firewall: watch: %w", explain(err))
	}
	if w.reader, err = newReader(cfg.NetNS); err != nil {
		return nil, errors.Join(fmt.Errorf("firewall: watch: %w", explain(err)), w.writer.CloseLasting())
	}
	w.adopt()
	logErr := w.listen(LogGroup)
	if logErr == nil {
		if logErr = w.build(); logErr == nil {
			return w, nil
		}
		_ = w.log.Close()
		w.log = nil
	}
	if err := w.build(); err != nil {
		return nil, errors.Join(fmt.Errorf("firewall: open table inet %s: %w", w.name, explain(err)), w.writer.CloseLasting(), w.reader.close())
	}
	return w, fmt.Errorf("%w: %w", ErrNoLog, logErr)
}

// CheckWatch is a dry run: it has the kernel build the table under another name
// and take it away in the same batch, and reads a log group that nobody uses.
// An error is why challenges will not be seen.
func CheckWatch(cfg Config) error {
	cfg, err := cfg.normal()
	if err != nil {
		return err
	}
	w := &Watch{ports: cfg.SIPPorts, netns: cfg.NetNS}
	limit := maxBatch
	if w.writer, _, err = newConn(cfg.NetNS, &limit); err != nil {
		return fmt.Errorf("firewall: watch: %w", explain(err))
	}
	defer w.writer.CloseLasting()
	if err := w.listen(LogGroup + 1); err != nil {
		return fmt.Errorf("%w: %w", ErrNoLog, err)
	}
	defer w.log.Close()
	t := nfTable(fmt.Sprintf("%s_check_%d", cfg.Name, os.Getpid()))
	w.writer.CreateTable(t)
	err = w.queue(t)
	w.writer.DelTable(t)
	if flushErr := w.writer.Flush(); err == nil {
		err = flushErr
	}
	if err != nil {
		return fmt.Errorf("%w: the kernel refuses the rules (nft_log): %w", ErrNoLog, explain(err))
	}
	return nil
}

// add adds flows in one transaction, in a table made anew when somebody else has
// taken ours. The caller holds the lock.
func (w *Watch) add(some flows, now time.Time) error {
	put := func() error {
		t := nfTable(w.name)
		for _, s := range watchSets {
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

// Close lets go of the table and leaves the dropped flows in force.
func (w *Watch) Close() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	errs := []error{w.writer.CloseLasting(), w.reader.close()}
	if w.log != nil {
		errs = append(errs, w.log.Close())
	}
	return errors.Join(errs...)
}

// watchSet is one set of the table. Its keys are addresses with ports.
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
		KeyByteOrder: binaryutil.BigEndian, HasTimeout: true, Size: maxWatched,
	}
}

// Restore makes the table anew, with the flows: somebody may have damaged it.
func (w *Watch) Restore() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if err := w.build(); err != nil {
		return fmt.Errorf("firewall: table inet %s: %w", w.name, explain(err))
	}
	return nil
}

// build makes the table anew, with the flows that have time left.
func (w *Watch) build() error {
	t := nfTable(w.name)
	w.writer.AddTable(t)
	w.writer.DelTable(t)
	w.writer.AddTable(t)
	err := w.queue(t)
	if flushErr := w.writer.Flush(); err == nil {
		err = flushErr
	}
	if err == nil {
		w.built, err = w.shape()
	}
	return err
}

// queue queues what is in the table, with rules that log if challenges are
// seen.
func (w *Watch) queue(t *nftables.Table) error {
	var in, out *nftables.Chain
	for i := range chains {
		c := nfChain(t, &chains[i])
		if chains[i].output {
			// After the bans: what they drop was never sent.
			c.Priority = nftables.ChainPriorityRef(*nftables.ChainPriorityRaw + 1)
			out = w.writer.AddChain(c)
		} else {
			in = w.writer.AddChain(c)
		}
	}
	for _, s := range watchSets {
		set := s.nf(t)
		if err := w.writer.AddSet(set, nil); err != nil {
			return err
		}
		if err := w.writer.SetAddElements(set, w.flows.elements(s.v6, time.Now())); err != nil {
			return err
		}
		for _, port := range w.ports {
			w.writer.AddRule(&nftables.Rule{Table: t, Chain: in, Exprs: append(s.match(&chains[0], set, port), &expr.Verdict{Kind: expr.VerdictDrop})})
			w.writer.AddRule(&nftables.Rule{Table: t, Chain: out, Exprs: append(s.match(&chains[1], set, port), &expr.Verdict{Kind: expr.VerdictDrop})})
		}
	}
	if w.log == nil {
		return nil
	}
	for _, port := range w.ports { // last: what a flow's rule drops was never sent
		w.writer.AddRule(&nftables.Rule{Table: t, Chain: out, Exprs: append(append(chains[1].udp(port), refusal...), copyToLog)})
	}
	return nil
}

// match is the rule for one of our ports, up to what is done then.
func (s watchSet) match(c *chain, set *nftables.Set, port uint16) []expr.Any {
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
	offset := uint32(0) // the other side's port: of packets to us the source
	if c.output {
		offset = 2
	}
	return append(out,
		&expr.Payload{DestRegister: second, Base: expr.PayloadBaseTransportHeader, Offset: offset, Len: 2},
		&expr.Lookup{SourceRegister: register, SetName: set.Name, SetID: set.ID})
}

// refusal matches the SIP status 40x behind the 8 bytes of the UDP header.
var refusal = []expr.Any{
	&expr.Payload{DestRegister: 1, Base: expr.PayloadBaseTransportHeader, Offset: 8, Len: 10},
	&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: []byte("SIP/2.0 40")},
}

var copyToLog = &expr.Log{
	Key:   1<<unix.NFTA_LOG_GROUP | 1<<unix.NFTA_LOG_QTHRESHOLD,
	Group: LogGroup, QThreshold: 1, // at once: the guess that uses the nonce follows soon
}

const (
	// wholePacket is how much of a packet is copied: a stranger must not push
	// what tells of him out of it.
	wholePacket = 0xffff
	// logBuffer holds some 13,000 challenges: a second of Asterisk's and more.
	logBuffer = 8 << 20
)

// The messages of the log and their parts (linux/netfilter/nfnetlink_log.h).
const (
	logPacket, logConfig                        = 0, 1    // NFULNL_MSG_PACKET, NFULNL_MSG_CONFIG
	logAttrCommand, logAttrMode, logAttrPayload = 1, 2, 9 // NFULA_CFG_CMD, NFULA_CFG_MODE, NFULA_PAYLOAD
	logBind, logCopyPacket                      = 1, 2    // NFULNL_CFG_CMD_BIND, NFULNL_COPY_PACKET
)

// listen binds to the log group.
func (w *Watch) listen(group uint16) error {
	conn, err := netlink.Dial(unix.NETLINK_NETFILTER, &netlink.Config{NetNS: w.netns})
	if err != nil {
		return err
	}
	mode := binary.BigEndian.AppendUint32(nil, wholePacket)
	mode = append(mode, logCopyPacket, 0)
	for _, attrs := range [][]netlink.Attribute{
		{{Type: logAttrCommand, Data: []byte{logBind}}},
		{{Type: logAttrMode, Data: mode}},
	} {
		data, err := netlink.MarshalAttributes(attrs)
		if err == nil {
			_, err = conn.Execute(netlink.Message{
				Header: netlink.Header{Type: unix.NFNL_SUBSYS_ULOG<<8 | logConfig, Flags: netlink.Request | netlink.Acknowledge},
				Data:   append([]byte{unix.AF_UNSPEC, unix.NFNETLINK_V0, byte(group >> 8), byte(group)}, data...),
			})
		}
		if err != nil {
			err = errors.Join(err, conn.Close())
			if errors.Is(err, unix.EPERM) { // nfulnl_recv_config: both are the same to it
				return fmt.Errorf("another program reads NFLOG group %d, or CAP_NET_ADMIN is missing: %w", group, err)
			}
			return fmt.Errorf("NFLOG (CONFIG_NETFILTER_NETLINK_LOG): %w", err)
		}
	}
	_ = conn.SetReadBuffer(logBuffer)
	w.log = conn
	return nil
}

// Run hands over the challenges that the kernel tells of until ctx ends. After an
// error no more are seen; some were not before it, either.
func (w *Watch) Run(ctx context.Context, fn func(Challenge)) error {
	if w.log == nil {
		<-ctx.Done()
		return nil
	}
	stop := context.AfterFunc(ctx, func() { _ = w.log.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()
	for {
		messages, err := w.log.Receive()
		if ctx.Err() != nil {
			return nil
		}
		if errors.Is(err, unix.ENOBUFS) {
			fn(Challenge{})
			continue
		}
		if err != nil {
			fn(Challenge{})
			return fmt.Errorf("firewall: NFLOG: %w", err)
		}
		for _, m := range messages {
			if uint16(m.Header.Type) == unix.NFNL_SUBSYS_ULOG<<8|logPacket {
				readLogged(m.Data, fn)
			}
		}
	}
}

// readLogged reads one message of the log.
func readLogged(data []byte, fn func(Challenge)) {
	if len(data) < 4 {
		return
	}
	ad, err := netlink.NewAttributeDecoder(data[4:])
	if err != nil {
		return
	}
	for ad.Next() {
		if ad.Type() == logAttrPayload {
			challengesIn(ad.Bytes(), fn)
		}
	}
}
