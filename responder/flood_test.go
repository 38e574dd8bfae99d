package responder_test

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/tollwarden/tollwarden/ami/event"
	"github.com/tollwarden/tollwarden/responder/intake"
	"github.com/tollwarden/tollwarden/responder/places"
)

// A million events of forged sources, most of which cross a threshold: memory
// and the kernel's sets keep within their bounds, a protected source is left
// alone, and the real attackers among them are found and banned whole.
func TestFloodOfForgedSources(t *testing.T) {
	events := 1_000_000
	if testing.Short() || raceDetector {
		events = 40_000
	}
	h := newHarness(t, guessing(3))
	h.pbx.trusted = []places.Protected{{Prefix: netip.MustParsePrefix("198.18.0.0/15"), Why: "identify of carrier"}}
	if err := h.Resync(t.Context(), time.Now()); err != nil {
		t.Fatal(err)
	}
	before := heap()
	real := netip.MustParseAddr("192.0.2.66")
	guess := func(now time.Time, from netip.Addr, n int, connected bool) {
		e := &event.Event{
			Kind: event.ChallengeResponseFailed, Service: []byte("PJSIP"), AccountID: []byte("1002"),
			SessionID: fmt.Appendf(nil, "flood-%d", n), Remote: netip.AddrPortFrom(from, 5060), Transport: event.UDP, Challenge: []byte("invented"),
		}
		if connected {
			e.Transport = event.TCP
		}
		h.Report(now, intake.SensorAMI, e)
	}
	start, worst := time.Now(), time.Duration(0)
	for n := range events {
		now := noon.Add(time.Duration(n) * 60 * time.Microsecond)
		source := n / 3 // three guesses each
		if n%10 == 0 {
			source = n // and every tenth packet from a source of its own
		}
		addr := netip.AddrFrom4([4]byte(binary.BigEndian.AppendUint32(nil, 10<<24+uint32(source)*7%(1<<24))))
		if n%50 == 0 {
			addr = netip.AddrFrom4([4]byte{198, 18, byte(n >> 8), byte(n)}) // the carrier's
		}
		before := time.Now()
		guess(now, addr, n, false)
		worst = max(worst, time.Since(before))
		if n%(events/4) == events/8 {
			guess(now, real, n, true)
		}
	}
	perEvent := time.Since(start) / time.Duration(events)
	for range 3000 { // the kernel queue's work
		if b, ok := h.kernel.ban(real); ok && !b.Spoofable() {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	end := noon.Add(time.Duration(events) * 60 * time.Microsecond)
	claimed, full := 0, ""
	for _, b := range h.Bans.List(end) {
		if strings.HasPrefix(b.Prefix.String(), "198.18.") {
			t.Errorf("the carrier is banned: %s", b.Prefix)
		}
		if b.Spoofable() {
			claimed++
		} else {
			full += b.Prefix.String()
		}
	}
	if full != real.String()+"/32" {
		t.Errorf("banned whole: %q, want the real attacker", full)
	}
	const most = 1 << 17 // half of what the kernel's sets of that scope hold
	if claimed > most || claimed == 0 {
		t.Errorf("%d claimed bans, want up to %d", claimed, most)
	}
	if n := len(h.kernel.dropped()); n > most+1 {
		t.Errorf("%d bans went to the kernel", n)
	}
	grown := heap() - before
	const bound = 600 << 20
	if grown > bound {
		t.Errorf("memory grew by %d MB, bound %d MB", grown>>20, bound>>20)
	}
	t.Logf("%d forged guesses, %s each, the slowest %s: %d claimed bans of at most %d, memory grew by %d MB (bound %d MB); the real attacker is banned whole",
		events, perEvent, worst, claimed, most, grown>>20, bound>>20)
}

func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
