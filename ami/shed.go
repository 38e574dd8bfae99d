package ami

import (
	"bytes"
	"crypto/tls"
	"net"
	"sync/atomic"
	"syscall"

	"golang.org/x/sys/unix"
)

// Under overload, when events come faster than they are handled, some are passed
// over before they are parsed, so that those that matter are in time and
// Asterisk, which gives up on a reader that lets it wait, does not close the
// connection. In this order:
//
//  1. ChallengeSent of PJSIP. It carries no points. That of chan_sip, which is
//     the only one to say who a call is from, is kept.
//  2. InvalidAccountID: guesses at accounts that do not exist.
//
// Nothing else ever: failures with an account's own password, successes and
// calls are what a break-in is known by.
const (
	shedNothing = iota
	shedChallenges
	shedStrangers
)

// Of the socket's receive buffer, which counts twice what fits, in eighths: when
// this much is unread there is an overload of the first degree, and of the
// second. A burst that is handled in milliseconds stays below.
const (
	firstDegree  = 2
	secondDegree = 3
)

// Shed counts the events that were passed over under overload. It may be read at
// any time.
type Shed struct{ ChallengeSent, InvalidAccountID atomic.Uint64 }

// Total is all of them.
func (s *Shed) Total() uint64 { return s.ChallengeSent.Load() + s.InvalidAccountID.Load() }

// load measures how much of a connection is unread.
type load struct {
	socket syscall.RawConn
	ask    func(fd uintptr)
	unread int
	buffer int
}

// busyRead is how much one read has to give for the socket to be asked for more:
// in quiet times nothing is asked.
const busyRead = 8 << 10

// newLoad is nil where the connection is no socket.
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
	l.ask = func(fd uintptr) { l.unread, _ = unix.IoctlGetInt(int(fd), unix.SIOCINQ) }
	return l
}

// degree is what may be shed after a read of n bytes.
func (l *load) degree(n int) int {
	if n < busyRead || l.socket.Control(l.ask) != nil {
		return shedNothing
	}
	switch {
	case l.unread >= l.buffer/8*secondDegree:
		return shedStrangers
	case l.unread >= l.buffer/8*firstDegree:
		return shedChallenges
	}
	return shedNothing
}

var (
	challengeSent    = []byte("Event: ChallengeSent\r\n")
	invalidAccountID = []byte("Event: InvalidAccountID\r\n")
	ofPJSIP          = []byte("\r\nService: PJSIP\r\n")
	names            = []byte("\r\nAccountID: ") // from here on the sender chose the text
	blockEnd         = []byte("\r\n\r\n")
)

// passOver drops the block at hand, as far as it has been read, when it may be
// shed: up to the empty line where its framing ends.
func (r *Reader) passOver() bool {
	block := r.buf[r.start:r.end]
	var count *atomic.Uint64
	switch {
	case bytes.HasPrefix(block, challengeSent) && bytes.Contains(block[:max(0, bytes.Index(block, names))], ofPJSIP):
		count = &r.shed.ChallengeSent
	case r.degree == shedStrangers && bytes.HasPrefix(block, invalidAccountID):
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
