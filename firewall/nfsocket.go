package firewall

import (
	"context"
	"encoding/binary"
	"errors"
	"os"
	"runtime"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// Packets that rules copy or queue come through a netlink socket of nfnetlink's
// (linux/netfilter/nfnetlink.h), one for each subsystem.

const (
	// nfHeader is the length of struct nfgenmsg, behind the header of a message.
	nfHeader = 4
	// nfRead is more than the largest message.
	nfRead = 128 << 10
	// maxDrain is how many messages are read before a reader looks whether to end.
	maxDrain = 1 << 10
	// wholePacket is how much of a packet is copied: padding by an attacker must
	// not push the end of a message out of it.
	wholePacket = 0xffff
)

// packetSocket opens a netlink socket that Go's poller does not know, since every packet
// would wake the poller, even those that are left for the next read.
func packetSocket(netns int, name string, buffer int) (*os.File, error) {
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
	socket := os.NewFile(uintptr(fd), name) // while it blocks: later, it would go to the poller
	if unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, buffer) != nil {
		_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, buffer)
	}
	return socket, nil
}

// configure binds a socket to a log group or a queue, and makes it non-blocking. Rules
// that an earlier run of the daemon left in the kernel may send packets as soon as it is
// bound, so all attributes go in one request, and its acknowledgement need not be the
// first message.
func configure(socket *os.File, kind, number uint16, attrs []netlink.Attribute) error {
	data, err := netlink.MarshalAttributes(attrs)
	if err != nil {
		return err
	}
	data = append([]byte{unix.AF_UNSPEC, unix.NFNETLINK_V0, byte(number >> 8), byte(number)}, data...)
	request, err := netlink.Message{Header: netlink.Header{
		Length: uint32(unix.NLMSG_HDRLEN + len(data)),
		Type:   netlink.HeaderType(kind), Flags: netlink.Request | netlink.Acknowledge,
	}, Data: data}.MarshalBinary()
	if err != nil {
		return err
	}
	return withFD(socket, func(fd int) error {
		if err := unix.Sendto(fd, request, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
			return err
		}
		for buf := make([]byte, nfRead); ; {
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

// follow calls ready whenever something can be read from a socket, until ctx ends or
// ready fails.
func follow(ctx context.Context, socket *os.File, ready func(fd int) error) error {
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
	return withFD(socket, func(fd int) error {
		for ctx.Err() == nil {
			if err := waitFor(fd, ended); err != nil {
				return err
			}
			if err := ready(fd); err != nil {
				return err
			}
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

// drain calls each for what is there to be read, and lost when the kernel had no
// room for more.
func drain(fd int, buf []byte, each func([]byte), lost func()) error {
	for range maxDrain {
		n, err := unix.Read(fd, buf)
		switch {
		case errors.Is(err, unix.EAGAIN):
			return nil
		case errors.Is(err, unix.ENOBUFS):
			lost()
		case errors.Is(err, unix.EINTR):
		case err != nil:
			return err
		default:
			each(buf[:n])
		}
	}
	return nil
}

// eachMessage calls fn with the attributes of each message of a kind in what was read at
// once. They stand behind a struct nlmsghdr and a struct nfgenmsg.
func eachMessage(b []byte, kind uint16, fn func(attrs []byte)) {
	for len(b) >= unix.NLMSG_HDRLEN {
		size := binary.NativeEndian.Uint32(b)
		if size < unix.NLMSG_HDRLEN || uint64(size) > uint64(len(b)) {
			return
		}
		if binary.NativeEndian.Uint16(b[4:]) == kind && size >= unix.NLMSG_HDRLEN+nfHeader {
			fn(b[unix.NLMSG_HDRLEN+nfHeader : size])
		}
		b = b[min(aligned(int(size)), len(b)):]
	}
}

// packetParts returns the values of two kinds of attribute: the header that the kernel
// made for a packet, and the packet.
func packetParts(attrs []byte, headerKind, packetKind uint16) (header, packet []byte) {
	for len(attrs) >= unix.NLA_HDRLEN {
		size := int(binary.NativeEndian.Uint16(attrs))
		if size < unix.NLA_HDRLEN || size > len(attrs) {
			break
		}
		switch value := attrs[unix.NLA_HDRLEN:size]; binary.NativeEndian.Uint16(attrs[2:]) {
		case headerKind:
			header = value
		case packetKind:
			packet = value
		}
		attrs = attrs[min(aligned(size), len(attrs)):]
	}
	return header, packet
}

// readPacket reads a packet. The hook it was taken at tells its direction.
func readPacket(hook byte, packet []byte) (p Packet, ok bool) {
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
