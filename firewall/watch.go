package firewall

import (
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

// Watch deals with single conversations in a second table, `<name>_watch`, beside
// the one with the bans:
//
//   - UDP packets from the SIP ports whose payload has a given prefix are copied
//     to an NFLOG group, once the other table has let them pass. They show what
//     was really sent, and where.
//   - flows4 and flows6 hold addresses with ports: single phones behind an
//     address that others use, too. Their SIP over UDP is dropped for a while.
//
// Each start of the daemon makes the table anew, with the flows that have time
// left. After the daemon has ended, the table stays and nobody reads the copies.
//
// All methods but Run may be called from any goroutine.
type Watch struct {
	name   string
	ports  []uint16
	prefix string // of the payloads to copy
	netns  int

	mu     sync.Mutex
	writer *nftables.Conn
	reader *reader
	flows  flows             // to be dropped
	built  map[string]string // the table's shape when it was made
	log    *netlink.Conn     // nil: no packets are read
}

// maxFlows is the capacity of each set of flows.
const maxFlows = 128 << 10

const watchSuffix = "_watch"

// OpenWatch makes the table, with the flows of an existing one. Packets whose
// payload begins with prefix, of at most 16 bytes, are copied. If it cannot read
// packets, OpenWatch returns an ErrNoLog together with a Watch that does
// everything else.
func OpenWatch(cfg Config, prefix string) (*Watch, error) {
	cfg, err := cfg.normal()
	if err != nil {
		return nil, err
	}
	if prefix == "" || len(prefix) > maxPrefix {
		return nil, fmt.Errorf("firewall: watch payloads that begin with %q: %w prefix: want 1 to %d bytes", prefix, ErrInvalid, maxPrefix)
	}
	w := &Watch{name: cfg.Name + watchSuffix, ports: cfg.SIPPorts, prefix: prefix, netns: cfg.NetNS, flows: flows{}}
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

// CheckWatch is a dry run: the kernel builds the table under another name and
// deletes it in the same batch, and an unused log group is read. The error says
// why packets will not be seen.
func CheckWatch(cfg Config) error {
	cfg, err := cfg.normal()
	if err != nil {
		return err
	}
	w := &Watch{ports: cfg.SIPPorts, prefix: "x", netns: cfg.NetNS}
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

// add adds flows in one transaction, and makes the table anew if another program
// removed it. The caller holds the lock.
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

// Close lets go of the table and leaves the flows in it dropped.
func (w *Watch) Close() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	errs := []error{w.writer.CloseLasting(), w.reader.close()}
	if w.log != nil {
		errs = append(errs, w.log.Close())
	}
	return errors.Join(errs...)
}

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

// Restore makes the table anew, with its flows, after another program damaged it.
func (w *Watch) Restore() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if err := w.build(); err != nil {
		return fmt.Errorf("firewall: table inet %s: %w", w.name, explain(err))
	}
	return nil
}

// build makes the table, with the flows that have time left.
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

// queue queues the contents of the table, with rules that copy packets if they
// can be read.
func (w *Watch) queue(t *nftables.Table) error {
	var in, out *nftables.Chain
	for i := range chains {
		c := nfChain(t, &chains[i])
		if chains[i].output {
			// After the bans: what they drop is not sent.
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
	for _, port := range w.ports { // last: what the rules for flows drop is not sent
		w.writer.AddRule(&nftables.Rule{Table: t, Chain: out, Exprs: append(append(chains[1].udp(port), payloadBegins(w.prefix)...), copyToLog)})
	}
	return nil
}

// match is the part of a rule before its verdict, for one of our ports.
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
	offset := uint32(0) // the remote port: the source of incoming packets
	if c.output {
		offset = 2
	}
	return append(out,
		&expr.Payload{DestRegister: second, Base: expr.PayloadBaseTransportHeader, Offset: offset, Len: 2},
		&expr.Lookup{SourceRegister: register, SetName: set.Name, SetID: set.ID})
}
