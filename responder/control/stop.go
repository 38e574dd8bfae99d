package control

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"golang.org/x/sys/unix"
)

// Stop ends the daemon as a service manager would, with SIGTERM, and waits until it no longer
// answers. It is for machines without a service manager; one may start the daemon again.
// Without a daemon the error is [ErrNotRunning].
func (c *Client) Stop(ctx context.Context) error {
	pid, err := c.daemon(ctx)
	if err != nil {
		return err
	}
	if err := unix.Kill(pid, unix.SIGTERM); err != nil {
		return fmt.Errorf("stop the daemon, process %d: %w", pid, err)
	}
	const within = 20 * time.Second
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	for {
		if _, err := c.Status(ctx); errors.Is(err, ErrNotRunning) {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("stop the daemon: process %d did not end within %s", pid, within)
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// daemon is the process that listens on the socket.
func (c *Client) daemon(ctx context.Context) (pid int, err error) {
	conn, err := new(net.Dialer).DialContext(ctx, "unix", c.path)
	if err != nil {
		return 0, c.unreachable(err)
	}
	defer conn.Close()
	raw, err := conn.(*net.UnixConn).SyscallConn()
	if err != nil {
		return 0, err
	}
	var peer *unix.Ucred
	var failed error
	err = raw.Control(func(fd uintptr) { peer, failed = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED) })
	if err := errors.Join(err, failed); err != nil {
		return 0, fmt.Errorf("find the daemon's process: %w", err)
	}
	if peer.Pid <= 1 { // of another PID namespace, or not a daemon of ours
		return 0, errors.New("find the daemon's process: it is not visible here")
	}
	return int(peer.Pid), nil
}
