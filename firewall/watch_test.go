package firewall

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"
)

// begins is what the packets that are copied begin with.
const begins = "SIP/2.0 40"

// refusalTo is a packet that is copied, of the usual size: with smaller ones the
// socket's buffer is full before the queue for an unknown neighbour is.
func refusalTo(nonce string) string { return begins + "1 " + nonce + strings.Repeat(" ", 300) }

// seen collects the packets that a Watch delivers.
type seen struct {
	mu   sync.Mutex
	list []string
}

func (s *seen) add(p Packet) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.list = append(s.list, p.To.String()+" "+strings.TrimSpace(string(p.Payload)))
}

func (s *seen) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return strings.Join(s.list, ", ")
}

func openWatch(t *testing.T, l *lab) (*Watch, *seen) {
	t.Helper()
	w, err := OpenWatch(Config{NetNS: l.pbx}, begins)
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

// Packets that begin as wanted are seen as they leave, and not those that a ban
// or a dropped flow keeps from being sent.
func TestPacketsAreSeen(t *testing.T) {
	l := newLab(t)
	k := openKernel(t, l, Config{})
	w, got := openWatch(t, l)
	must(t, w.DropFlow(time.Hour, netip.MustParseAddrPort("198.51.100.8:5061"))) // nor those
	must(t, k.Ban(time.Now(), Ban{Prefix: netip.MustParsePrefix("198.51.100.9/32"), Scope: SIP}))
	for i, to := range []string{"198.51.100.8:5061", "198.51.100.9:5061", "198.51.100.7:5061", "[2001:db8:a::7]:5071"} {
		_, _ = l.in.WriteToUDPAddrPort([]byte(refusalTo(fmt.Sprintf("1/nonce%d", i))), netip.MustParseAddrPort(to)) // to the banned one it fails
	}
	_, _ = l.in.WriteToUDPAddrPort([]byte(strings.Replace(refusalTo("1/n"), "401", "200", 1)), netip.MustParseAddrPort("198.51.100.7:5061"))
	const want = "198.51.100.7:5061 SIP/2.0 401 1/nonce2, [2001:db8:a::7]:5071 SIP/2.0 401 1/nonce3"
	for deadline := time.Now().Add(2 * time.Second); got.String() != want && time.Now().Before(deadline); {
		time.Sleep(time.Millisecond)
	}
	time.Sleep(20 * time.Millisecond)
	if got.String() != want {
		t.Errorf("seen: %s\nwant: %s", got, want)
	}
	must(t, CheckWatch(Config{NetNS: l.pbx})) // beside it
	if _, err := OpenWatch(Config{NetNS: l.pbx, Name: "other"}, begins); !errors.Is(err, ErrNoLog) || !strings.Contains(err.Error(), "another program") {
		t.Errorf("a second reader: %v", err)
	}
}

// When packets come faster than they are read, Run says that some were missed and
// goes on delivering.
func TestMissedPacketsAreReported(t *testing.T) {
	l := newLab(t)
	w, err := OpenWatch(Config{NetNS: l.pbx}, begins)
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
	must(t, w.Run(ctx, func(p Packet) {
		switch {
		case !p.To.IsValid():
			lost++
		case string(p.Payload) == refusalTo("1/late"):
			cancel()
		default:
			seen++
		}
	}))
	late.Wait()
	if !errors.Is(ctx.Err(), context.Canceled) || lost == 0 || seen == 0 {
		t.Errorf("%d reports of missed packets, %d packets before, and then %v", lost, seen, ctx.Err())
	}
	t.Logf("%d of 40000 seen, %d reports of missed ones", seen, lost)
}

// An error of the log is returned, and that packets are missed is reported.
func TestLogFails(t *testing.T) {
	l := newLab(t)
	w, err := OpenWatch(Config{NetNS: l.pbx}, begins)
	if errors.Is(err, ErrNoLog) {
		t.Skipf("needs NFLOG in the kernel: %v", err)
	}
	must(t, err)
	must(t, w.log.Close())
	lost := 0
	err = w.Run(t.Context(), func(p Packet) {
		if !p.To.IsValid() {
			lost++
		}
	})
	if err == nil || lost != 1 {
		t.Errorf("%v, %d reports of missed packets", err, lost)
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
	// Somebody flushes the ruleset: the next flow brings the table back.
	l.nft(t, "flush", "ruleset")
	must(t, w.DropFlow(time.Hour, netip.MustParseAddrPort("198.51.100.7:5061")))
	if l.arrives(t, netip.MustParseAddr("198.51.100.7")) {
		t.Error("not dropped after a flush of the ruleset")
	}
}

// A flow is dropped until its time is over, whatever happens to the daemon and the
// table.
func TestFlowsOutliveTheDaemon(t *testing.T) {
	l := newLab(t)
	stale := []netip.Addr{netip.MustParseAddr("198.51.100.7"), netip.MustParseAddr("2001:db8:a::7")}
	dropped := func(when string) {
		t.Helper()
		for _, addr := range stale {
			if l.arrives(t, addr) || l.answer(t, addr) {
				t.Errorf("%s: %s gets through", when, addr)
			}
			if !l.arrives(t, addr.Next()) {
				t.Errorf("%s: its neighbour is dropped", when)
			}
		}
	}
	open := func() *Watch {
		t.Helper()
		w, err := OpenWatch(Config{NetNS: l.pbx}, begins)
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

// ip4 is a packet to 198.51.100.7:5061.
func ip4(payload string) []byte {
	b := []byte{0x45, 0, 0, 0, 0, 0, 0x40, 0, 64, 17, 0, 0, 192, 0, 2, 1, 198, 51, 100, 7, 0x13, 0xc4, 0x13, 0xc5, 0, 0, 0, 0}
	return append(b, payload...)
}

func TestReadUDP(t *testing.T) {
	changed := func(at int, to byte) []byte {
		b := ip4("hello")
		b[at] = to
		return b
	}
	ip6 := append(append([]byte{0x60, 0, 0, 0, 0, 0, 17, 64}, make([]byte, 31)...), 1, 0x13, 0xc4, 0x13, 0xc5, 0, 0, 0, 0, 'h', 'i')
	for name, tc := range map[string]struct {
		packet []byte
		want   string // "": none
	}{
		"IPv4":                {ip4("hello"), "198.51.100.7:5061 hello"},
		"IPv4 with options":   {append(append(changed(0, 0x46)[:20:20], 1, 1, 1, 1), ip4("hello")[20:]...), "198.51.100.7:5061 hello"},
		"IPv6":                {ip6, "[::1]:5061 hi"},
		"no payload":          {ip4(""), "198.51.100.7:5061 "},
		"empty":               {nil, ""},
		"truncated":           {ip4("")[:27], ""},
		"truncated IPv6":      {ip6[:39], ""},
		"IPv5":                {changed(0, 0x55), ""},
		"header too short":    {changed(0, 0x44), ""},
		"header too long":     {changed(0, 0x4f), ""},
		"first fragment":      {changed(6, 0x20), ""},
		"later fragment":      {changed(7, 1), ""},
		"TCP":                 {changed(9, 6), ""},
		"IPv6 with extension": {append([]byte{0x60, 0, 0, 0, 0, 0, 44, 64}, ip6[8:]...), ""},
	} {
		to, payload, ok := readUDP(tc.packet)
		if got := fmt.Sprintf("%s %s", to, payload); ok != (tc.want != "") || ok && got != tc.want {
			t.Errorf("%s: %q, %v, want %q", name, got, ok, tc.want)
		}
	}
}

// No message of the kernel breaks anything, and no payload is longer than the
// message.
func FuzzPacket(f *testing.F) {
	for _, payload := range []string{"", refusalTo("1/abc")} {
		b := append([]byte{0, 0, 0, 0, 0, 0, 9, 0}, ip4(payload)...)
		n := len(b) - 4
		b[4], b[5] = byte(n), byte(n>>8)
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		readLogged(noon, data, func(p Packet) {
			if len(p.Payload) > len(data) || !p.To.Addr().IsValid() || p.At != noon {
				t.Errorf("packet to %s of %d bytes in %d", p.To, len(p.Payload), len(data))
			}
		})
	})
}

// Whatever others do to the table is found, and Restore undoes it.
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
