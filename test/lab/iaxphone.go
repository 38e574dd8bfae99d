package lab

import (
	"context"
	"crypto/md5"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"time"
)

// IAXPhone is a phone that speaks IAX2 (RFC 5456): it registers and calls. It takes
// call tokens (RFC 5457 section 3), which Asterisk asks for by default. Its methods
// may be called from several goroutines.
type IAXPhone struct {
	account, secret string
	conn            *net.UDPConn
	pbx             netip.AddrPort

	mu      sync.Mutex
	last    uint16 // call number
	dialogs map[uint16]*iaxDialog
}

// ErrIAXRefused is Asterisk's refusal of a registration or of a call.
var ErrIAXRefused = errors.New("refused")

// IAXPhone makes a phone at the host. It ends with [IAXPhone.Close].
func (h *Host) IAXPhone(account, secret string) (*IAXPhone, error) {
	conn, err := h.ListenUDP(netip.AddrPortFrom(h.Source(), 0))
	if err != nil {
		return nil, fmt.Errorf("IAX2 phone %s: %w", account, err)
	}
	p := &IAXPhone{
		account: account, secret: secret, conn: conn, dialogs: map[uint16]*iaxDialog{},
		pbx: netip.AddrPortFrom(pbxAt(h.Source()).Addr(), 4569),
	}
	go p.listen()
	return p, nil
}

// Close ends the phone without a word, as a power cut would.
func (p *IAXPhone) Close() error { return p.conn.Close() }

// Local is the address and port that the phone speaks from.
func (p *IAXPhone) Local() netip.AddrPort {
	return p.conn.LocalAddr().(*net.UDPAddr).AddrPort()
}

// Register registers the account for a minute.
func (p *IAXPhone) Register(ctx context.Context) error {
	d := p.dial()
	defer p.forget(d)
	asked := map[byte][]byte{iaxUsername: []byte(p.account), iaxRefresh: {0, 60}}
	answer, err := d.ask(ctx, iaxRegReq, asked)
	if err == nil && answer.subclass == iaxRegAuth {
		asked[iaxMD5] = p.digest(answer)
		answer, err = d.send(ctx, iaxRegReq, asked)
	}
	return iaxOutcome("register "+p.account, answer, err, iaxRegAck)
}

// Call calls a number and returns once the PBX has accepted the call.
func (p *IAXPhone) Call(ctx context.Context, number string) (*IAXCall, error) {
	d := p.dial()
	answer, err := d.ask(ctx, iaxNew, map[byte][]byte{
		iaxVersion: {0, 2}, iaxCalled: []byte(number), iaxUsername: []byte(p.account),
		iaxCapability: iaxULaw, iaxFormat: iaxULaw,
	})
	if err == nil && answer.subclass == iaxAuthReq {
		answer, err = d.send(ctx, iaxAuthRep, map[byte][]byte{iaxMD5: p.digest(answer)})
	}
	if err := iaxOutcome("call "+number, answer, err, iaxAccept); err != nil {
		p.forget(d)
		return nil, err
	}
	return &IAXCall{d}, nil
}

// IAXCall is a call that the PBX has accepted.
type IAXCall struct{ dialog *iaxDialog }

// Ended is closed when the PBX has ended the call.
func (c *IAXCall) Ended() <-chan struct{} { return c.dialog.ended }

func iaxOutcome(what string, answer iaxPacket, err error, good byte) error {
	if err == nil && answer.subclass != good {
		err = fmt.Errorf("%w: %s", ErrIAXRefused, answer.elements[iaxCause])
	}
	if err != nil {
		return fmt.Errorf("%s over IAX2: %w", what, err)
	}
	return nil
}

// digest answers a challenge.
func (p *IAXPhone) digest(challenge iaxPacket) []byte {
	sum := md5.Sum(append(challenge.elements[iaxChallenge], p.secret...))
	return fmt.Appendf(nil, "%x", sum)
}

// iaxDialog is one registration or call.
type iaxDialog struct {
	phone   *IAXPhone
	answers chan iaxPacket // those that need one from the caller
	ended   chan struct{}
	once    sync.Once
	began   time.Time

	mu            sync.Mutex
	local, remote uint16
	out, in       byte // sequence numbers of the next packet each way
}

func (p *IAXPhone) dial() *iaxDialog {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.last++
	d := &iaxDialog{phone: p, local: p.last, answers: make(chan iaxPacket, 8), ended: make(chan struct{}), began: time.Now()}
	p.dialogs[d.local] = d
	return d
}

func (p *IAXPhone) forget(d *iaxDialog) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.dialogs, d.local)
}

// ask sends the first packet of a dialog, and again with the token that it gets.
func (d *iaxDialog) ask(ctx context.Context, subclass byte, elements map[byte][]byte) (iaxPacket, error) {
	elements[iaxCallToken] = nil
	answer, err := d.send(ctx, subclass, elements)
	if err != nil || answer.subclass != iaxToken {
		return answer, err
	}
	d.mu.Lock()
	d.out, d.in, d.remote = 0, 0, 0
	d.mu.Unlock()
	elements[iaxCallToken] = answer.elements[iaxCallToken]
	answer, err = d.send(ctx, subclass, elements)
	delete(elements, iaxCallToken)
	return answer, err
}

// send sends a packet and waits for what the PBX makes of it.
func (d *iaxDialog) send(ctx context.Context, subclass byte, elements map[byte][]byte) (iaxPacket, error) {
	d.mu.Lock()
	packet := iaxPacket{source: d.local, dest: d.remote, out: d.out, in: d.in, subclass: subclass, elements: elements, at: time.Since(d.began)}
	d.out++
	d.mu.Unlock()
	if err := d.phone.write(packet); err != nil {
		return iaxPacket{}, err
	}
	select {
	case answer := <-d.answers:
		return answer, nil
	case <-ctx.Done():
		return iaxPacket{}, fmt.Errorf("%w: %w", ErrNoAnswer, ctx.Err())
	}
}

func (p *IAXPhone) write(packet iaxPacket) error {
	_, err := p.conn.WriteToUDPAddrPort(packet.bytes(), p.pbx)
	return err
}

// listen takes what the PBX sends, until the socket is closed.
func (p *IAXPhone) listen() {
	buf := make([]byte, 4096)
	for {
		n, err := p.conn.Read(buf)
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil || n < 12 || buf[0]&0x80 == 0 { // sound comes in mini frames
			continue
		}
		p.mu.Lock()
		d := p.dialogs[binary.BigEndian.Uint16(buf[2:])&^0x8000]
		p.mu.Unlock()
		if d != nil {
			d.take(append([]byte(nil), buf[:n]...))
		}
	}
}

// take acknowledges a full frame and hands on what is an answer.
func (d *iaxDialog) take(b []byte) {
	if b[10] != iaxFrame {
		d.acknowledge(iaxPacket{source: binary.BigEndian.Uint16(b) &^ 0x8000, out: b[8], stamp: binary.BigEndian.Uint32(b[4:])})
		if b[10] == iaxControl && b[11] == iaxControlHangup {
			d.once.Do(func() { close(d.ended) })
		}
		return
	}
	packet, err := parseIAX(b)
	if err != nil || packet.subclass == iaxAck {
		return
	}
	if packet.subclass != iaxToken {
		d.acknowledge(packet)
	}
	switch packet.subclass {
	case iaxHangup, iaxReject, iaxInval:
		d.once.Do(func() { close(d.ended) })
	case iaxRegAuth, iaxRegAck, iaxRegRej, iaxAuthReq, iaxAccept, iaxToken:
	default:
		return
	}
	select {
	case d.answers <- packet:
	default: // sent again, or nobody asks any more
	}
}

func (d *iaxDialog) acknowledge(packet iaxPacket) {
	d.mu.Lock()
	d.remote, d.in = packet.source, packet.out+1
	ack := iaxPacket{source: d.local, dest: d.remote, out: d.out, in: d.in, subclass: iaxAck, stamp: packet.stamp}
	d.mu.Unlock()
	_ = d.phone.write(ack) // what is lost is asked for again
}
