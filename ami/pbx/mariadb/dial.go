package mariadb

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/user"
	"runtime"
	"strconv"

	"golang.org/x/sys/unix"
)

// Dialer connects to the server's socket as the system's user of a name, as far as the
// kernel tells the server. Only root can be somebody else: `tollwarden check` is run by
// root and tries what the daemon's user may do. Where there is no such user, or this is not
// root, the server sees who is really there.
func Dialer(name string) func(ctx context.Context, network, address string) (net.Conn, error) {
	var d net.Dialer
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		u, err := user.Lookup(name)
		if err != nil || os.Geteuid() != 0 {
			return d.DialContext(ctx, network, address)
		}
		uid, err := strconv.Atoi(u.Uid)
		if err != nil || uid == 0 {
			return d.DialContext(ctx, network, address)
		}
		return dialAs(ctx, uid, &d, network, address)
	}
}

// dialAs connects in a thread that is another user meanwhile. The server asks for who
// called connect(2), which for such a socket does not wait and stays in this thread.
func dialAs(ctx context.Context, uid int, d *net.Dialer, network, address string) (net.Conn, error) {
	runtime.LockOSThread()
	if err := setThreadUser(uid); err != nil {
		runtime.UnlockOSThread() // without CAP_SETUID: the server says what it thinks of root
		return d.DialContext(ctx, network, address)
	}
	conn, derr := d.DialContext(ctx, network, address)
	if err := setThreadUser(0); err != nil {
		// The thread stays locked, and ends with its goroutine.
		return nil, fmt.Errorf("become root again: %w", err)
	}
	runtime.UnlockOSThread()
	return conn, derr
}

// setThreadUser sets the effective user of this thread alone, which syscall.Setresuid does
// for all.
func setThreadUser(uid int) error {
	const unchanged = ^uintptr(0)
	if _, _, errno := unix.RawSyscall(unix.SYS_SETRESUID, unchanged, uintptr(uid), unchanged); errno != 0 {
		return errno
	}
	return nil
}
