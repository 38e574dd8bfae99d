package firewall

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// LogGroup is the NFLOG group that packets are copied to. If another program
// reads it, OpenWatch returns ErrNoLog.
const LogGroup = 0x7457

// ErrNoLog is returned when the kernel or another program keeps us from reading
// packets. Everything else works.
var ErrNoLog = errors.New("packets cannot be watched")

const (
	// wholePacket is how much of a packet is copied: padding by an attacker must
	// not push the end of a message out of it.
	wholePacket = 0xffff
	// logBuffer holds some 20,000 messages of the usual size: a second of the
	// most that Asterisk answers.
	logBuffer = 16 << 20
	// logRead is more than the largest message.
	logRead = 128 << 10
)

// Messages and attributes of the log (linux/netfilter/nfnetlink_log.h).
const (
	logPacket, logConfig                       = 0, 1    // NFULNL_MSG_PACKET, NFULNL_MSG_CONFIG
	logAttrCommand, logAttrMode, logAttrBuffer = 1, 2, 3 // NFULA_CFG_CMD, NFULA_CFG_MODE, NFULA_CFG_NLBUFSIZ
	logAttrHeader, logAttrPayload              = 1, 9    // NFULA_PACKET_HDR, NFULA_PAYLOAD
	logBind, logCopyPacket                     = 1, 2    // NFULNL_CFG_CMD_BIND, NFULNL_COPY_PACKET
)

// nfHeader is the length of struct nfgenmsg, behind the header of a message.
const nfHeader = 4

// listen binds to the log group.
func (w *Watch) listen(group uint16) error {
	conn, err := netlink.Dial(unix.NETLINK_NETFILTER, &netlink.Config{NetNS: w.netns})
	if err != nil {
		return err
	}
	_ = conn.SetReadBuffer(logBuffer)
	if err := bind(conn, group); err != nil {
		err = errors.Join(err, conn.Close())
		if errors.Is(err, unix.EPERM) { // nfulnl_recv_config returns it for both
			return fmt.Errorf("another program reads NFLOG group %d, or CAP_NET_ADMIN is missing: %w", group, err)
		}
		return fmt.Errorf("NFLOG (CONFIG_NETFILTER_NETLINK_LOG): %w", err)
	}
	w.log = conn
	return nil
}

// bind binds a connection to a log group. Rules that an earlier run of the daemon
// left in the kernel may copy packets as soon as the group is bound, so there is
// one request, and its acknowledgement need not be the first message.
func bind(conn *netlink.Conn, group uint16) error {
	data, err := netlink.MarshalAttributes([]netlink.Attribute{
		{Type: logAttrCommand, Data: []byte{logBind}},
		{Type: logAttrMode, Data: append(binary.BigEndian.AppendUint32(nil, wholePacket), logCopyPacket, 0)},
		// No message waits for a second one: each gets a buffer that just fits.
		{Type: logAttrBuffer, Data: binary.BigEndian.AppendUint32(nil, 1)},
	})
	if err != nil {
		return err
	}
	request, err := conn.Send(netlink.Message{
		Header: netlink.Header{Type: unix.NFNL_SUBSYS_ULOG<<8 | logConfig, Flags: netlink.Request | netlink.Acknowledge},
		Data:   append([]byte{unix.AF_UNSPEC, unix.NFNETLINK_V0, byte(group >> 8), byte(group)}, data...),
	})
	for err == nil {
		var messages []netlink.Message
		messages, err = conn.Receive()
		for _, m := range messages {
			if m.Header.Type == netlink.Error && m.Header.Sequence == request.Header.Sequence {
				return nil
			}
		}
	}
	return err
}

const (
	// pace is the least time from one look at the log to the next. With a wake-up
	// for each packet a flood would cost half a core.
	pace = 500 * time.Microsecond
	// maxDrain is how many messages are read before Run looks whether to end.
	maxDrain = 1 << 10
)

// Run calls fn for each packet until ctx ends, within a millisecond. After an
// error it delivers no more, and some before the error may have been missed.
func (w *Watch) Run(ctx context.Context, fn func(Packet)) error {
	if w.log == nil {
		<-ctx.Done()
		return nil
	}
	stop := context.AfterFunc(ctx, func() { _ = w.log.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()
	deliver := func(p Packet) {
		w.count(p)
		fn(p)
	}
	buf := make([]byte, logRead)
	for {
		began, err := w.drain(buf, deliver)
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			deliver(Packet{At: time.Now()})
			return fmt.Errorf("firewall: NFLOG: %w", err)
		}
		rest(pace - time.Since(began))
	}
}

// rest sleeps more exactly than time.Sleep, which takes a millisecond or more when
// the program has nothing else to do.
func rest(d time.Duration) {
	if d > 0 {
		t := unix.NsecToTimespec(int64(d))
		_ = unix.Nanosleep(&t, nil)
	}
}

// drain waits for a message and then reads those that are there. It returns when
// the first one came.
func (w *Watch) drain(buf []byte, fn func(Packet)) (began time.Time, err error) {
	raw, err := w.log.SyscallConn()
	if err != nil {
		return began, err
	}
	var failed error
	read := 0
	err = raw.Read(func(fd uintptr) bool {
		for ; read < maxDrain; read++ {
			n, err := unix.Read(int(fd), buf)
			if errors.Is(err, unix.EAGAIN) {
				return read > 0 // or wait
			}
			now := time.Now()
			if read == 0 {
				began = now
			}
			switch {
			case errors.Is(err, unix.ENOBUFS):
				fn(Packet{At: now})
			case errors.Is(err, unix.EINTR):
			case err != nil:
				failed = err
				return true
			default:
				readLogged(buf[:n], now, fn)
			}
		}
		return true
	})
	return began, errors.Join(err, failed)
}

// readLogged calls fn for each packet in what was read from the log at once:
// struct nlmsghdr, struct nfgenmsg and attributes.
func readLogged(b []byte, now time.Time, fn func(Packet)) {
	for len(b) >= unix.NLMSG_HDRLEN {
		size := binary.NativeEndian.Uint32(b)
		if size < unix.NLMSG_HDRLEN || uint64(size) > uint64(len(b)) {
			return
		}
		if binary.NativeEndian.Uint16(b[4:]) == unix.NFNL_SUBSYS_ULOG<<8|logPacket && size >= unix.NLMSG_HDRLEN+nfHeader {
			if p, ok := readPacket(b[unix.NLMSG_HDRLEN+nfHeader : size]); ok {
				p.At = now
				fn(p)
			}
		}
		b = b[min(aligned(int(size)), len(b)):]
	}
}

// readPacket reads the attributes of one message. Its hook tells the direction.
func readPacket(attrs []byte) (p Packet, ok bool) {
	hook := -1
	var packet []byte
	for len(attrs) >= unix.NLA_HDRLEN {
		size := int(binary.NativeEndian.Uint16(attrs))
		if size < unix.NLA_HDRLEN || size > len(attrs) {
			break
		}
		value := attrs[unix.NLA_HDRLEN:size]
		switch binary.NativeEndian.Uint16(attrs[2:]) {
		case logAttrHeader: // struct nfulnl_msg_packet_hdr
			if len(value) > 2 {
				hook = int(value[2])
			}
		case logAttrPayload:
			packet = value
		}
		attrs = attrs[min(aligned(size), len(attrs)):]
	}
	if hook != unix.NF_INET_LOCAL_IN && hook != unix.NF_INET_LOCAL_OUT {
		return p, false
	}
	p, ok = readUDP(packet)
	if hook == unix.NF_INET_LOCAL_OUT {
		p.Direction = Out
	}
	return p, ok
}

// aligned is where the next message or attribute begins.
func aligned(n int) int { return (n + unix.NLA_ALIGNTO - 1) &^ (unix.NLA_ALIGNTO - 1) }
