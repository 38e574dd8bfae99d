package firewall

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Two daemons with one table would undo each other's bans. The one that has it listens on a
// socket with an abstract name, which belongs to the network namespace, as the table does, and
// which the kernel removes with the process, however that ends. Any user may take such a name,
// so only that of a process that could have the table counts.

// ErrInUse says that another process has the table.
var ErrInUse = errors.New("in use by another daemon")

// askHolder bounds the question who has a table.
const askHolder = time.Second

// claim takes a table for this process until it is closed. finding, if it is not empty, says
// why another process may take it all the same.
func claim(table string) (_ io.Closer, finding string, err error) {
	name := "@" + DefaultName + "/table/" + table
	for range 3 {
		l, err := net.Listen("unix", name)
		if err == nil {
			go answer(l)
			return l, "", nil
		}
		if !errors.Is(err, unix.EADDRINUSE) {
			return nil, "", fmt.Errorf("claim it: %w", err)
		}
		holder, err := holderOf(name)
		switch {
		case errors.Is(err, unix.ECONNREFUSED): // it has just ended
		case err != nil:
			return nopCloser{}, "whether another daemon has the table is not known: " + err.Error(), nil
		case !mayHaveTable(holder):
			return nopCloser{}, fmt.Sprintf("whether another daemon has the table is not known: user %d has taken the socket %s", holder.Uid, name), nil
		default:
			return nil, "", fmt.Errorf("%w%s: stop that one first, or give this one a table of its own as `firewall.table`", ErrInUse, processWords(holder.Pid))
		}
	}
	return nil, "", fmt.Errorf("%w: daemons come and go", ErrInUse)
}

type nopCloser struct{}

func (nopCloser) Close() error { return nil }

// answer takes connections until the listener is closed: who connects only wants to know
// whose it is.
func answer(l net.Listener) {
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		_ = c.Close()
	}
}

// holderOf is the process that listens on a socket.
func holderOf(name string) (*unix.Ucred, error) {
	c, err := net.DialTimeout("unix", name, askHolder)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	raw, err := c.(*net.UnixConn).SyscallConn()
	if err != nil {
		return nil, err
	}
	var cred *unix.Ucred
	var asked error
	if err := raw.Control(func(fd uintptr) { cred, asked = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED) }); err != nil {
		return nil, err
	}
	return cred, asked
}

// mayHaveTable says whether a process could have a table: it is root's or our own user's, or
// has CAP_NET_ADMIN here. Any user gets that in a user namespace of their own, and by a
// program of root's that inherits the socket: neither counts.
func mayHaveTable(p *unix.Ucred) bool {
	if p.Uid == 0 || int(p.Uid) == os.Geteuid() {
		return true
	}
	process := "/proc/" + strconv.Itoa(int(p.Pid))
	status, err := os.ReadFile(process + "/status")
	if err != nil {
		return false
	}
	for uid := range strings.FieldsSeq(statusLine(status, "Uid:")) {
		if uid != strconv.Itoa(int(p.Uid)) {
			return false // it has become another program, or another process has its number
		}
	}
	theirs, err := os.Readlink(process + "/ns/user")
	ours, err2 := os.Readlink("/proc/self/ns/user")
	mask, err3 := strconv.ParseUint(statusLine(status, "CapEff:"), 16, 64)
	return errors.Join(err, err2, err3) == nil && theirs == ours && mask&(1<<unix.CAP_NET_ADMIN) != 0
}

// statusLine is the value of a line of /proc/PID/status.
func statusLine(status []byte, name string) string {
	_, value, _ := bytes.Cut(status, []byte("\n"+name))
	value, _, _ = bytes.Cut(value, []byte("\n"))
	return string(bytes.TrimSpace(value))
}

// processWords names a process, unless it is in another PID namespace.
func processWords(pid int32) string {
	if pid <= 0 {
		return ""
	}
	return fmt.Sprintf(" (process %d)", pid)
}
