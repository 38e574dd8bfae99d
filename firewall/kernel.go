package firewall

import (
	"errors"
	"fmt"
	"time"

	"github.com/google/nftables"
	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// Kernel is a Table in the kernel's nftables. It holds three netlink sockets and
// no goroutine. google/nftables deadlocks when a connection flushes and reads at
// the same time, so writing and reading have their own; the core's lock guards
// all three.
type Kernel struct {
	core
	name    string
	ports   []uint16 // of Scope SIP
	counted bool     // each ban counts its packets
	opened  Opened

	writer  *nftables.Conn // every change
	fd      int            // the writer's socket
	changes transaction    // of elements, by the same socket
	lookup  *nftables.Conn // tables, chains, rules
	reader  *reader        // sets, elements, counters
}

var _ Table = (*Kernel)(nil)

// sendBuffer has to hold a whole transaction: 128 Ki bans of 3 messages each
// with up to 64 bytes. It is a limit, not memory.
const sendBuffer = 64 << 20

// Open makes the table or takes over the one there is, without a gap for the
// bans in it. It does not wait for anything but the kernel. Open it early: the
// netlink library cannot use descriptors above 1,023.
func Open(cfg Config) (*Kernel, error) {
	cfg, err := cfg.normal()
	if err != nil {
		return nil, err
	}
	k, err := dial(cfg)
	if err != nil {
		return nil, fmt.Errorf("firewall: open table inet %s: %w", cfg.Name, explain(err))
	}
	if err := k.takeOver(cfg); err != nil {
		return nil, errors.Join(fmt.Errorf("firewall: open table inet %s: %w", cfg.Name, explain(err)), k.closeConns())
	}
	return k, nil
}

// Opened says what Open found.
func (k *Kernel) Opened() Opened { return k.opened }

// dial opens the connections and reads and writes nothing.
func dial(cfg Config) (*Kernel, error) {
	k := &Kernel{name: cfg.Name, ports: cfg.SIPPorts, counted: !cfg.Uncounted && canCount()}
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

// newConn opens a connection, whose socket is fd, with buffers of a fixed size.
// Left to itself the library enlarges them too late: a batch within 72 bytes of
// the buffer's size fails with EMSGSIZE. limit is lowered when the kernel grants
// less.
func newConn(netns int, limit *int) (conn *nftables.Conn, fd int, err error) {
	conn, err = nftables.New(nftables.AsLasting(), nftables.WithNetNSFd(netns), nftables.WithSockOptions(func(c *netlink.Conn) (err error) {
		if fd, err = selectable(c); err != nil {
			return err
		}
		// Errors come back without the message they are about: a failed batch
		// must not overrun the read buffer with its own text. (The library cannot
		// read such errors together with extended acknowledgements.)
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
			return fmt.Errorf("the kernel grants a send buffer of %d bytes only", granted)
		}
		return nil
	}))
	return conn, fd, err
}

// selectable is the descriptor of a connection; those that pselect cannot take
// are refused: the library would panic at the first flush.
func selectable(c *netlink.Conn) (fd int, err error) {
	raw, err := c.SyscallConn()
	if err != nil {
		return 0, err
	}
	if err := raw.Control(func(f uintptr) { fd = int(f) }); err != nil {
		return 0, err
	}
	if fd >= unix.FD_SETSIZE {
		return 0, fmt.Errorf("file descriptor %d: the firewall has to be opened while fewer than %d are in use", fd, unix.FD_SETSIZE)
	}
	return fd, nil
}

func (k *Kernel) closeConns() error {
	var errs []error
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

// apply implements backend: one transaction.
func (k *Kernel) apply(_ expiry, b *batch) error {
	k.changes.encode(k.name, b, time.Now())
	err := k.changes.commit(k.fd)
	if errors.Is(err, unix.ENOENT) {
		// In kernels whose transactions have no time of their own (before 6.8
		// and its backports) an element may run out between being added and
		// deleted in one batch. Once more, then.
		err = k.changes.commit(k.fd)
	}
	k.changes.letGo()
	return lost(err)
}

// commit queues and flushes; nothing stays queued when queueing fails.
func (k *Kernel) commit(queue func() error) error {
	err := queue()
	// After a failed queueing Flush sends nothing and returns that error.
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
		if contents.size() <= k.limit { // one transaction: the table is as it was
			err = errors.Join(err, k.drop(bridge))
		}
		return err // else it may be half made, and the bridge stays
	}
	return k.drop(bridge)
}

// bridgeSuffix names the table that stands in while ours is replaced.
const bridgeSuffix = "_bridge"

// load replaces a table, or makes it, with these elements.
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
			return buildBatch(k.writer, t, &part, time.Now())
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// drop deletes a table that may be absent.
func (k *Kernel) drop(name string) error {
	return k.commit(func() error {
		k.writer.AddTable(nfTable(name))
		k.writer.DelTable(nfTable(name))
		return nil
	})
}

// population implements backend.
func (k *Kernel) population(id setID) (int, error) {
	found, err := k.reader.sets(k.name)
	if err != nil {
		return 0, lost(err)
	}
	for _, f := range found {
		if f.name == sets[id].name {
			return f.elements, nil
		}
	}
	return 0, ErrLost
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

// explain adds the way out to what the kernel says.
func explain(err error) error {
	if errors.Is(err, unix.EPERM) || errors.Is(err, unix.EACCES) {
		return fmt.Errorf("%w: %w", ErrPrivilege, err)
	}
	return err
}

// lost tells that something of the table is missing.
func lost(err error) error {
	if errors.Is(err, unix.ENOENT) {
		return fmt.Errorf("%w: %w", ErrLost, err)
	}
	return explain(err)
}
