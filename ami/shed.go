package ami

import (
	"bytes"
	"crypto/tls"
	"net"
	"sync/atomic"
	"syscall"

	"golang.org/x/sys/unix"
)

// Load shedding. If events arrive faster than they are handled, the Reader drops some
// before they are parsed. Otherwise important events would be late, and Asterisk would
// close the connection because we read too slowly. It drops, in this order:
//
//  1. ChallengeSent from PJSIP, which carries no points. ChallengeSent from chan_sip is
//     kept, because it is the only event that names the caller.
//  2. InvalidAccountID: guesses at nonexistent accounts.
//
// It never drops anything else: break-ins are detected by wrong passwords for existing
// accounts, successful logins and calls.
const (
	shedNothing = iota
	shedChallenges
	shedUnknownAccounts
)

// Shedding starts when this many eighths of the socket's receive buffer are unread. (The
// kernel reports twice the usable size.) Short bursts stay below.
const (
	challengesAt      = 2
	unknownAccountsAt = 3
)

// Shed counts the events dropped under overload. It is safe for concurrent use.
type Shed struct{ ChallengeSent, InvalidAccountID atomic.Uint64 }

// Total returns the number of all dropped events.
func (s *Shed) Total() uint64 { return s.ChallengeSent.Load() + s.InvalidAccountID.Load() }

// load measures how much data of a connection is unread.
type load struct {
	socket  syscall.RawConn
	measure func(fd uintptr) // sets unread
	unread  int
	buffer  int
}

// busyRead is the size of a read from which the load is measured. Quiet connections are
// not measured.
const busyRead = 8 << 10

// newLoad returns nil if the connection is not a socket.
func newLoad(conn net.Conn) *load {
	if secure, ok := conn.(*tls.Conn); ok {
		conn = secure.NetConn()
	}
	c, ok := conn.(syscall.Conn)
	if !ok {
		return nil
	}
	socket, err := c.SyscallConn()
	if err != nil {
		return nil
	}
	l := &load{socket: socket}
	err = socket.Control(func(fd uintptr) { l.buffer, _ = unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUF) })
	if err != nil || l.buffer == 0 {
		return nil
	}
	l.measure = func(fd uintptr) { l.unread, _ = unix.IoctlGetInt(int(fd), unix.SIOCINQ) }
	return l
}

// level returns what to shed after a read of n bytes.
func (l *load) level(n int) int {
	if n < busyRead || l.socket.Control(l.measure) != nil {
		return shedNothing
	}
	switch {
	case l.unread >= l.buffer/8*unknownAccountsAt:
		return shedUnknownAccounts
	case l.unread >= l.buffer/8*challengesAt:
		return shedChallenges
	}
	return shedNothing
}

var (
	challengeSent    = []byte("Event: ChallengeSent\r\n")
	invalidAccountID = []byte("Event: InvalidAccountID\r\n")
	servicePJSIP     = []byte("\r\nService: PJSIP\r\n")
	accountID        = []byte("\r\nAccountID: ") // the sender controls the text from here on
	blockEnd         = []byte("\r\n\r\n")
)

// shedBlock drops the current block if it may be shed and has been read up to its final
// empty line. It reports whether it did.
func (r *Reader) shedBlock() bool {
	block := r.buf[r.start:r.end]
	var count *atomic.Uint64
	switch {
	case bytes.HasPrefix(block, challengeSent) && bytes.Contains(block[:max(0, bytes.Index(block, accountID))], servicePJSIP):
		count = &r.shed.ChallengeSent
	case r.shedding == shedUnknownAccounts && bytes.HasPrefix(block, invalidAccountID):
		count = &r.shed.InvalidAccountID
	default:
		return false
	}
	end := bytes.Index(block, blockEnd)
	if end < 0 {
		return false
	}
	count.Add(1)
	r.line = r.start + end + len(blockEnd)
	return true
}
