package firewall

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// request is a packet that is copied when it arrives.
const request = "REGISTER sip:pbx SIP/2.0"

// refusalTo is a packet that is copied, of the usual size: with smaller ones the
// socket's buffer is full before the queue for an unknown neighbour is.
func refusalTo(nonce string) string { return "SIP/2.0 401 " + nonce + strings.Repeat(" ", 300) }

// seen collects the packets that a Watch delivers.
type seen struct {
	mu   sync.Mutex
	list []string
}

func (s *seen) add(p Packet) {
	s.mu.Lock()
	defer s.mu.Unlock()
	remote := p.From
	if p.Direction == Out {
		remote = p.To
	}
	words := fmt.Sprintf("%s %s %s", p.Direction, remote, strings.TrimSpace(string(p.Payload)))
	if p.Truncated {
		words += " truncated"
	}
	s.list = append(s.list, words)
}

// expect fails unless exactly these packets are seen soon, in any order, and
// forgets them.
func (s *seen) expect(t *testing.T, want ...string) {
	t.Helper()
	slices.Sort(want)
	sorted := func() []string {
		s.mu.Lock()
		defer s.mu.Unlock()
		return slices.Sorted(slices.Values(s.list))
	}
	for deadline := time.Now().Add(2 * time.Second); !slices.Equal(sorted(), want) && time.Now().Before(deadline); {
		time.Sleep(time.Millisecond)
	}
	time.Sleep(20 * time.Millisecond)
	if got := sorted(); !slices.Equal(got, want) {
		t.Errorf("seen: %s\nwant: %s", strings.Join(got, ", "), strings.Join(want, ", "))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.list = nil
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

// respond sends from the PBX's SIP port. To a banned address it fails.
func (l *lab) respond(to, payload string) {
	_, _ = l.in.WriteToUDPAddrPort([]byte(payload), netip.MustParseAddrPort(to))
}

// Responses are seen as they leave and requests as they arrive, and not those that
// a ban or a dropped flow holds back.
func TestPacketsAreSeen(t *testing.T) {
	l := newLab(t)
	k := openKernel(t, l, Config{})
	w, got := openWatch(t, l)
	must(t, w.DropFlow(time.Hour, netip.MustParseAddrPort("198.51.100.8:5061"))) // nor those
	must(t, k.Ban(time.Now(), Ban{Prefix: netip.MustParsePrefix("198.51.100.9/32"), Scope: SIP}))
	for i, to := range []string{"198.51.100.8:5061", "198.51.100.9:5061", "198.51.100.7:5061", "[2001:db8:a::7]:5071"} {
		l.respond(to, refusalTo(fmt.Sprintf("1/nonce%d", i)))
	}
	l.respond("198.51.100.7:5061", "SIP/2.0 200 OK")
	l.respond("198.51.100.7:5061", "OPTIONS sip:phone SIP/2.0")
	for _, from := range []string{"198.51.100.8", "198.51.100.9", "198.51.100.7", "2001:db8:a::7"} {
		l.forge(t, netip.MustParseAddr(from), 5060, []byte(request))
	}
	got.expect(t, "out 198.51.100.7:5061 SIP/2.0 401 1/nonce2", "out [2001:db8:a::7]:5071 SIP/2.0 401 1/nonce3",
		"out 198.51.100.7:5061 SIP/2.0 200 OK", "in 198.51.100.7:5061 "+request, "in [2001:db8:a::7]:5061 "+request)
	if c := w.Counts(); c != (WatchCounts{In: 2, Out: 3}) {
		t.Errorf("counted %+v", c)
	}
	must(t, CheckWatch(Config{NetNS: l.pbx})) // beside it
	if _, err := OpenWatch(Config{NetNS: l.pbx, Name: "other"}); !errors.Is(err, ErrNoLog) || !strings.Contains(err.Error(), "another program") {
		t.Errorf("a second reader: %v", err)
	}
}

// What PJSIP may take for a request is seen; keep-alives, responses and what goes
// to another port are not.
func TestRequestsAreSeen(t *testing.T) {
	l := newLab(t)
	_, got := openWatch(t, l)
	phone := netip.MustParseAddr("198.51.100.7")
	for _, payload := range []string{
		"\r\n\r\n", "\x00", "\x00\x00\x00\x00", "\x00\x01\x00\x00\x21\x12\xa4\x42 STUN", "\x80\x08 some audio", "ping",
		"SIP/2.0 200 OK", "",
	} {
		l.forge(t, phone, 5060, []byte(payload))
	}
	l.forge(t, phone, otherPort, []byte(request))
	l.forge(t, phone, 5061, []byte(request))
	for _, payload := range []string{"register sip:pbx SIP/2.0", "\r\nINVITE sip:1@pbx SIP/2.0", "!NAME sip:pbx SIP/2.0", "ACK a:b c", "\x01\tBYE a:b c"} {
		l.forge(t, phone, 5060, []byte(payload))
	}
	got.expect(t, "in 198.51.100.7:5061 "+request, "in 198.51.100.7:5061 register sip:pbx SIP/2.0",
		"in 198.51.100.7:5061 INVITE sip:1@pbx SIP/2.0", "in 198.51.100.7:5061 !NAME sip:pbx SIP/2.0", "in 198.51.100.7:5061 ACK a:b c", "in 198.51.100.7:5061 \x01\tBYE a:b c")
}

// Messages larger than a packet are seen whole, but for IPv6 requests that nothing
// reassembles before the watch.
func TestFragmentsAreSeen(t *testing.T) {
	l := newLab(t)
	w, err := OpenWatch(Config{NetNS: l.pbx})
	if errors.Is(err, ErrNoLog) {
		t.Skipf("needs NFLOG in the kernel: %v", err)
	}
	must(t, err)
	packets := make(chan Packet, 16)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() {
		done <- w.Run(ctx, func(p Packet) {
			p.Payload = bytes.Clone(p.Payload)
			packets <- p
		})
	}()
	defer func() { cancel(); must(t, <-done); must(t, w.Close()) }()
	message := []byte(request + strings.Repeat(" padding", 7_000) + " end")
	response := []byte("SIP/2.0 401 " + strings.Repeat(" padding", 7_000) + " end")
	expect := func(when string, direction Direction, local netip.AddrPort, want []byte, truncated bool) {
		t.Helper()
		select {
		case p := <-packets:
			at := p.To
			if p.Direction == Out {
				at = p.From
			}
			if p.Direction != direction || at != local || p.Truncated != truncated || !truncated && !bytes.Equal(p.Payload, want) || len(p.Payload) < 1_000 || !bytes.HasPrefix(want, p.Payload) {
				t.Errorf("%s: %s at %s, %d of %d bytes, truncated %v", when, p.Direction, at, len(p.Payload), len(want), p.Truncated)
			}
		case <-time.After(2 * time.Second):
			t.Errorf("%s: not seen", when)
		}
	}
	for _, tracked := range []bool{false, true} {
		if tracked {
			l.nft(t, "add", "table", "inet", "host")
			l.nft(t, "add", "chain", "inet", "host", "in", "{ type filter hook input priority 0 ; }")
			l.nft(t, strings.Fields("add rule inet host in ct state established accept")...)
		}
		for _, street := range []string{"192.0.2.2", "2001:db8:1::2"} {
			when := fmt.Sprintf("%s, conntrack %v", street, tracked)
			from := netip.MustParseAddr(street)
			local := netip.AddrPortFrom(pbx4, 5060)
			if from.Is6() {
				local = netip.AddrPortFrom(pbx6, 5060)
			}
			_, err := l.dial(t, "udp", street, local.String()).Write(message)
			must(t, err)
			expect("request from "+when, In, local, message, from.Is6() && !tracked)
			_, err = l.in.WriteToUDPAddrPort(response, netip.AddrPortFrom(from, 5062))
			must(t, err)
			expect("response to "+when, Out, local, response, false)
		}
	}
	if len(packets) > 0 {
		t.Errorf("%d packets more", len(packets))
	}
}

// The daemon restarts while packets go past: what the table of its last run copies
// does not keep it from reading them.
func TestWatchRestartsUnderLoad(t *testing.T) {
	l := newLab(t)
	ctx, cancel := context.WithCancel(t.Context())
	var load sync.WaitGroup
	load.Go(func() {
		for ctx.Err() == nil {
			l.respond("198.51.100.7:5061", refusalTo("1/n"))
		}
	})
	defer func() { cancel(); load.Wait() }()
	for i := range 30 {
		w, err := OpenWatch(Config{NetNS: l.pbx})
		if i == 0 && errors.Is(err, ErrNoLog) {
			t.Skipf("needs NFLOG in the kernel: %v", err)
		}
		if err != nil {
			t.Errorf("start %d: %v", i+1, err)
		}
		must(t, w.Close())
	}
}

// Other ports are watched from one packet to the next, and flows stay dropped.
func TestWatchSetPorts(t *testing.T) {
	l := newLab(t)
	w, got := openWatch(t, l)
	phone, stale := netip.MustParseAddr("198.51.100.7"), netip.MustParseAddr("198.51.100.8")
	must(t, w.DropFlow(time.Hour, netip.AddrPortFrom(stale, 5061)))
	other := fmt.Sprintf("%d", otherPort)
	watched := func(when string, sip, rest bool) {
		t.Helper()
		var want []string
		for port, copied := range map[uint16]bool{5060: sip, otherPort: rest} {
			l.forge(t, phone, port, fmt.Appendf(nil, "%s for %d", request, port))
			if copied {
				want = append(want, fmt.Sprintf("in %s:5061 %s for %d", phone, request, port))
			}
		}
		for from, copied := range map[*net.UDPConn]bool{l.in: sip, l.other: rest} {
			_, err := from.WriteToUDPAddrPort([]byte("SIP/2.0 200 OK"), netip.AddrPortFrom(phone, 5061))
			must(t, err)
			if copied {
				want = append(want, fmt.Sprintf("out %s:5061 SIP/2.0 200 OK", phone))
			}
		}
		got.expect(t, want...)
		if passes := l.arrives(t, stale); passes == sip {
			t.Errorf("%s: the flow passes to port 5060: %v", when, passes)
		}
		if passes := l.arrivesAt(t, l.other, stale); passes == rest {
			t.Errorf("%s: the flow passes to port %s: %v", when, other, passes)
		}
		if found, err := w.Verify(); err != nil || len(found) > 0 {
			t.Errorf("%s: %q, %v", when, found, err)
		}
	}
	watched("at first", true, false)
	must(t, w.SetPorts([]uint16{otherPort}))
	watched("on another port", false, true)
	for _, ports := range [][]uint16{nil, {0}, make([]uint16, MaxSIPPorts+1)} {
		if err := w.SetPorts(ports); !errors.Is(err, ErrInvalid) {
			t.Errorf("ports %v: %v", ports, err)
		}
	}
	watched("after invalid ports", false, true)
	must(t, w.Restore())
	watched("restored", false, true)
	l.nft(t, "flush", "ruleset")
	must(t, w.SetPorts([]uint16{5060, otherPort}))
	watched("of a lost table", true, true)
}

// When packets come faster than they are read, Run says that some were missed and
// goes on delivering.
func TestMissedPacketsAreReported(t *testing.T) {
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
	w, err := OpenWatch(Config{NetNS: l.pbx})
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
		must(t, w.DropFlow(300*time.Millisecond, netip.AddrPortFrom(addr, 5061)))
		must(t, w.DropFlow(time.Hour, netip.AddrPortFrom(addr, 5061)))
		time.Sleep(400 * time.Millisecond)
		if l.arrives(t, addr) {
			t.Errorf("%s: dropped again, but only for the time of before", a)
		}
		must(t, w.DropFlow(0, netip.AddrPortFrom(addr, 5061)))
		if !l.arrives(t, addr) || !l.answer(t, addr) {
			t.Errorf("%s: dropped after it was lifted", a)
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
	for flow, until := range w.Flows() {
		if left := time.Until(until); left > time.Hour || left < 50*time.Minute {
			t.Errorf("%s has %s left of an hour", flow, left)
		}
		must(t, w.DropFlow(0, flow))
		if !l.arrives(t, flow.Addr()) {
			t.Errorf("%s is dropped after it was lifted", flow)
		}
		must(t, w.DropFlow(time.Hour, flow))
	}
	must(t, Remove(Config{NetNS: l.pbx}))
	for _, addr := range stale {
		if !l.arrives(t, addr) {
			t.Errorf("%s is dropped after everything was removed", addr)
		}
	}
}

// udp is a UDP packet from port 5060 to 5061, without a checksum.
func udp(payload string) []byte {
	b := binary.BigEndian.AppendUint16([]byte{0x13, 0xc4, 0x13, 0xc5}, uint16(8+len(payload)))
	return append(append(b, 0, 0), payload...)
}

// ip4 is a packet from 192.0.2.1:5060 to 198.51.100.7:5061.
func ip4(payload string) []byte {
	b := []byte{0x45, 0, 0, 0, 0, 0, 0x40, 0, 64, 17, 0, 0, 192, 0, 2, 1, 198, 51, 100, 7}
	b = append(b, udp(payload)...)
	binary.BigEndian.PutUint16(b[2:], uint16(len(b)))
	return b
}

// ip6 is a packet from [2001:db8::1]:5060 to [::1]:5061 with headers behind the
// first, each without the field that says what follows.
func ip6(payload string, headers ...header) []byte {
	b := append([]byte{0x60, 0, 0, 0, 0, 0, 17, 64, 0x20, 1, 0xd, 0xb8}, make([]byte, 11)...)
	b = append(append(b, 1), make([]byte, 15)...)
	b = append(b, 1)
	next := 6
	for _, h := range headers {
		b[next] = h.kind
		next = len(b)
		b = append(append(b, 17), h.rest...)
	}
	b = append(b, udp(payload)...)
	binary.BigEndian.PutUint16(b[4:], uint16(len(b)-40))
	return b
}

type header struct {
	kind byte
	rest []byte
}

func TestReadUDP(t *testing.T) {
	changed := func(b []byte, at int, to ...byte) []byte {
		copy(b[at:], to)
		return b
	}
	options := header{60, make([]byte, 7)}
	const to4, to6 = "192.0.2.1:5060 198.51.100.7:5061", "[2001:db8::1]:5060 [::1]:5061"
	for name, tc := range map[string]struct {
		packet []byte
		want   string // "": none
	}{
		"IPv4":                     {ip4("hello"), to4 + " hello"},
		"IPv4 with options":        {append(append(changed(ip4("hello"), 0, 0x46, 0, 0, 37)[:20:20], 1, 1, 1, 1), ip4("hello")[20:]...), to4 + " hello"},
		"no payload":               {ip4(""), to4 + " "},
		"empty":                    {nil, ""},
		"cut by the log":           {ip4("hello")[:31], to4 + " hel truncated"},
		"cut in the UDP header":    {ip4("")[:27], ""},
		"first fragment":           {changed(changed(ip4("hello"), 6, 0x20), 24, 0, 99), to4 + " hello truncated"},
		"later fragment":           {changed(ip4("hello"), 7, 1), ""},
		"more than UDP says":       {changed(ip4("hello"), 24, 0, 10), to4 + " he"},
		"more than IP says":        {changed(ip4("hello"), 2, 0, 30, 0, 0, 0, 0), ""},
		"less than UDP says":       {changed(ip4("hello"), 24, 0, 14), ""},
		"UDP of no length":         {changed(ip4("hello"), 24, 0, 0), ""},
		"UDP of 7 bytes":           {changed(ip4("hello"), 24, 0, 7), ""},
		"IPv5":                     {changed(ip4("hello"), 0, 0x55), ""},
		"header too short":         {changed(ip4("hello"), 0, 0x44), ""},
		"header too long":          {changed(ip4("hello"), 0, 0x4f), ""},
		"shorter than its header":  {changed(ip4("hello"), 2, 0, 19), ""},
		"TCP":                      {changed(ip4("hello"), 9, 6), ""},
		"IPv6":                     {ip6("hi"), to6 + " hi"},
		"IPv6 cut by the log":      {ip6("hi")[:49], to6 + " h truncated"},
		"IPv6 cut in its header":   {ip6("hi")[:39], ""},
		"IPv6 without UDP length":  {changed(ip6("hi"), 44, 0, 0), to6 + " hi"},
		"IPv6 with options":        {ip6("hi", options, header{0, append([]byte{1}, make([]byte, 14)...)}, options), to6 + " hi"},
		"IPv6 first fragment":      {changed(ip6("hi", options, header{44, []byte{0, 0, 1, 0, 0, 0, 1}}), 60, 0, 99), to6 + " hi truncated"},
		"IPv6 only fragment":       {ip6("hi", header{44, []byte{0, 0, 0, 0, 0, 0, 1}}), to6 + " hi"},
		"IPv6 later fragment":      {ip6("hi", header{44, []byte{0, 0, 9, 0, 0, 0, 1}}), ""},
		"IPv6 ends in its options": {ip6("hi", header{60, []byte{9, 0, 0, 0, 0, 0, 0}}), ""},
		"IPv6 with TCP":            {changed(ip6("hi"), 6, 6), ""},
	} {
		p, ok := readUDP(tc.packet)
		got := fmt.Sprintf("%s %s %s", p.From, p.To, p.Payload)
		if p.Truncated {
			got += " truncated"
		}
		if ok != (tc.want != "") || ok && got != tc.want {
			t.Errorf("%s: %q, %v, want %q", name, got, ok, tc.want)
		}
	}
}

// logged is a message of the log about a packet at a hook.
func logged(hook byte, packet []byte) []byte {
	attr := func(b []byte, kind byte, value []byte) []byte {
		b = binary.NativeEndian.AppendUint16(b, uint16(4+len(value)))
		b = append(append(b, kind, 0), value...)
		return append(b, make([]byte, aligned(len(b))-len(b))...)
	}
	b := append(make([]byte, 16), 2, 0, 0x74, 0x57)
	b[5] = 4 // NFNL_SUBSYS_ULOG
	b = attr(attr(b, 1, []byte{8, 0, hook, 0}), 9, packet)
	binary.NativeEndian.PutUint32(b, uint32(len(b)))
	return b
}

// Each message has one packet, and tells its direction by the hook.
func TestReadLogged(t *testing.T) {
	var s seen
	reads := slices.Concat(
		logged(unix.NF_INET_LOCAL_IN, ip4(request)), logged(unix.NF_INET_PRE_ROUTING, ip4(request)),
		logged(unix.NF_INET_LOCAL_OUT, ip6("SIP/2.0 200 OK")), make([]byte, 15))
	readLogged(reads, noon, s.add)
	s.expect(t, "in 192.0.2.1:5060 "+request, "out [::1]:5061 SIP/2.0 200 OK")
	n := testing.AllocsPerRun(100, func() { readLogged(reads, noon, func(Packet) {}) })
	if n > 0 {
		t.Errorf("%v allocations", n)
	}
}

// Nothing that the kernel may send breaks anything, and no payload is longer than
// what was read.
func FuzzPacket(f *testing.F) {
	for _, packet := range [][]byte{
		ip4(""), ip4(request), ip4(refusalTo("1/abc"))[:99], ip6(request, header{60, make([]byte, 7)}, header{44, []byte{0, 0, 1, 0, 0, 0, 1}}),
	} {
		f.Add(slices.Concat(logged(unix.NF_INET_LOCAL_IN, packet), logged(unix.NF_INET_LOCAL_OUT, packet)))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		left := len(data)
		readLogged(data, noon, func(p Packet) {
			left -= len(p.Payload) + 28
			if left < 0 || !p.To.Addr().IsValid() || !p.From.Addr().IsValid() || p.Direction > Out || p.At != noon {
				t.Errorf("packet %s from %s to %s of %d bytes in %d", p.Direction, p.From, p.To, len(p.Payload), len(data))
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
