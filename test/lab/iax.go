package lab

import (
	"cmp"
	"context"
	"crypto/md5"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"slices"
	"sync/atomic"
	"time"
)

// IAXGuesser guesses the password of one account of chan_iax2 over UDP (RFC 5456
// section 6.1): each guess is a registration of its own, with a wrong answer to the
// challenge that it gets.
type IAXGuesser struct {
	Host    *Host
	Account string
	Port    uint16 // of the PBX; 0: 4569
	Rate    int    // guesses per second
	Most    int    // guesses in all, at most 30,000
}

// Frame types, subclasses and information elements of IAX2 (RFC 5456 sections 8.2,
// 8.4 and 8.6).
const (
	iaxControl       = 4
	iaxControlHangup = 0x01
	iaxFrame         = 6

	iaxNew     = 0x01
	iaxAck     = 0x04
	iaxHangup  = 0x05
	iaxReject  = 0x06
	iaxAccept  = 0x07
	iaxAuthReq = 0x08
	iaxAuthRep = 0x09
	iaxInval   = 0x0a
	iaxRegReq  = 0x0d
	iaxRegAuth = 0x0e
	iaxRegAck  = 0x0f
	iaxRegRej  = 0x10
	iaxToken   = 0x28

	iaxCalled     = 1
	iaxUsername   = 6
	iaxCapability = 8
	iaxFormat     = 9
	iaxVersion    = 11
	iaxChallenge  = 15
	iaxMD5        = 16
	iaxRefresh    = 19
	iaxCause      = 22
	iaxCallToken  = 54
)

// iaxULaw is the codec of all calls.
var iaxULaw = []byte{0, 0, 0, 4}

// iaxPacket is a full frame of type IAX.
type iaxPacket struct {
	source, dest uint16
	out, in      byte // sequence numbers
	subclass     byte
	elements     map[byte][]byte

	at    time.Duration // since the dialog began
	stamp uint32        // of an acknowledgement: that of what it is for
}

func (p iaxPacket) bytes() []byte {
	b := binary.BigEndian.AppendUint16(nil, p.source|0x8000)
	b = binary.BigEndian.AppendUint16(b, p.dest)
	stamp := p.stamp
	if stamp == 0 {
		stamp = uint32(p.at.Milliseconds()) + uint32(p.out) + 1
	}
	b = binary.BigEndian.AppendUint32(b, stamp)
	b = append(b, p.out, p.in, iaxFrame, p.subclass)
	for _, id := range slices.SortedFunc(maps.Keys(p.elements), versionFirst) {
		v := p.elements[id]
		b = append(append(b, id, byte(len(v))), v...)
	}
	return b
}

// versionFirst orders the elements of a packet: a NEW begins with the version (RFC 5456
// section 6.2.2).
func versionFirst(a, b byte) int {
	switch {
	case a == iaxVersion:
		return -1
	case b == iaxVersion:
		return 1
	}
	return cmp.Compare(a, b)
}

func parseIAX(b []byte) (p iaxPacket, err error) {
	if len(b) < 12 || b[0]&0x80 == 0 || b[10] != iaxFrame {
		return p, errors.New("no full frame of type IAX")
	}
	p = iaxPacket{
		source: binary.BigEndian.Uint16(b) &^ 0x8000, dest: binary.BigEndian.Uint16(b[2:]) &^ 0x8000,
		out: b[8], in: b[9], subclass: b[11], elements: map[byte][]byte{}, stamp: binary.BigEndian.Uint32(b[4:]),
	}
	for b = b[12:]; len(b) >= 2; {
		n := int(b[1])
		if len(b) < 2+n {
			return p, errors.New("an element is cut off")
		}
		p.elements[b[0]] = b[2 : 2+n]
		b = b[2+n:]
	}
	return p, nil
}

// Run guesses until the context ends or Most guesses are made.
func (g IAXGuesser) Run(ctx context.Context) (Guesses, error) {
	if g.Rate <= 0 || g.Most <= 0 || g.Most > 30_000 {
		return Guesses{}, errors.New("guess: the rate and the number of guesses must be positive and fit")
	}
	conn, err := g.Host.ListenUDP(netip.AddrPortFrom(g.Host.Source(), 0))
	if err != nil {
		return Guesses{}, fmt.Errorf("guess: %w", err)
	}
	port := g.Port
	if port == 0 {
		port = 4569
	}
	r := &iaxGuessing{IAXGuesser: g, conn: conn, pbx: netip.AddrPortFrom(pbxAt(g.Host.Source()).Addr(), port), answered: map[uint16]bool{}}
	listened := make(chan struct{})
	go func() { defer close(listened); r.listen() }()
	err = r.send(ctx)
	if err == nil {
		time.Sleep(patience)
	}
	conn.Close()
	<-listened
	return Guesses{Sent: int(r.sent.Load()), Answered: len(r.answered), Last: r.last}, err
}

// iaxGuessing is one run: the caller's goroutine begins guesses, another one carries
// them on.
type iaxGuessing struct {
	IAXGuesser
	conn *net.UDPConn
	pbx  netip.AddrPort
	sent atomic.Int64 // guesses, not what comes before them

	answered map[uint16]bool // the listener's until it has ended
	last     time.Time
}

func (r *iaxGuessing) send(ctx context.Context) error {
	tick := time.NewTicker(time.Second / time.Duration(r.Rate))
	defer tick.Stop()
	for call := 1; call <= r.Most; call++ {
		first := iaxPacket{source: uint16(call), subclass: iaxRegReq, elements: map[byte][]byte{iaxUsername: []byte(r.Account), iaxRefresh: {0, 60}}}
		if err := r.write(first); err != nil {
			return err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
	}
	return nil
}

func (r *iaxGuessing) write(p iaxPacket) error {
	_, err := r.conn.WriteToUDPAddrPort(p.bytes(), r.pbx)
	return err
}

// listen answers challenges and counts what comes of that, until the socket is
// closed.
func (r *iaxGuessing) listen() {
	buf := make([]byte, 4096)
	for {
		n, err := r.conn.Read(buf)
		if errors.Is(err, net.ErrClosed) {
			return
		}
		p, perr := parseIAX(buf[:n])
		if err != nil || perr != nil {
			continue
		}
		switch p.subclass {
		case iaxRegAuth:
			guess := md5.Sum(append(p.elements[iaxChallenge], fmt.Sprintf("wrong-%d", p.dest)...))
			r.sent.Add(1)
			_ = r.write(iaxPacket{ // what is lost counts as not answered
				source: p.dest, dest: p.source, out: 1, in: p.out + 1, subclass: iaxRegReq,
				elements: map[byte][]byte{iaxUsername: []byte(r.Account), iaxRefresh: {0, 60}, iaxMD5: fmt.Appendf(nil, "%x", guess)},
			})
		case iaxRegRej, iaxRegAck:
			r.answered[p.dest], r.last = true, time.Now()
			_ = r.write(iaxPacket{source: p.dest, dest: p.source, out: p.in, in: p.out + 1, subclass: iaxAck})
		}
	}
}
