package firewall

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"runtime"
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
	log, err := logSocket(w.netns)
	if err != nil {
		return err
	}
	if err := bind(log, group); err != nil {
		err = errors.Join(err, log.Close())
		if errors.Is(err, unix.EPERM) { // nfulnl_recv_config returns it for both
			return fmt.Errorf("another program reads NFLOG group %d, or CAP_NET_ADMIN is missing: %w", group, err)
		}
		return fmt.Errorf("NFLOG (CONFIG_NETFILTER_NETLINK_LOG): %w", err)
	}
	w.log = log
	return nil
}

// logSocket opens a netlink socket that Go's poller does not know: it would be
// woken by every packet, even while the packets wait for somebody to look.
func logSocket(netns int) (*os.File, error) {
	open := func() (fd int, err error) {
		return unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_NETFILTER)
	}
	fd, err := -1, error(nil)
	if netns == 0 {
		fd, err = open()
	} else {
		done := make(chan struct{})
		go func() {
			defer close(done)
			runtime.LockOSThread() // the thread ends with the goroutine
			if err = unix.Setns(netns, unix.CLONE_NEWNET); err == nil {
				fd, err = open()
			}
		}()
		<-done
	}
	if err != nil {
		return nil, err
	}
	log := os.NewFile(uintptr(fd), "NFLOG") // while it blocks: later, it would go to the poller
	if unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, logBuffer) != nil {
		_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, logBuffer)
	}
	return log, nil
}

// bind binds a socket to a log group and makes it non-blocking. Rules that an
// earlier run of the daemon left in the kernel may copy packets as soon as the group
// is bound, so there is one request, and its acknowledgement need not be the first
// message.
func bind(log *os.File, group uint16) error {
	data, err := netlink.MarshalAttributes([]netlink.Attribute{
		{Type: logAttrCommand, Data: []byte{logBind}},
		{Type: logAttrMode, Data: append(binary.BigEndian.AppendUint32(nil, wholePacket), logCopyPacket, 0)},
		// No message waits for a second one: each gets a buffer that just fits.
		{Type: logAttrBuffer, Data: binary.BigEndian.AppendUint32(nil, 1)},
	})
	if err != nil {
		return err
	}
	data = append([]byte{unix.AF_UNSPEC, unix.NFNETLINK_V0, byte(group >> 8), byte(group)}, data...)
	request, err := netlink.Message{Header: netlink.Header{
		Length: uint32(unix.NLMSG_HDRLEN + len(data)),
		Type:   unix.NFNL_SUBSYS_ULOG<<8 | logConfig, Flags: netlink.Request | netlink.Acknowledge,
	}, Data: data}.MarshalBinary()
	if err != nil {
		return err
	}
	return withFD(log, func(fd int) error {
		if err := unix.Sendto(fd, request, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
			return err
		}
		for buf := make([]byte, logRead); ; {
			n, err := unix.Read(fd, buf)
			if err != nil && !errors.Is(err, unix.ENOBUFS) && !errors.Is(err, unix.EINTR) {
				return err
			}
			if n >= unix.NLMSG_HDRLEN && binary.NativeEndian.Uint16(buf[4:]) == unix.NLMSG_ERROR {
				return errors.Join(replyError(buf[:n]), unix.SetNonblock(fd, true))
			}
		}
	})
}

// withFD calls fn with a file's descriptor, which stays valid meanwhile.
func withFD(f *os.File, fn func(fd int) error) error {
	raw, err := f.SyscallConn()
	if err != nil {
		return err
	}
	var failed error
	err = raw.Control(func(fd uintptr) { failed = fn(int(fd)) })
	return errors.Join(err, failed)
}

const (
	// pace is the least time from one look at the log to the next while packets
	// keep coming: a wake-up costs as much as reading dozens of them.
	pace = 2 * time.Millisecond
	// maxDrain is how many messages are read before Run looks whether to end.
	maxDrain = 1 << 10
)

// Run calls fn for each packet until ctx ends: at once for a single one and the
// answer to it, within about two milliseconds while packets keep coming. After an
// error it delivers no more, and some before the error may have been missed.
func (w *Watch) Run(ctx context.Context, fn func(Packet)) error {
	if w.log == nil {
		<-ctx.Done()
		return nil
	}
	deliver := func(p Packet) {
		w.count(p)
		fn(p)
	}
	err := w.follow(ctx, deliver)
	if err == nil || ctx.Err() != nil {
		return nil
	}
	deliver(Packet{At: time.Now()})
	return fmt.Errorf("firewall: NFLOG: %w", err)
}

// follow reads the log until ctx ends.
func (w *Watch) follow(ctx context.Context, fn func(Packet)) error {
	ended, err := unix.Eventfd(0, unix.EFD_CLOEXEC)
	if err != nil {
		return err
	}
	defer unix.Close(ended)
	written := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(written)
		_, _ = unix.Write(ended, binary.NativeEndian.AppendUint64(nil, 1))
	})
	defer func() {
		if !stop() {
			<-written // the descriptor is in use until then
		}
	}()
	buf := make([]byte, logRead)
	return withFD(w.log, func(fd int) error {
		var last time.Time
		for ctx.Err() == nil {
			if err := waitFor(fd, ended); err != nil {
				return err
			}
			began := time.Now()
			if err := drain(fd, buf, fn); err != nil {
				return err
			}
			if began.Sub(last) < 2*pace {
				rest(pace - time.Since(began))
			}
			last = began
		}
		return nil
	})
}

// waitFor waits until one of two descriptors can be read.
func waitFor(a, b int) error {
	both := []unix.PollFd{{Fd: int32(a), Events: unix.POLLIN}, {Fd: int32(b), Events: unix.POLLIN}}
	_, err := unix.Poll(both, -1)
	if errors.Is(err, unix.EINTR) {
		return nil
	}
	return err
}

// rest is more exact than time.Sleep, which rounds to milliseconds if the program
// has nothing else to do.
func rest(d time.Duration) {
	if d > 0 {
		t := unix.NsecToTimespec(int64(d))
		_ = unix.Nanosleep(&t, nil)
	}
}

// drain reads the messages that are there.
func drain(fd int, buf []byte, fn func(Packet)) error {
	for range maxDrain {
		n, err := unix.Read(fd, buf)
		switch {
		case errors.Is(err, unix.EAGAIN):
			return nil
		case errors.Is(err, unix.ENOBUFS):
			fn(Packet{At: time.Now()})
		case errors.Is(err, unix.EINTR):
		case err != nil:
			return err
		default:
			readLogged(buf[:n], time.Now(), fn)
		}
	}
	return nil
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
