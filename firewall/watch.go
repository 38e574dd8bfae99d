package firewall

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"sync"
	"sync/atomic"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"
)

// Watch deals with single packets and conversations in a second table, `<name>_watch`,
// beside the one with the bans:
//
//   - SIP responses that leave over UDP from the SIP ports, and SIP requests that
//     arrive over UDP at them, are copied to an NFLOG group, once both tables have
//     let them pass. They show what was really sent, and where.
//   - flows4 and flows6 hold addresses with ports: single phones behind an
//     address that others use, too. Their SIP over UDP is dropped for a while.
//   - suspects4 and suspects6 hold addresses that cannot be banned (suspects6 each
//     with its /64). SIP requests that arrive from them over UDP and responses that
//     leave to them wait in an NFQUEUE until Decide says whether they pass. Those
//     of live4 and live6, addresses with ports, do not wait: they are conversations
//     of phones that are registered there. If nobody reads the queue, or if it is
//     full, the kernel accepts the packets. If it has no such queue, it drops the
//     requests.
//   - conns4 and conns6 hold addresses with ports whose TCP is dropped at tcp_ports:
//     single connections of guessers, over TCP, TLS or WebSocket.
//   - closed4 and closed6 hold addresses (closed6 each with its /64) from which nothing
//     is let in over TCP at tcp_ports but the connections in kept4 and kept6: those of
//     phones that are registered there.
//
// Responses are copied where they leave the socket, before anything cuts them into
// fragments or rewrites their addresses. Requests are copied behind all other rules
// on their way to the socket (hook input): Asterisk gets exactly these, from these
// addresses. Keep-alives are not copied.
//
// There, the kernel has put the fragments of IPv4 packets together. It does so for
// IPv6 only if something on the host uses conntrack. Otherwise the first fragment
// is copied, with most headers of a message, and delivered as truncated; later
// ones have no ports and are not recognised. To reassemble them earlier would make
// the kernel do so for packets that are to be dropped, too.
//
// Requests that this host routes to an Asterisk in a container are not seen, nor
// are its responses. A packet with a wrong UDP checksum is seen, but Asterisk does
// not get it.
//
// Each start of the daemon makes the table anew, with the flows that have time
// left. After the daemon has ended, the table stays and nobody reads the copies.
//
// All methods but Run may be called from any goroutine.
type Watch struct {
	name  string
	netns int

	in, out, overflows atomic.Uint64 // see Counts

	mu       sync.Mutex
	ports    []uint16 // for SIP over UDP
	tcpPorts []uint16 // for SIP over connections
	writer   *nftables.Conn
	reader   *reader

	flows, connections flows    // to be dropped
	closed             suspects // for new connections
	kept               flows    // connections there that pass

	built map[string]string // the table's shape when it was made
	log   *os.File          // nil: no packets are read

	suspects suspects
	live     flows    // of suspects
	waiting  *os.File // the NFQUEUE; nil: suspects are not throttled
	toQueue  expr.Any // how the kernel queues packets; nil: not at all
	queueErr error    // why not
}

// maxFlows is the capacity of each set of flows.
const maxFlows = 128 << 10

const watchSuffix = "_watch"

// OpenWatch makes the table, with the flows of an existing one. If it cannot read
// packets, OpenWatch returns an ErrNoLog together with a Watch that does
// everything else.
func OpenWatch(cfg Config) (*Watch, error) {
	w, err := dryWatch(cfg)
	if err != nil {
		return nil, err
	}
	if w.reader, err = newReader(cfg.NetNS); err != nil {
		return nil, errors.Join(fmt.Errorf("firewall: watch: %w", explain(err)), w.writer.CloseLasting())
	}
	w.adopt()
	w.queueErr = w.openQueue(QueueNumber)
	logErr := w.listen(LogGroup)
	if logErr == nil {
		if logErr = w.build(); logErr == nil {
			return w, nil
		}
		_ = w.log.Close()
		w.log = nil
	}
	if err := w.build(); err != nil {
		return nil, errors.Join(fmt.Errorf("firewall: open table inet %s: %w", w.name, explain(err)), w.Close())
	}
	return w, fmt.Errorf("%w: %w", ErrNoLog, logErr)
}

// CheckWatch is a dry run: the kernel builds the table under another name and
// deletes it in the same batch, and an unused log group is read. The error says
// why packets will not be seen.
func CheckWatch(cfg Config) error {
	w, err := dryWatch(cfg)
	if err != nil {
		return err
	}
	defer w.writer.CloseLasting()
	if err := w.listen(LogGroup + 1); err != nil {
		return fmt.Errorf("%w: %w", ErrNoLog, err)
	}
	defer w.log.Close()
	t := checkTable(w.name)
	w.writer.CreateTable(t)
	err = w.addContents(t)
	w.writer.DelTable(t)
	if flushErr := w.writer.Flush(); err == nil {
		err = flushErr
	}
	if err != nil {
		return fmt.Errorf("%w: the kernel refuses the rules (nft_log): %w", ErrNoLog, explain(err))
	}
	return nil
}

// CheckThrottle is CheckWatch for suspects: its error, an ErrNoQueue, says why they will
// not be throttled.
func CheckThrottle(cfg Config) error {
	w, err := dryWatch(cfg)
	if err != nil {
		return err
	}
	defer w.writer.CloseLasting()
	if err := w.openQueue(QueueNumber + 1); err != nil {
		return err
	}
	return w.waiting.Close()
}

// dryWatch is a Watch that has made nothing yet.
func dryWatch(cfg Config) (*Watch, error) {
	cfg, err := cfg.normal()
	if err != nil {
		return nil, err
	}
	w := &Watch{
		name: cfg.Name + watchSuffix, ports: cfg.SIPPorts, tcpPorts: defaultTCPPorts, netns: cfg.NetNS,
		flows: flows{}, connections: flows{}, closed: suspects{}, kept: flows{}, live: flows{}, suspects: suspects{},
	}
	limit := maxBatch
	if w.writer, _, err = newConn(cfg.NetNS, &limit); err != nil {
		return nil, fmt.Errorf("firewall: watch: %w", explain(err))
	}
	return w, nil
}

// checkTable is a table that never outlives its batch.
func checkTable(name string) *nftables.Table {
	return nfTable(fmt.Sprintf("%s_check_%d", name, os.Getpid()))
}

// adopt takes over the flows and the suspects that an earlier run of the daemon left
// in the kernel. What cannot be read comes back when the phone or the suspect goes on.
func (w *Watch) adopt() {
	each := func(sets [2]watchSet, fn func(e element)) {
		for _, s := range sets {
			found, _ := w.reader.elements(w.name, s.name)
			for _, e := range found {
				if e.until != forever {
					fn(e)
				}
			}
		}
	}
	each(flowSets, func(e element) { w.flows[netip.AddrPortFrom(e.key, e.port)] = e.until })
	each(liveSets, func(e element) { w.live[netip.AddrPortFrom(e.key, e.port)] = e.until })
	each(suspectSets, func(e element) { w.suspects[e.key] = e.until })
	each(connectionSets, func(e element) { w.connections[netip.AddrPortFrom(e.key, e.port)] = e.until })
	each(keptSets, func(e element) { w.kept[netip.AddrPortFrom(e.key, e.port)] = e.until })
	each(closedSets, func(e element) { w.closed[e.key] = e.until })
}

// SetPorts replaces Config.SIPPorts. Flows stay dropped meanwhile, and packets of
// ports that are watched before and after are copied all along. If another program
// removed the table, SetPorts makes it anew. After an error the ports are as
// before.
func (w *Watch) SetPorts(ports []uint16) error {
	ports, err := normalPorts(ports)
	if err != nil {
		return fmt.Errorf("firewall: watch: %w", err)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	before := w.ports
	w.ports = ports
	if err = w.replaceRules(); errors.Is(err, unix.ENOENT) {
		err = w.build()
	}
	if err != nil {
		w.ports = before
		return fmt.Errorf("firewall: table inet %s: set SIP ports: %w", w.name, explain(err))
	}
	return nil
}

// replaceRules replaces all rules in one transaction: packets meet either the old
// rules of a chain or the new ones.
func (w *Watch) replaceRules() error {
	t := nfTable(w.name)
	_, used := w.chains(t)
	for _, c := range used {
		w.writer.FlushChain(c)
	}
	w.addRules(t)
	err := w.writer.Flush()
	if err == nil {
		w.built, err = w.shape()
	}
	return err
}

// WatchCounts are the packets that Run delivered.
type WatchCounts struct {
	// In and Out are requests that arrived and responses that left.
	In, Out uint64
	// Overflows is how often Run reported that some were missed.
	Overflows uint64
}

// Counts returns what Run has delivered so far.
func (w *Watch) Counts() WatchCounts {
	return WatchCounts{In: w.in.Load(), Out: w.out.Load(), Overflows: w.overflows.Load()}
}

func (w *Watch) count(p Packet) {
	switch {
	case !p.To.IsValid():
		w.overflows.Add(1)
	case p.Direction == Out:
		w.out.Add(1)
	default:
		w.in.Add(1)
	}
}

// Close lets go of the table and leaves the flows in it dropped. Packets of suspects
// pass from then on.
func (w *Watch) Close() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return errors.Join(w.writer.CloseLasting(), w.reader.close(), closeFile(w.log), closeFile(w.waiting))
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

// build makes the table, with the flows and suspects that have time left.
func (w *Watch) build() error {
	t := nfTable(w.name)
	w.writer.AddTable(t)
	w.writer.DelTable(t)
	w.writer.AddTable(t)
	err := w.addContents(t)
	if flushErr := w.writer.Flush(); err == nil {
		err = flushErr
	}
	if err == nil {
		w.built, err = w.shape()
	}
	return err
}
