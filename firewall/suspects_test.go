package firewall

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/nftables"
	"golang.org/x/sys/unix"
)

// openThrottle opens a Watch that lets pass what fn passes.
func openThrottle(t *testing.T, l *lab, fn func(Packet) bool) *Watch {
	t.Helper()
	w, err := OpenWatch(Config{NetNS: l.pbx})
	if err != nil && !errors.Is(err, ErrNoLog) {
		t.Fatal(err)
	}
	if err := w.Throttles(); err != nil {
		must(t, w.Close())
		t.Skipf("needs NFQUEUE in the kernel: %v", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	if fn != nil {
		go func() { done <- w.Decide(ctx, fn) }()
	} else {
		done <- nil
	}
	t.Cleanup(func() {
		cancel()
		must(t, <-done)
		must(t, w.Close())
	})
	return w
}

// passes says whether a request from port 5061 of an address reaches the PBX.
func (l *lab) passes(t *testing.T, from netip.Addr, payload string) bool {
	t.Helper()
	l.serial++
	want := fmt.Sprint(payload, " ", l.serial)
	l.forge(t, from, 5060, []byte(want))
	must(t, l.in.SetReadDeadline(time.Now().Add(200*time.Millisecond)))
	for buf := make([]byte, 4096); ; {
		n, _, err := l.in.ReadFromUDPAddrPort(buf)
		if errors.Is(err, os.ErrDeadlineExceeded) {
			return false
		}
		must(t, err)
		if string(buf[:n]) == want {
			return true
		}
	}
}

// reaches says whether a response reaches a socket on the street.
func (l *lab) reaches(t *testing.T, conn interface {
	Read([]byte) (int, error)
	SetReadDeadline(time.Time) error
}, to netip.AddrPort, payload string,
) bool {
	t.Helper()
	l.serial++
	want := fmt.Sprint(payload, " ", l.serial)
	_, err := l.in.WriteToUDPAddrPort([]byte(want), to)
	must(t, err)
	must(t, conn.SetReadDeadline(time.Now().Add(200*time.Millisecond)))
	for buf := make([]byte, 4096); ; {
		n, err := conn.Read(buf)
		if errors.Is(err, os.ErrDeadlineExceeded) {
			return false
		}
		must(t, err)
		if string(buf[:n]) == want {
			return true
		}
	}
}

// source is the prefix that is suspected with an address.
func source(addr netip.Addr) netip.Prefix {
	if addr.Is6() {
		return netip.PrefixFrom(addr, 64).Masked()
	}
	return netip.PrefixFrom(addr, 32)
}

const (
	goodRequest = "REGISTER good SIP/2.0"
	badRequest  = "REGISTER bad SIP/2.0"
)

// passGood holds back what is bad.
func passGood(p Packet) bool { return !strings.Contains(string(p.Payload), "bad") }

// The first fragment of a request of a suspect is decided about, too, when it is too short
// for the beginning of the request.
func TestShortFragmentsOfSuspects(t *testing.T) {
	l := newLab(t)
	from, asked := netip.MustParseAddr("2001:db8:a::7"), make(chan Packet, 16)
	w := openThrottle(t, l, func(p Packet) bool {
		asked <- Packet{From: p.From, Truncated: p.Truncated}
		return false
	})
	must(t, w.Suspect(time.Minute, source(from), nil))
	for first := 8; first <= 24; first += 8 {
		l.forgeFragments(t, from, first, []byte(goodRequest+" in two fragments"))
		select {
		case p := <-asked:
			if p.From.Addr() != from || !p.Truncated {
				t.Errorf("%d bytes: asked about %+v", first, p)
			}
		case <-time.After(time.Second):
			t.Errorf("a first fragment of %d bytes passes", first)
		}
	}
}

// forgeFragments is forge for IPv6 in two fragments, the first of that many bytes.
func (l *lab) forgeFragments(t testing.TB, from netip.Addr, first int, payload []byte) {
	t.Helper()
	udp := binary.BigEndian.AppendUint16(nil, 5061)
	udp = binary.BigEndian.AppendUint16(udp, 5060)
	udp = binary.BigEndian.AppendUint16(udp, uint16(8+len(payload)))
	udp = append(append(udp, 0, 0), payload...)
	binary.BigEndian.PutUint16(udp[6:], checksum(from, pbx6, udp))
	for _, f := range []struct {
		data   []byte
		offset int // with the flag that more follow
	}{{udp[:first], 1}, {udp[first:], first}} {
		ip := []byte{0x60, 0, 0, 0, 0, byte(8 + len(f.data)), unix.IPPROTO_FRAGMENT, 64}
		ip = append(append(ip, from.AsSlice()...), pbx6.AsSlice()...)
		ip = append(ip, unix.IPPROTO_UDP, 0, byte(f.offset>>8), byte(f.offset), 0, 0, 0, byte(first))
		must(t, unix.Sendto(l.raw6, append(ip, f.data...), 0, &unix.SockaddrInet6{Addr: pbx6.As16()}))
	}
}

// Requests of suspects and responses to them wait for a decision; nothing else does.
func TestSuspectsAreDecidedAbout(t *testing.T) {
	l := newLab(t)
	w := openThrottle(t, l, passGood)
	for _, a := range []string{"198.51.100.7", "2001:db8:a::7"} {
		addr := netip.MustParseAddr(a)
		neighbour := addr.Next()
		if addr.Is6() {
			neighbour = netip.MustParseAddr("2001:db8:a:1::7")
		}
		check := func(when string, from netip.Addr, payload string, want bool) {
			t.Helper()
			if got := l.passes(t, from, payload); got != want {
				t.Errorf("%s: %q from %s passes: %v", when, payload, from, got)
			}
		}
		check("before", addr, badRequest, true)
		must(t, w.Suspect(time.Hour, source(addr), []netip.AddrPort{netip.AddrPortFrom(addr, 5062)}))
		check("suspected", addr, goodRequest, true)
		check("suspected", addr, badRequest, false)
		check("a response of the suspect's", addr, "SIP/2.0 200 bad", true)
		check("a keep-alive", addr, "\x00 bad", true)
		check("a neighbour", neighbour, badRequest, true)
		must(t, w.Suspect(time.Hour, source(addr), []netip.AddrPort{netip.AddrPortFrom(addr, 5061)}))
		check("a live conversation", addr, badRequest, true)
		must(t, w.Suspect(time.Hour, source(addr), nil))
		check("no longer a live one", addr, badRequest, false)
		must(t, w.Suspect(300*time.Millisecond, source(addr), nil))
		check("for a short time", addr, badRequest, false)
		time.Sleep(400 * time.Millisecond)
		check("after its time", addr, badRequest, true)
		must(t, w.Suspect(time.Hour, source(addr), nil))
		must(t, w.Suspect(0, source(addr), nil))
		check("no longer suspected", addr, badRequest, true)
	}
	if found, err := w.Verify(); err != nil || len(found) > 0 {
		t.Errorf("%q, %v", found, err)
	}
	must(t, CheckThrottle(Config{NetNS: l.pbx})) // beside it
	other, err := OpenWatch(Config{NetNS: l.pbx, Name: "other"})
	if other == nil {
		t.Fatal(err)
	}
	if err := other.Throttles(); !errors.Is(err, ErrNoQueue) || !strings.Contains(err.Error(), "another program") {
		t.Errorf("a second reader of the queue: %v", err)
	}
	must(t, other.Close())
	for _, p := range []string{"198.51.100.0/24", "2001:db8::1/128", "::ffff:198.51.100.7/128"} {
		if err := w.Suspect(time.Hour, netip.MustParsePrefix(p), nil); !errors.Is(err, ErrInvalid) {
			t.Errorf("%s: %v", p, err)
		}
	}
}

// Responses to a suspect wait, too, and other packets to it do not.
func TestResponsesToSuspectsAreDecidedAbout(t *testing.T) {
	l := newLab(t)
	var logged seen
	w := openThrottle(t, l, passGood)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- w.Run(ctx, logged.add) }()
	for _, street := range []string{"192.0.2.2", "2001:db8:1::2"} {
		pbx := netip.AddrPortFrom(pbx4, 5060)
		if strings.Contains(street, ":") {
			pbx = netip.AddrPortFrom(pbx6, 5060)
		}
		conn := l.dial(t, "udp", street, pbx.String())
		to := netip.MustParseAddrPort(conn.LocalAddr().String())
		for _, tc := range []struct {
			when, payload string
			within        time.Duration
			live          []netip.AddrPort
			want          bool
		}{
			{"not suspected", "SIP/2.0 401 bad", 0, nil, true},
			{"suspected", "SIP/2.0 401 good", time.Hour, nil, true},
			{"suspected", "SIP/2.0 401 bad", time.Hour, nil, false},
			{"a request", "OPTIONS bad SIP/2.0", time.Hour, nil, true},
			{"a live conversation", "SIP/2.0 401 bad", time.Hour, []netip.AddrPort{to}, true},
		} {
			must(t, w.Suspect(tc.within, source(to.Addr()), tc.live))
			if got := l.reaches(t, conn, to, tc.payload); got != tc.want {
				t.Errorf("%s, %s: %q passes: %v", street, tc.when, tc.payload, got)
			}
		}
	}
	cancel()
	must(t, <-done)
	if n := len(logged.list); n != 6 {
		t.Errorf("%d responses were seen to leave, want those that passed, 6: %q", n, logged.list)
	}
}

// A daemon that stalls delays as many packets as the queue holds; one that is gone
// delays none.
func TestNothingWaitsForAStalledDaemon(t *testing.T) {
	l := newLab(t)
	w := openThrottle(t, l, nil)
	addr := netip.MustParseAddr("198.51.100.7")
	must(t, w.Suspect(time.Hour, source(addr), nil))
	passed := 0
	for range queueLength + 20 {
		l.forge(t, addr, 5060, []byte(badRequest))
	}
	must(t, l.in.SetReadDeadline(time.Now().Add(300*time.Millisecond)))
	for buf := make([]byte, 4096); ; {
		if _, err := l.in.Read(buf); err != nil {
			break
		}
		passed++
	}
	if passed != 20 {
		t.Errorf("%d packets passed, want the 20 that did not fit", passed)
	}
	must(t, w.waiting.Close())
	if !l.passes(t, addr, badRequest) {
		t.Error("packets wait although nobody decides")
	}
}

// Who is suspected stays so across a restart and a damage of the table.
func TestSuspectsOutliveTheDaemon(t *testing.T) {
	l := newLab(t)
	addr, live := netip.MustParseAddr("198.51.100.7"), netip.MustParseAddr("2001:db8:a::7")
	w, err := OpenWatch(Config{NetNS: l.pbx})
	if err != nil && !errors.Is(err, ErrNoLog) {
		t.Fatal(err)
	}
	if w.Throttles() != nil {
		t.Skip("needs NFQUEUE in the kernel")
	}
	must(t, w.Suspect(time.Hour, source(addr), nil))
	must(t, w.Suspect(time.Hour, source(live), []netip.AddrPort{netip.AddrPortFrom(live, 5061)}))
	must(t, w.Close())
	if !l.passes(t, addr, badRequest) {
		t.Error("held back without a daemon")
	}
	w = openThrottle(t, l, passGood)
	check := func(when string) {
		t.Helper()
		if l.passes(t, addr, badRequest) || !l.passes(t, addr, goodRequest) || !l.passes(t, live, badRequest) || l.passes(t, live.Next(), badRequest) {
			t.Errorf("not decided about %s", when)
		}
	}
	check("after a restart")
	must(t, w.SetPorts([]uint16{5060, otherPort}))
	check("with other ports")
	l.nft(t, "flush", "ruleset")
	must(t, w.Suspect(time.Hour, source(addr), nil))
	check("after a flush")

	if got := w.Suspects(); len(got) != 2 || time.Until(got[source(addr)]).Round(time.Minute) != time.Hour || !slices.Equal(w.Live(source(live)), []netip.AddrPort{netip.AddrPortFrom(live, 5061)}) {
		t.Errorf("suspects %v, of them live %v", got, w.Live(source(live)))
	}
	for prefix := range w.Suspects() {
		must(t, w.Suspect(0, prefix, nil))
	}
	if !l.passes(t, addr, badRequest) || !l.passes(t, live.Next(), badRequest) || len(w.Suspects()) > 0 {
		t.Errorf("still decided about after its end: %v", w.Suspects())
	}
}

// If the queue fails while it is read, Throttles says so, and nobody is a suspect any
// more: whoever becomes one from then on is dropped.
func TestQueueFails(t *testing.T) {
	l := newLab(t)
	w := openThrottle(t, l, nil)
	addr := netip.MustParseAddr("198.51.100.7")
	must(t, w.Suspect(time.Hour, source(addr), nil))
	must(t, w.waiting.Close())
	err := w.Decide(t.Context(), passGood)
	if !errors.Is(err, ErrNoQueue) || !errors.Is(w.Throttles(), ErrNoQueue) {
		t.Errorf("failed with %v, and then: %v", err, w.Throttles())
	}
	if !l.passes(t, addr, badRequest) {
		t.Error("held back although nobody decides")
	}
	must(t, w.Suspect(time.Hour, source(addr), nil))
	if l.passes(t, addr, goodRequest) {
		t.Error("a suspect is not dropped although nobody decides")
	}
	must(t, w.Suspect(0, source(addr), nil))
	if !l.passes(t, addr, goodRequest) {
		t.Error("dropped after its end")
	}
}

// queued is a message of the queue about a packet at a hook.
func queued(id uint32, hook byte, packet []byte) []byte {
	b := logged(hook, packet)
	b[4], b[5] = queuePacket, unix.NFNL_SUBSYS_QUEUE
	header := append(binary.BigEndian.AppendUint32(nil, id), 8, 0, hook, 0)
	out := append(b[:20:20], 11, 0, queueAttrHeader, 0)
	out = append(append(out, header[:7]...), 0)
	payload := b[28:] // behind the header of the log
	payload[2] = queueAttrPayload
	out = append(out, payload...)
	binary.NativeEndian.PutUint32(out, uint32(len(out)))
	return out
}

// Each packet that waits is decided about once, whatever it is.
func TestReadQueued(t *testing.T) {
	messages := append(queued(7, unix.NF_INET_LOCAL_IN, ip4(badRequest)), queued(8, unix.NF_INET_LOCAL_OUT, ip6("SIP/2.0 401 good"))...)
	messages = append(messages, queued(9, unix.NF_INET_LOCAL_IN, []byte("no packet, bad"))...)
	got := ""
	read := func() {
		readQueued(messages, noon, passGood, func(id, verdict uint32) {
			if b := appendVerdict(nil, id, verdict); len(b) != 32 || int(binary.NativeEndian.Uint32(b)) != len(b) || binary.BigEndian.Uint32(b[28:]) != id {
				t.Errorf("verdict % x", b)
			}
			got += fmt.Sprint(id, " ", verdict, "; ")
		})
	}
	read()
	if want := "7 0; 8 1; 9 1; "; got != want {
		t.Errorf("decided %q, want %q", got, want)
	}
}

// Nothing that the kernel may send breaks anything, and what is decided about was
// sent.
func FuzzQueued(f *testing.F) {
	f.Add(queued(7, unix.NF_INET_LOCAL_IN, ip4(badRequest)))
	f.Add(append(queued(8, unix.NF_INET_LOCAL_OUT, ip6("SIP/2.0 401 x")), queued(9, unix.NF_INET_LOCAL_IN, ip4(""))[:50]...))
	f.Fuzz(func(t *testing.T, data []byte) {
		decided, left := 0, len(data)
		readQueued(data, noon, func(p Packet) bool {
			if left -= len(p.Payload) + 28; left < 0 || !p.To.IsValid() || !p.From.IsValid() {
				t.Errorf("packet from %s to %s of %d bytes in %d", p.From, p.To, len(p.Payload), len(data))
			}
			return len(p.Payload)%2 == 0
		}, func(uint32, uint32) { decided++ })
		if decided > len(data)/(unix.NLMSG_HDRLEN+nfHeader+unix.NLA_HDRLEN+7) {
			t.Errorf("%d decisions about %d bytes", decided, len(data))
		}
	})
}

// What the kernel refuses leaves everything as it was, here and in the kernel: no address
// counts as throttled or closed that is not, an address that is keeps its live conversations,
// and the next attempt works.
func TestRefusedSuspects(t *testing.T) {
	l := newLab(t)
	w := openThrottle(t, l, passGood)
	office, other := netip.MustParseAddr("198.51.100.7"), netip.MustParseAddr("198.51.100.8")
	phone := []netip.AddrPort{netip.AddrPortFrom(office, 5061)}
	must(t, w.Suspect(time.Hour, source(office), phone))
	must(t, w.CloseConnections(time.Hour, source(office), phone))
	same := func(when string) {
		t.Helper()
		if len(w.Suspects()) != 1 || len(w.Closed()) != 1 || !slices.Equal(w.Live(source(office)), phone) || !slices.Equal(w.Kept(source(office)), phone) || len(w.Live(source(other))) > 0 {
			t.Errorf("%s: suspects %v with %v, closed %v with %v", when, w.Suspects(), w.Live(source(office)), w.Closed(), w.Kept(source(office)))
		}
		if !l.passes(t, office, badRequest) {
			t.Errorf("%s: the registered phone is cut off", when)
		}
	}
	fill := func(add bool) { // the sets, unknown to the Watch
		for _, s := range []watchSet{suspectSets[0], closedSets[0]} {
			var list []nftables.SetElement
			for n := range maxSuspects - 1 {
				list = append(list, nftables.SetElement{Key: []byte{10, 0, byte(n >> 8), byte(n)}, Timeout: time.Hour})
			}
			for part := range slices.Chunk(list, 1024) {
				if add {
					must(t, w.writer.SetAddElements(s.nf(nfTable(w.name)), part))
				} else {
					must(t, w.writer.SetDeleteElements(s.nf(nfTable(w.name)), part))
				}
				must(t, w.writer.Flush())
			}
		}
	}
	fill(true)
	if err := w.Suspect(time.Hour, source(other), []netip.AddrPort{netip.AddrPortFrom(other, 5061)}); !errors.Is(err, unix.ENFILE) {
		t.Errorf("a full set takes a suspect: %v", err)
	}
	if err := w.CloseConnections(time.Hour, source(other), nil); !errors.Is(err, unix.ENFILE) {
		t.Errorf("a full set takes an address: %v", err)
	}
	same("full")
	if !l.passes(t, other, badRequest) {
		t.Error("an address is throttled that was refused")
	}
	fill(false)
	// Another program's table of that name, whose sets hold something else.
	l.nft(t, "delete", "table", "inet", w.name)
	l.nft(t, "add", "table", "inet", w.name)
	for _, set := range []string{"suspects4", "closed4"} {
		l.nft(t, "add", "set", "inet", w.name, set, "{ type inet_service ; flags timeout ; }")
	}
	for name, change := range map[string]func(time.Duration, netip.Prefix, []netip.AddrPort) error{"suspect": w.Suspect, "close": w.CloseConnections} {
		for _, within := range []time.Duration{0, 2 * time.Hour} {
			if err := change(within, source(office), nil); err == nil || errors.Is(err, unix.ENOENT) {
				t.Errorf("%s for %s in another table: %v", name, within, err)
			}
		}
	}
	same("refused")
	must(t, w.Restore())
	same("made anew")
	must(t, w.Suspect(time.Hour, source(other), nil))
	must(t, w.Suspect(time.Hour, source(office), nil))
	if l.passes(t, other, badRequest) || l.passes(t, office, badRequest) {
		t.Error("suspects are not throttled")
	}
	must(t, w.Suspect(0, source(other), nil))
	must(t, w.Suspect(0, source(office), nil))
	must(t, w.CloseConnections(0, source(office), nil))
	if n := len(w.Suspects()) + len(w.Closed()) + len(w.Live(source(office))) + len(w.Kept(source(office))); n > 0 || !l.passes(t, office, badRequest) {
		t.Errorf("%d left after the end", n)
	}
}
