package lab

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"time"
)

// WebSocket are the options of a PBX that also takes SIP from browsers, at port 8088;
// PJSIP only.
func WebSocket() Options {
	return Options{
		Files: map[string]string{"http.conf": "[general]\nenabled = yes\nbindaddr = 0.0.0.0\nbindport = 8088\n"},
		Append: map[string]string{
			"modules.conf": "load = res_http_websocket.so\nload = res_pjsip_transport_websocket.so\n",
			"pjsip.conf":   "[transport-ws]\ntype = transport\nprotocol = ws\nbind = 0.0.0.0\n",
		},
	}
}

// wsWire is a browser's connection (RFC 6455, RFC 7118).
type wsWire struct {
	conn net.Conn
	in   *bufio.Reader
}

// dialWS opens a WebSocket as a page of anybody's does.
func dialWS(ctx context.Context, h *Host, from netip.AddrPort) (*wsWire, error) {
	pbx := netip.AddrPortFrom(pbxAt(from.Addr()).Addr(), 8088)
	conn, err := dialTCP(ctx, h, from, pbx)
	if err != nil {
		return nil, err
	}
	w := &wsWire{conn: conn, in: bufio.NewReader(conn)}
	if deadline, ok := ctx.Deadline(); ok {
		_ = conn.SetDeadline(deadline)
	}
	if err := w.handshake(pbx); err != nil {
		return nil, errors.Join(fmt.Errorf("open WebSocket: %w", err), conn.Close())
	}
	return w, conn.SetDeadline(time.Time{})
}

func (w *wsWire) handshake(pbx netip.AddrPort) error {
	_, err := fmt.Fprintf(w.conn, "GET /ws HTTP/1.1\r\nHost: %s\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nOrigin: http://page.example\r\n"+
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: sip\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n", pbx)
	if err != nil {
		return err
	}
	response, err := http.ReadResponse(w.in, nil)
	if err != nil {
		return err
	}
	if response.StatusCode != http.StatusSwitchingProtocols {
		return errors.New(response.Status)
	}
	return nil
}

// send writes a text frame, masked as a client's must be; the mask is zero.
func (w *wsWire) send(b []byte) error {
	const final, text, masked = 0x80, 1, 0x80
	frame := []byte{final | text, masked | 126}
	if len(b) < 126 {
		frame[1] = masked | byte(len(b))
	} else {
		frame = binary.BigEndian.AppendUint16(frame, uint16(len(b)))
	}
	frame = append(frame, 0, 0, 0, 0)
	_, err := w.conn.Write(append(frame, b...))
	return err
}

func (w *wsWire) receive() ([]byte, error) {
	for {
		var head [2]byte
		if _, err := io.ReadFull(w.in, head[:]); err != nil {
			return nil, err
		}
		size := uint64(head[1] & 0x7f)
		switch size {
		case 126, 127:
			long := make([]byte, map[uint64]int{126: 2, 127: 8}[size])
			if _, err := io.ReadFull(w.in, long); err != nil {
				return nil, err
			}
			size = 0
			for _, b := range long {
				size = size<<8 | uint64(b)
			}
		}
		payload := make([]byte, min(size, 64<<10))
		if _, err := io.ReadFull(w.in, payload); err != nil {
			return nil, err
		}
		if op := head[0] & 0x0f; op == 1 || op == 2 { // text or binary
			return payload, nil
		}
	}
}

func (w *wsWire) waiting() bool         { return false }
func (w *wsWire) local() netip.AddrPort { return localAddr(w.conn.LocalAddr()) }
func (w *wsWire) name() string          { return "WS" }
func (w *wsWire) Close() error          { return w.conn.Close() }
