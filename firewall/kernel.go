package firewall

import (
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/google/nftables"
	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// Kernel is a Table in the kernel's nftables. It has three netlink sockets and no
// goroutine. google/nftables deadlocks when a connection flushes and reads at the
// same time, so writing and reading use separate ones; the core's lock guards all
// three.
type Kernel struct {
	core
	name    string
	ports   ports
	counted bool // each ban counts its packets
	opened  Opened
	claim   io.Closer // nil if the table is in another namespace

	writer  *nftables.Conn // every change
	fd      int            // the writer's socket
	changes transaction    // of elements, over the same socket
	lookup  *nftables.Conn // tables, chains, rules
	reader  *reader        // sets, elements, counters
}

var _ Table = (*Kernel)(nil)

// sendBuffer must hold a whole transaction: 128 Ki bans with 3 elements of up to
// 64 bytes each, or the new contents of a large set. It is a limit; no memory is
// reserved.
const sendBuffer = 64 << 20

// Open makes the table or takes over an existing one, without a gap for the bans
// in it. It waits for nothing but the kernel. Open the table early: the netlink
// library cannot use file descriptors above 1,023.
func Open(cfg Config) (*Kernel, error) {
	cfg, err := cfg.normal()
	if err != nil {
		return nil, err
	}
	k, err := dial(cfg)
	if err != nil {
		return nil, fmt.Errorf("firewall: open table inet %s: %w", cfg.Name, explain(err))
	}
	var finding string
	if cfg.NetNS == 0 { // the claim is made in our own namespace
		if k.claim, finding, err = claim(cfg.Name); err != nil {
			return nil, errors.Join(fmt.Errorf("firewall: table inet %s: %w", cfg.Name, err), k.closeConns())
		}
	}
	if err := k.takeOver(cfg); err != nil {
		return nil, errors.Join(fmt.Errorf("firewall: open table inet %s: %w", cfg.Name, explain(err)), k.closeConns())
	}
	if finding != "" {
		k.opened.Findings = append(k.opened.Findings, finding)
	}
	return k, nil
}

// Opened returns what Open found.
func (k *Kernel) Opened() Opened { return k.opened }

// dial opens the connections without reading or writing anything.
func dial(cfg Config) (*Kernel, error) {
	k := &Kernel{name: cfg.Name, ports: ports{cfg.SIPPorts, cfg.TCPPorts}, counted: !cfg.Uncounted && canCount()}
	k.core = newCore(k)
	var err error
	if k.writer, k.fd, err = newConn(cfg.NetNS, &k.limit); err == nil {
		if k.lookup, _, err = newConn(cfg.NetNS, nil); err == nil {
			if k.reader, err = newReader(cfg.NetNS); err == nil {
				return k, nil
			}
		}
	}
	return nil, errors.Join(err, k.closeConns())
}

// newConn opens a connection with the socket fd and buffers of a fixed size. The
// library by itself enlarges them too late: a batch within 72 bytes of the
// buffer's size fails with EMSGSIZE. newConn lowers limit if the kernel grants
// less than requested.
func newConn(netns int, limit *int) (conn *nftables.Conn, fd int, err error) {
	conn, err = nftables.New(nftables.AsLasting(), nftables.WithNetNSFd(netns), nftables.WithSockOptions(func(c *netlink.Conn) (err error) {
		if fd, err = selectable(c); err != nil {
			return err
		}
		// Have errors come without the message they are about: a failed batch
		// must not overrun the read buffer with its own contents. (The library
		// cannot read such errors together with extended acknowledgements.)
		_ = c.SetOption(netlink.CapAcknowledge, true)
		if err := c.SetReadBuffer(1 << 20); err != nil {
			return err
		}
		if limit == nil {
			return nil
		}
		if err := isWriter(c); err != nil {
			return err
		}
		if err := c.SetWriteBuffer(sendBuffer); err != nil {
			return err
		}
		granted, err := c.WriteBuffer()
		if err != nil {
			return err
		}
		const perBan, room = 3 * 64, 16 << 10
		if *limit = min(maxBatch, (granted-room)/perBan); *limit < 1 {
			return fmt.Errorf("the kernel grants a send buffer of only %d bytes", granted)
		}
		return nil
	}))
	return conn, fd, err
}

// selectable returns a connection's file descriptor, or an error if pselect
// cannot use it: the library would panic at the first flush.
func selectable(c *netlink.Conn) (fd int, err error) {
	raw, err := c.SyscallConn()
	if err != nil {
		return 0, err
	}
	if err := raw.Control(func(f uintptr) { fd = int(f) }); err != nil {
		return 0, err
	}
	if fd >= unix.FD_SETSIZE {
		return 0, fmt.Errorf("file descriptor %d: the firewall must be opened while fewer than %d are in use", fd, unix.FD_SETSIZE)
	}
	return fd, nil
}

func (k *Kernel) closeConns() error {
	var errs []error
	if k.claim != nil {
		errs = append(errs, k.claim.Close())
	}
	if k.writer != nil {
		errs = append(errs, k.writer.CloseLasting())
	}
	if k.lookup != nil {
		errs = append(errs, k.lookup.CloseLasting())
	}
	if k.reader != nil {
		errs = append(errs, k.reader.close())
	}
	return errors.Join(errs...)
}

// apply implements backend.
func (k *Kernel) apply(_ expiry, b *batch) error {
	k.changes.encode(k.name, b, time.Now())
	err := k.changes.commit(k.fd)
	if errors.Is(err, unix.ENOENT) {
		// Before 6.8 and its backports an element may run out between being added
		// and deleted in one batch. Try once more.
		err = k.changes.commit(k.fd)
	}
	k.changes.shrink()
	return lost(err)
}

// setPorts implements backend. It replaces all rules in one transaction: packets
// meet either the old rules of a chain or the new ones.
func (k *Kernel) setPorts(p ports) error {
	t := nfTable(k.name)
	err := lost(k.commit(func() error {
		for i := range chains {
			c := nfChain(t, &chains[i])
			k.writer.FlushChain(c)
			addRules(k.writer, c, &chains[i], p)
		}
		return nil
	}))
	if err == nil || errors.Is(err, ErrLost) {
		k.ports = p
	}
	return err
}

// commit queues messages and flushes; if queueing fails nothing stays queued.
func (k *Kernel) commit(queue func() error) error {
	err := queue()
	// If queueing failed, Flush sends nothing and returns that error.
	if flushErr := k.writer.Flush(); err == nil {
		err = flushErr
	}
	return err
}

// renew implements backend.
func (k *Kernel) renew(contents *batch) error {
	in, err := k.inspect(k.name)
	if err != nil {
		return err
	}
	if !in.exists {
		return k.load(k.name, contents, nil)
	}
	bridge := k.name + bridgeSuffix
	if err := k.load(bridge, contents, nil); err != nil {
		return fmt.Errorf("table inet %s: %w", bridge, err)
	}
	if err := k.load(k.name, contents, in.counts); err != nil {
		if contents.size() <= k.limit { // a single transaction: the table is unchanged
			err = errors.Join(err, k.drop(bridge))
		}
		return err // it may be half made: the bridge stays
	}
	return k.drop(bridge)
}

// bridgeSuffix names the table that holds the bans while ours is replaced.
const bridgeSuffix = "_bridge"

// load makes or replaces a table with these elements.
func (k *Kernel) load(name string, contents *batch, counts map[string]Count) error {
	t := nfTable(name)
	for i, part := range contents.split(k.limit) {
		err := k.commit(func() error {
			if i == 0 {
				k.writer.AddTable(t) // so that there is one to delete
				k.writer.DelTable(t)
				if err := buildTable(k.writer, t, k.ports, k.counted, counts); err != nil {
					return err
				}
			}
			return buildContents(k.writer, t, &part, time.Now())
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// drop deletes a table, which may be absent.
func (k *Kernel) drop(name string) error {
	return k.commit(func() error {
		k.writer.AddTable(nfTable(name))
		k.writer.DelTable(nfTable(name))
		return nil
	})
}

// Stats implements Table.
func (k *Kernel) Stats() (Stats, error) {
	var st Stats
	err := k.do("stats", nil, func() error {
		counts, err := k.reader.counters(k.name)
		if err != nil {
			return lost(err)
		}
		found, err := k.reader.sets(k.name)
		if err != nil {
			return lost(err)
		}
		st.In, st.Out = counts[chains[0].counter], counts[chains[1].counter]
		for _, s := range sets {
			for _, f := range found {
				if f.name == s.name {
					st.Sets = append(st.Sets, SetStats{s.name, f.elements, int(f.size)})
				}
			}
		}
		if len(st.Sets) != len(sets) {
			return ErrLost
		}
		return nil
	})
	return st, err
}

// Close implements Table.
func (k *Kernel) Close() error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.closed {
		return nil
	}
	k.closed = true
	return k.closeConns()
}

// Remove implements Table.
func (k *Kernel) Remove() error {
	err := k.do("remove", nil, func() error {
		return errors.Join(k.drop(k.name), k.drop(k.name+bridgeSuffix), k.drop(k.name+watchSuffix))
	})
	if err != nil {
		return err
	}
	return k.Close()
}

// explain adds the remedy to a permission error of the kernel.
func explain(err error) error {
	if errors.Is(err, unix.EPERM) || errors.Is(err, unix.EACCES) {
		return fmt.Errorf("%w: %w", ErrPrivilege, err)
	}
	return err
}

// lost turns ENOENT into ErrLost.
func lost(err error) error {
	if errors.Is(err, unix.ENOENT) {
		return fmt.Errorf("%w: %w", ErrLost, err)
	}
	return explain(err)
}
