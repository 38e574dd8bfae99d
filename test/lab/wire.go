package lab

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/netip"
	"net/textproto"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// wire carries whole SIP messages to the PBX and back. One goroutine receives; any may send.
type wire interface {
	send(b []byte) error
	receive() ([]byte, error)
	waiting() bool // something has arrived and is not received yet; UDP alone knows
	local() netip.AddrPort
	name() string // as Via and URIs want it: UDP or TCP
	Close() error
}

// dialWire opens a wire from the address from of h to the PBX; transport is udp, tcp or ws.
func dialWire(ctx context.Context, h *Host, from netip.AddrPort, transport string) (wire, error) {
	pbx := pbxAt(from.Addr())
	switch transport {
	case "udp":
		conn, err := h.ListenUDP(from)
		if err != nil {
			return nil, err
		}
		return &udpWire{conn: conn, pbx: pbx, buf: make([]byte, 64<<10)}, nil
	case "tcp":
		conn, err := dialTCP(ctx, h, from, pbx)
		if err != nil {
			return nil, err
		}
		return &tcpWire{conn: conn, in: bufio.NewReader(conn)}, nil
	case "ws":
		return dialWS(ctx, h, from)
	default:
		return nil, fmt.Errorf("open wire: transport %q is neither udp, tcp nor ws", transport)
	}
}

// dialTCP connects to the PBX from the address from of h.
func dialTCP(ctx context.Context, h *Host, from, pbx netip.AddrPort) (conn net.Conn, err error) {
	err = h.Do(func() (err error) {
		d := net.Dialer{LocalAddr: net.TCPAddrFromAddrPort(from)}
		conn, err = d.DialContext(ctx, "tcp", pbx.String())
		return err
	})
	return conn, err
}

// udpWire is not connected, so that a PBX which is down for a moment is no error.
type udpWire struct {
	conn *net.UDPConn
	pbx  netip.AddrPort
	buf  []byte
}

func (w *udpWire) send(b []byte) error {
	_, err := w.conn.WriteToUDPAddrPort(b, w.pbx)
	return err
}

func (w *udpWire) receive() ([]byte, error) {
	n, _, err := w.conn.ReadFromUDPAddrPort(w.buf)
	return w.buf[:n], err
}

func (w *udpWire) waiting() bool {
	n := 0
	raw, err := w.conn.SyscallConn()
	if err == nil {
		err = raw.Control(func(fd uintptr) { n, _ = unix.IoctlGetInt(int(fd), unix.SIOCINQ) })
	}
	return err == nil && n > 0
}

func (w *udpWire) local() netip.AddrPort { return localAddr(w.conn.LocalAddr()) }
func (w *udpWire) name() string          { return "UDP" }
func (w *udpWire) Close() error          { return w.conn.Close() }

type tcpWire struct {
	conn net.Conn
	in   *bufio.Reader
}

func (w *tcpWire) send(b []byte) error {
	_, err := w.conn.Write(b)
	return err
}

// receive reads up to the end of the headers and then as much body as they announce.
func (w *tcpWire) receive() ([]byte, error) {
	var head strings.Builder
	length := 0
	for {
		line, err := w.in.ReadString('\n')
		if err != nil {
			return nil, err
		}
		if head.Len() == 0 && line == "\r\n" {
			continue // keep-alive, RFC 5626
		}
		head.WriteString(line)
		if line == "\r\n" {
			break
		}
		if name, value, _ := strings.Cut(line, ":"); textproto.CanonicalMIMEHeaderKey(name) == "Content-Length" {
			length, _ = strconv.Atoi(strings.TrimSpace(value))
		}
	}
	body := make([]byte, length)
	_, err := io.ReadFull(w.in, body)
	return append([]byte(head.String()), body...), err
}

func (w *tcpWire) waiting() bool         { return false }
func (w *tcpWire) local() netip.AddrPort { return localAddr(w.conn.LocalAddr()) }
func (w *tcpWire) name() string          { return "TCP" }
func (w *tcpWire) Close() error          { return w.conn.Close() }

func localAddr(a net.Addr) netip.AddrPort {
	p, _ := netip.ParseAddrPort(a.String())
	return netip.AddrPortFrom(p.Addr().Unmap(), p.Port())
}
