package firewall

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"sync"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// Author is who changed the ruleset in one transaction.
type Author struct {
	// PID and Program are what the kernel says. The zero Author means that there
	// were too many changes at once for the kernel to report.
	PID     int
	Program string
}

func (c Author) String() string {
	if c.Program == "" {
		return "another program"
	}
	return fmt.Sprintf("%s (process %d)", c.Program, c.PID)
}

// Monitor calls changed for every transaction that another process makes on the
// ruleset of cfg's network namespace, until ctx ends. It does not say what has
// changed: use Verify to find out whether the table is affected. changed runs on
// Monitor's goroutine; further changes wait in the socket meanwhile.
//
// The kernel reports the author last (nf_tables_commit in nf_tables_api.c), so
// the transaction is in force when changed is called.
func Monitor(ctx context.Context, cfg Config, changed func(Author)) error {
	conn, err := netlink.Dial(unix.NETLINK_NETFILTER, &netlink.Config{NetNS: cfg.NetNS})
	if err != nil {
		return fmt.Errorf("firewall: monitor: %w", explain(err))
	}
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer func() {
		if stop() {
			_ = conn.Close()
		}
	}()
	// Some 10,000 bans of our own would fill the default buffer.
	_ = conn.SetReadBuffer(1 << 20)
	if err := conn.JoinGroup(unix.NFNLGRP_NFTABLES); err != nil {
		return fmt.Errorf("firewall: monitor: %w", explain(err))
	}
	for {
		messages, err := conn.Receive()
		switch {
		case ctx.Err() != nil:
			return nil
		case errors.Is(err, unix.ENOBUFS):
			changed(Author{})
			continue
		case err != nil:
			return fmt.Errorf("firewall: monitor: %w", err)
		}
		for _, m := range messages {
			if c, ok := authorOf(m); ok && !own(m) {
				changed(c)
			}
		}
	}
}

// author reads the message that ends a transaction.
func authorOf(m netlink.Message) (c Author, ok bool) {
	if m.Header.Type != unix.NFNL_SUBSYS_NFTABLES<<8|unix.NFT_MSG_NEWGEN || len(m.Data) < 4 {
		return c, false
	}
	ad, err := netlink.NewAttributeDecoder(m.Data[4:])
	if err != nil {
		return c, false
	}
	ad.ByteOrder = binary.BigEndian
	for ad.Next() {
		switch ad.Type() {
		case unix.NFTA_GEN_PROC_PID:
			c.PID = int(ad.Uint32())
		case unix.NFTA_GEN_PROC_NAME:
			c.Program = ad.String()
		}
	}
	return c, ad.Err() == nil
}

// writers are the netlink ports from which this process changes rulesets. The
// kernel reports the port of each transaction; the process ID that it reports,
// too, is a different one inside a container.
var writers sync.Map

// isWriter adds a connection to writers.
func isWriter(c *netlink.Conn) error {
	raw, err := c.SyscallConn()
	if err != nil {
		return err
	}
	var address unix.Sockaddr
	if control := raw.Control(func(fd uintptr) { address, err = unix.Getsockname(int(fd)) }); control != nil || err != nil {
		return errors.Join(control, err)
	}
	if port, ok := address.(*unix.SockaddrNetlink); ok {
		writers.Store(port.Pid, nil)
	}
	return nil
}

// own reports whether this process made the change that a message ends.
func own(m netlink.Message) bool {
	_, own := writers.Load(m.Header.PID)
	return own
}
