package firewall

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// refusalTo is a 401 as PJSIP and chan_sip write it.
func refusalTo(nonce string) string {
	return "SIP/2.0 401 Unauthorized\r\nVia: SIP/2.0/UDP 198.51.100.7:5061;rport=5061;received=198.51.100.7;branch=z9hG4bK1\r\n" +
		"Call-ID: a\r\nCSeq: 1 REGISTER\r\nWWW-Authenticate: Digest realm=\"a \\\"nonce=\\\"lie\\\"\", algorithm=MD5,nonce=\"" + nonce +
		"\",opaque=\"0\",qop=\"auth\"\r\nContent-Length: 0\r\n\r\n"
}

// seen collects the challenges that a Watch tells of.
type seen struct {
	mu   sync.Mutex
	list []string
}

func (s *seen) add(c Challenge) {
	s.mu.Lock()
	defer s.mu.Unlock()
	word := c.To.String() + " " + string(c.Nonce)
	if len(c.For) != 1 || c.For[0] != c.To.Addr() {
		word += fmt.Sprint(" of ", c.For)
	}
	s.list = append(s.list, word)
}

func (s *seen) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return strings.Join(s.list, ", ")
}

func openWatch(t *testing.T, l *lab) (*Watch, *seen) {
	t.Helper()
	w, err := OpenWatch(Config{NetNS: l.pbx})
	if errors.Is(err, ErrNoLog) {
		t.Skipf("needs NFLOG in the kernel: %v", err)
	}
	must(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	s := &seen{}
	go func() { done <- w.Run(ctx, s.add) }()
	t.Cleanup(func() {
		cancel()
		must(t, <-done)
		must(t, w.Close())
	})
	return w, s
}

// The nonces are learnt from the wire, and not those that a ban kept from being
// sent.
func TestChallengesAreSeen(t *testing.T) {
	l := newLab(t)
	k := openKernel(t, l, Config{})
	w, got := openWatch(t, l)
	must(t, w.DropFlow(time.Hour, netip.MustParseAddrPort("198.51.100.8:5061"))) // nor those
	must(t, k.Ban(time.Now(), Ban{Prefix: netip.MustParsePrefix("198.51.100.9/32"), Scope: SIP}))
	for i, to := range []string{"198.51.100.8:5061", "198.51.100.9:5061", "198.51.100.7:5061", "[2001:db8:a::7]:5071"} {
		_, _ = l.in.WriteToUDPAddrPort([]byte(refusalTo(fmt.Sprintf("1/nonce%d", i))), netip.MustParseAddrPort(to)) // to the banned one it fails
	}
	_, _ = l.in.WriteToUDPAddrPort([]byte(strings.Replace(refusalTo("1/n"), "401", "200", 1)), netip.MustParseAddrPort("198.51.100.7:5061"))
	const want = "198.51.100.7:5061 1/nonce2, [2001:db8:a::7]:5071 1/nonce3 of [198.51.100.7]"
	for deadline := time.Now().Add(2 * time.Second); got.String() != want && time.Now().Before(deadline); {
		time.Sleep(time.Millisecond)
	}
	time.Sleep(20 * time.Millisecond)
	if got.String() != want {
		t.Errorf("seen: %s\nwant: %s", got, want)
	}
	must(t, CheckWatch(Config{NetNS: l.pbx})) // beside it
	if _, err := OpenWatch(Config{NetNS: l.pbx, Name: "other"}); !errors.Is(err, ErrNoLog) || !strings.Contains(err.Error(), "another program") {
		t.Errorf("a second reader: %v", err)
	}
}

// When challenges come faster than they are read, it is told that some were not
// seen, and the others go on coming.
func TestLostChallengesAreTold(t *testing.T) {
	l := newLab(t)
	w, err := OpenWatch(Config{NetNS: l.pbx})
	if errors.Is(err, ErrNoLog) {
		t.Skipf("needs NFLOG in the kernel: %v", err)
	}
	must(t, err)
	defer func() { must(t, w.Close()) }()
	send := func(nonce string) {
		_, _ = l.in.WriteToUDPAddrPort([]byte(refusalTo(nonce)), netip.MustParseAddrPort("198.51.100.7:5061"))
	}
	for range 40_000 {
		send("1/early")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	var late sync.WaitGroup
	late.Go(func() {
		for ; ctx.Err() == nil; time.Sleep(10 * time.Millisecond) {
			send("1/late")
		}
	})
	lost, seen := 0, 0
	must(t, w.Run(ctx, func(c Challenge) {
		switch {
		case !c.To.IsValid():
			lost++
		case string(c.Nonce) == "1/late":
			cancel()
		default:
			seen++
		}
	}))
	late.Wait()
	if !errors.Is(ctx.Err(), context.Canceled) || lost == 0 || seen == 0 {
		t.Errorf("told %d times of losses, saw %d challenges before, and then %v", lost, seen, ctx.Err())
	}
	t.Logf("%d of 40000 seen, told %d times that some were lost", seen, lost)
}

// An error of the log is told, and that challenges are missed from then on.
func TestLogFails(t *testing.T) {
	l := newLab(t)
	w, err := OpenWatch(Config{NetNS: l.pbx})
	if errors.Is(err, ErrNoLog) {
		t.Skipf("needs NFLOG in the kernel: %v", err)
	}
	must(t, err)
	must(t, w.log.Close())
	lost := 0
	err = w.Run(t.Context(), func(c Challenge) {
		if !c.To.IsValid() {
			lost++
		}
	})
	if err == nil || lost != 1 {
		t.Errorf("%v, told %d times of losses", err, lost)
	}
	w.log = nil
	must(t, w.Close())
}

// A flow that is dropped is one port of one address, in both directions.
func TestFlowsAreDropped(t *testing.T) {
	l := newLab(t)
	w, _ := openWatch(t, l)
	for _, a := range []string{"198.51.100.7", "2001:db8:a::7"} {
		addr := netip.MustParseAddr(a)
		if !l.arrives(t, addr) || !l.answer(t, addr) {
			t.Fatalf("%s: dropped before", a)
		}
		must(t, w.DropFlow(time.Hour, netip.AddrPortFrom(addr, 5062))) // a neighbour's
		if !l.arrives(t, addr) || !l.answer(t, addr) {
			t.Errorf("%s: dropped for another port", a)
		}
		must(t, w.DropFlow(300*time.Millisecond, netip.AddrPortFrom(addr, 5061))) // the port that the lab forges
		if l.arrives(t, addr) || l.answer(t, addr) {
			t.Errorf("%s: not dropped", a)
		}
		if !l.arrivesAt(t, l.other, addr) || !l.arrives(t, addr.Next()) {
			t.Errorf("%s: more is dropped than SIP of one flow", a)
		}
		time.Sleep(400 * time.Millisecond)
		if !l.arrives(t, addr) {
			t.Errorf("%s: dropped after its time", a)
		}
	}
	// Somebody flushes the ruleset: the next order makes the table anew.
	l.nft(t, "flush", "ruleset")
	must(t, w.DropFlow(time.Hour, netip.MustParseAddrPort("198.51.100.7:5061")))
	if l.arrives(t, netip.MustParseAddr("198.51.100.7")) {
		t.Error("not dropped after a flush of the ruleset")
	}
}

// A flow is dropped until its time is over, whatever becomes of the daemon and
// of the table.
func TestFlowsOutliveTheDaemon(t *testing.T) {
	l := newLab(t)
	stale := []netip.Addr{netip.MustParseAddr("198.51.100.7"), netip.MustParseAddr("2001:db8:a::7")}
	dropped := func(when string) {
		t.Helper()
		for _, addr := range stale {
			if l.arrives(t, addr) || l.answer(t, addr) {
				t.Errorf("%s: %s is let through", when, addr)
			}
			if !l.arrives(t, addr.Next()) {
				t.Errorf("%s: its neighbour is dropped", when)
			}
		}
	}
	open := func() *Watch {
		t.Helper()
		w, err := OpenWatch(Config{NetNS: l.pbx})
		if err != nil && !errors.Is(err, ErrNoLog) {
			t.Fatal(err)
		}
		return w
	}
	w := open()
	for _, addr := range stale {
		must(t, w.DropFlow(time.Hour, netip.AddrPortFrom(addr, 5061)))
		must(t, w.DropFlow(10*time.Millisecond, netip.AddrPortFrom(addr, 5062)))
	}
	must(t, w.Close())
	dropped("without a daemon")
	w = open()
	dropped("after a restart")
	if found, err := w.Verify(); err != nil || len(found) > 0 {
		t.Errorf("after a restart: %s, %v", found, err)
	}
	l.nft(t, "flush", "ruleset")
	must(t, w.Restore())
	dropped("after a flush")
	must(t, w.Close())

	w = open()
	defer func() { must(t, w.Close()) }()
	if len(w.flows) != len(stale) {
		t.Errorf("%d flows are known, want those with time left: %v", len(w.flows), w.flows)
	}
	for flow, until := range w.flows {
		if left := time.Until(until.time()); left > time.Hour || left < 50*time.Minute {
			t.Errorf("%s has %s left of an hour", flow, left)
		}
	}
	must(t, Remove(Config{NetNS: l.pbx}))
	for _, addr := range stale {
		if !l.arrives(t, addr) {
			t.Errorf("%s is dropped after everything was removed", addr)
		}
	}
}

// An answer tells whose request it answers, wherever it goes; where a stranger
// has written the like, whose it may be.
func TestWhoseRequestIsAnswered(t *testing.T) {
	for via, want := range map[string]string{
		"SIP/2.0/UDP 192.0.2.66:5099;rport=5060;maddr=192.0.2.66;received=198.51.100.44;branch=z9hG4bKa":    "[198.51.100.44]",
		"SIP/2.0/UDP host;rport=5060;received=198.51.100.44":                                                "[198.51.100.44]",
		"SIP/2.0/UDP host;received=::ffff:198.51.100.44":                                                    "[198.51.100.44]",
		"SIP/2.0/UDP [::1]:5060;received=2001:db8::1;branch=a;foo=\";Received=192.0.2.1\"":                  "[2001:db8::1]",
		"SIP/2.0/UDP [::1]:5060;received=[2001:db8::1];branch=a":                                            "[2001:db8::1]",
		"SIP/2.0/UDP " + strings.Repeat("a", 30000) + ";received=198.51.100.44":                             "[198.51.100.44]",
		"SIP/2.0/UDP 192.0.2.66;branch=z9hG4bKa":                                                            "[]",
		"SIP/2.0/UDP x;received=z:5099;maddr=192.0.2.66;received=198.51.100.44;branch=a":                    "[invalid IP 198.51.100.44]",
		"SIP/2.0/UDP x;received=;received=198.51.100.44":                                                    "[invalid IP 198.51.100.44]",
		"SIP/2.0/UDP x\r\nA: ;received=192.0.2.9\r\nB: ;received=198.51.100.44;foo=\";received=192.0.2.8\"": "[192.0.2.9 198.51.100.44 invalid IP]",
	} {
		if got := fmt.Sprint(receivedFrom([]byte("SIP/2.0 401 x\r\nVia: " + via + "\r\nFrom: a"))); got != want {
			t.Errorf("%.80s: for %s, want %s", via, got, want)
		}
	}
}

// ip4 is a packet to 198.51.100.7:5061.
func ip4(payload string) []byte {
	b := []byte{0x45, 0, 0, 0, 0, 0, 0x40, 0, 64, 17, 0, 0, 192, 0, 2, 1, 198, 51, 100, 7, 0x13, 0xc4, 0x13, 0xc5, 0, 0, 0, 0}
	return append(b, payload...)
}

func TestChallengesIn(t *testing.T) {
	with := func(headers string) []byte {
		return ip4("SIP/2.0 401 x\r\nVia: SIP/2.0/UDP h;received=198.51.100.7\r\nCSeq: 1 REGISTER\r\n" + headers)
	}
	// written is an answer whose Via a stranger has filled (RFC 3261 25.1, IPv6reference).
	written := func(host string) []byte {
		return ip4(strings.Replace(refusalTo("1/abc"), "198.51.100.7:5061;", host+";", 1))
	}
	for name, tc := range map[string]struct {
		packet []byte
		want   string
	}{
		"a challenge":         {ip4(refusalTo("1/abc")), "198.51.100.7:5061 1/abc"},
		"of a proxy":          {with("proxy-authenticate : Digest nonce = \"1/abc\"\r\n\r\n"), "198.51.100.7:5061 1/abc"},
		"two algorithms":      {with("WWW-Authenticate: Digest nonce=\"1/a\",algorithm=SHA-256\r\nWWW-Authenticate: Digest algorithm=MD5,nonce=1/b\r\n\r\n"), "198.51.100.7:5061 1/a, 198.51.100.7:5061 1/b"},
		"of chan_sip":         {with("WWW-Authenticate: Digest algorithm=MD5, realm=\"asterisk\", nonce=\"4c79d0eb\"\r\n\r\n"), ""},
		"in the body":         {with("\r\nWWW-Authenticate: Digest nonce=\"1/a\"\r\n"), ""},
		"cut":                 {with("WWW-Authenticate: Digest nonce=\"1/a"), ""},
		"another status":      {ip4(strings.Replace(refusalTo("1/abc"), "401", "403", 1)), ""},
		"another parameter":   {with("WWW-Authenticate: Digest cnonce=\"1/a\"\r\n\r\n"), ""},
		"inside a parameter":  {with("WWW-Authenticate: Digest realm=\"nonce=\\\"1/a\\\"\"\r\n\r\n"), ""},
		"too long":            {with("WWW-Authenticate: Digest nonce=\"1/" + strings.Repeat("a", 200) + "\"\r\n\r\n"), ""},
		"no packet":           {nil, ""},
		"a fragment":          {func() []byte { b := ip4(refusalTo("1/abc")); b[6] = 0x20; return b }(), ""},
		"TCP":                 {func() []byte { b := ip4(refusalTo("1/abc")); b[9] = 6; return b }(), ""},
		"before CSeq":         {ip4("SIP/2.0 401 x\r\nWWW-Authenticate: Digest nonce=\"1/a\"\r\nCSeq: 1 REGISTER\r\n\r\n"), ""},
		"a header of his own": {written("x;received=198.51.100.7\r\nWWW-Authenticate: Digest nonce=\"1/his\"\r\nX: y"), "198.51.100.7:5061 1/abc of [198.51.100.7 198.51.100.7]"},
		"an answer of his own": {
			written("x;received=198.51.100.7\r\nCSeq: 1 REGISTER\r\nWWW-Authenticate: Digest nonce=\"1/his\"\r\n\r\n"),
			"198.51.100.7:5061 1/abc of [198.51.100.7 198.51.100.7]",
		},
		"a header alone":    {written("x\r\nWWW-Authenticate: Digest nonce=\"1/his\"\r\nX: y"), "198.51.100.7:5061 1/abc"},
		"no address":        {written("x;received=z:5099;maddr=192.0.2.66"), "198.51.100.7:5061 1/abc of [invalid IP 198.51.100.7]"},
		"another's address": {written("x;received=203.0.113.1"), "198.51.100.7:5061 1/abc of [203.0.113.1 198.51.100.7]"},
		"in other letters":  {written("x;RECEIVED=203.0.113.1\r\ncseq: 1 A\r\nWWW-Authenticate: Digest nonce=\"1/his\"\r\nX: y"), "198.51.100.7:5061 1/abc"},
	} {
		t.Run(name, func(t *testing.T) {
			var got seen
			challengesIn(tc.packet, got.add)
			if got.String() != tc.want {
				t.Errorf("got %q, want %q", got.String(), tc.want)
			}
		})
	}
}

// Whatever the kernel hands over, nothing breaks, and a nonce stands behind the
// last CSeq. Whatever a stranger writes in front of it, and around what PJSIP
// writes into his Via, the nonce is PJSIP's, and who asked among those it is for.
func FuzzChallenge(f *testing.F) {
	head := append([]byte{0, 0, 0, 0, 0, 0, 9, 0}, ip4("")...)
	for _, s := range []string{refusalTo("1/abc"), "SIP/2.0 401 x\r\nCSeq: 1\r\nWWW-Authenticate: Digest nonce=\"\\", "SIP/2.0 407 \r\nCSeq:\r\nProxy-Authenticate:\r\n\r\n"} {
		b := append(append([]byte{}, head...), s...)
		n := len(b) - 4
		b[4], b[5] = byte(n), byte(n>>8)
		f.Add(b)
	}
	f.Add(append([]byte{0, 0, 0, 0, 4, 0, 9, 0}, ip4("")...))
	f.Add([]byte("x;received=198.51.100.7\r\nCSeq: 1 A\r\nWWW-Authenticate: Digest nonce=\"1/his\"\r\n\r\n"))
	f.Add([]byte(";received=z;received="))
	asked := netip.MustParseAddr("198.51.100.44")
	f.Fuzz(func(t *testing.T, data []byte) {
		readLogged(data, func(c Challenge) {
			if len(c.Nonce) == 0 || len(c.Nonce) > min(maxNonce, len(data)) || !c.To.Addr().IsValid() {
				t.Errorf("challenge to %s of %d bytes in %d", c.To, len(c.Nonce), len(data))
			}
			if own := bytes.LastIndex(data, []byte("\r\nCSeq:")); own < 0 || !bytes.Contains(data[own:], c.Nonce) {
				t.Errorf("the nonce %q is not behind CSeq in %q", c.Nonce, data)
			}
		})
		n, stranger := 0, string(data)
		challengesIn(ip4("SIP/2.0 401 Unauthorized\r\nVia: SIP/2.0/UDP "+stranger+":5099;rport=5060;received="+asked.String()+";branch=a;"+stranger+
			"\r\nCall-ID: "+stranger+"\r\nFrom: "+stranger+"\r\nTo: "+stranger+"\r\nCSeq: 1 REGISTER\r\nWWW-Authenticate: Digest realm=\"asterisk\",nonce=\"1/abc\"\r\n\r\n"), func(c Challenge) {
			n++
			if string(c.Nonce) != "1/abc" || !slices.Contains(c.For, asked) {
				t.Errorf("nonce %q for %s", c.Nonce, c.For)
			}
		})
		if n != 1 {
			t.Errorf("%d challenges in one answer", n)
		}
	})
}

// Whatever others do to the table shows, and a restored one is as it was made.
func TestWatchIsVerified(t *testing.T) {
	l := newLab(t)
	w, _ := openWatch(t, l)
	intact := func(when string) {
		t.Helper()
		found, err := w.Verify()
		must(t, err)
		if len(found) > 0 {
			t.Errorf("%s: %s", when, strings.Join(found, "; "))
		}
	}
	must(t, w.DropFlow(time.Hour, netip.MustParseAddrPort("198.51.100.7:5061")))
	intact("with an element")
	for command, want := range map[string]string{
		"flush ruleset":                                             "table inet tollwarden_watch: missing",
		"delete table inet tollwarden_watch":                        "set flows4: missing",
		"flush chain inet tollwarden_watch outgoing":                "chain outgoing: is not as it was made",
		"insert rule inet tollwarden_watch incoming accept":         "chain incoming: is not as it was made",
		"add chain inet tollwarden_watch mine":                      "chain mine: not ours",
		"add chain inet tollwarden_watch incoming { policy drop; }": "chain incoming: is not as it was made",
		"add table inet tollwarden_watch { flags dormant; }":        "table inet tollwarden_watch: is not as it was made",
	} {
		l.nft(t, command)
		found, err := w.Verify()
		must(t, err)
		if !strings.Contains(strings.Join(found, "; "), want) {
			t.Errorf("after %s found %q, want %q", command, found, want)
		}
		must(t, w.Restore())
		intact("restored after " + command)
	}
}
