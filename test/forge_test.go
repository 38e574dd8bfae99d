package test

import (
	"context"
	wire "encoding/binary"
	"fmt"
	"net/netip"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/tollwarden/tollwarden/test/lab"
)

// forger sends UDP packets to the PBX's SIP port with senders of its choice.
type forger struct {
	t  *testing.T
	fd int
	n  int
}

func newForger(t *testing.T, h *lab.Host) *forger {
	t.Helper()
	f := &forger{t: t}
	err := h.Do(func() (err error) {
		f.fd, err = unix.Socket(unix.AF_INET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.IPPROTO_RAW)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Close(f.fd) })
	return f
}

// send sends one packet.
func (f *forger) send(from netip.AddrPort, payload string) {
	to := netip.MustParseAddr(lab.PBXAddress)
	udp := wire.BigEndian.AppendUint16(nil, from.Port())
	udp = wire.BigEndian.AppendUint16(udp, 5060)
	udp = wire.BigEndian.AppendUint16(udp, uint16(8+len(payload)))
	udp = append(append(udp, 0, 0), payload...) // no checksum
	ip := []byte{0x45, 0, 0, 0, 0, 0, 0, 0, 64, unix.IPPROTO_UDP, 0, 0}
	wire.BigEndian.PutUint16(ip[2:], uint16(20+len(udp)))
	ip = append(append(ip, from.Addr().AsSlice()...), to.AsSlice()...)
	if err := unix.Sendto(f.fd, append(ip, udp...), 0, &unix.SockaddrInet4{Addr: to.As4()}); err != nil {
		f.t.Error(err)
	}
}

// guess is a REGISTER that answers a nonce nobody sent.
func (f *forger) guess(from netip.AddrPort, account string) string {
	f.n++
	return register1(from, account, fmt.Sprintf("forged-%d", f.n), fmt.Sprintf(
		"Authorization: Digest username=\"%s\",realm=\"asterisk\",nonce=\"1700000000/%032x\",uri=\"sip:%s\",response=\"%032x\",algorithm=MD5\r\n",
		account, f.n, lab.PBXAddress, f.n))
}

// register1 is one REGISTER with these headers.
func register1(from netip.AddrPort, user, callID, headers string) string {
	return fmt.Sprintf("REGISTER sip:%[1]s SIP/2.0\r\nVia: SIP/2.0/UDP %[2]s;branch=z9hG4bK%[4]s\r\nMax-Forwards: 70\r\n"+
		"From: <sip:%[3]s@%[1]s>;tag=%[4]s\r\nTo: <sip:%[3]s@%[1]s>\r\nCall-ID: %[4]s\r\nCSeq: 1 REGISTER\r\nContact: <sip:x@%[2]s>\r\nExpires: 60\r\n%[5]sContent-Length: 0\r\n\r\n",
		lab.PBXAddress, from, user, callID, headers)
}

// flood forges guesses from all these senders in turn, at a rate, until the
// context ends, and returns how many it sent.
func (f *forger) flood(ctx context.Context, rate int, account string, from ...netip.AddrPort) int {
	start, sent := time.Now(), 0
	for ctx.Err() == nil {
		for due := int(time.Since(start).Seconds() * float64(rate)); sent < due && ctx.Err() == nil; sent++ {
			sender := from[sent%len(from)]
			f.send(sender, f.guess(sender, account))
		}
		time.Sleep(time.Millisecond)
	}
	return sent
}
