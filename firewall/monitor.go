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

// Author is one transaction of somebody else's on the ruleset.
type Author struct {
	// PID and Program are who made it, as the kernel says; the zero Author
	// means that so many came at once that the kernel gave up telling.
	PID     int
	Program string
}

func (c Author) String() string {
	if c.Program == "" {
		return "another program"
	}
	return fmt.Sprintf("%s (process %d)", c.Program, c.PID)
}

// Monitor calls changed for every transaction on the ruleset of cfg's network
// namespace that this process did not make, until ctx ends. It tells who it
// was, not what: Verify says whether it concerns the table. changed is called
// on Monitor's goroutine; what comes while it works waits in the socket.
//
// The kernel tells a transaction's elements first and its author last
// (nf_tables_commit in nf_tables_api.c), so that changed finds it in force.
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
	// The default buffer is full after some 10,000 bans of our own.
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
// kernel says from which one a transaction came; the process number that it says
// too is another one inside a container.
var writers sync.Map

// isWriter makes a connection one of them.
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

// own says whether this process made the change that a message ends.
func own(m netlink.Message) bool {
	_, own := writers.Load(m.Header.PID)
	return own
}
