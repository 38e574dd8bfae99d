package score

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"
)

// play has addresses fail, a second apart unless they say otherwise, and returns
// the networks that took turns.
func play(t *Turns, at time.Time, pause time.Duration, sources ...string) (found []string) {
	for _, s := range sources {
		if turn, ok := t.Fail(at, netip.MustParseAddr(s)); ok {
			found = append(found, fmt.Sprintf("%s %d/%d", turn.Network, turn.Members, turn.Failures))
		}
		at = at.Add(pause)
	}
	return found
}

// members are n addresses of a pattern, each so many times in turns.
func members(pattern string, n, each int) (list []string) {
	for range each {
		for i := range n {
			list = append(list, fmt.Sprintf(pattern, i+1))
		}
	}
	return list
}

func TestTurns(t *testing.T) {
	at := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	for name, tc := range map[string]struct {
		sources []string
		pause   time.Duration
		want    string
	}{
		"ten addresses":                      {members("192.0.2.%d", 10, 1), time.Second, "[192.0.2.0/24 10/10]"},
		"five addresses, twice":              {members("192.0.2.%d", 5, 2), time.Second, "[192.0.2.0/24 5/10]"},
		"it begins anew":                     {members("192.0.2.%d", 10, 2), time.Second, "[192.0.2.0/24 10/10 192.0.2.0/24 10/10]"},
		"mapped to IPv6":                     {members("::ffff:192.0.2.%d", 10, 1), time.Second, "[192.0.2.0/24 10/10]"},
		"four, and then a fifth":             {append(members("192.0.2.%d", 4, 100), "192.0.2.5"), time.Millisecond, "[192.0.2.0/24 5/13]"},
		"nine addresses":                     {members("192.0.2.%d", 9, 1), time.Second, "[]"},
		"one address":                        {members("192.0.2.%d", 1, 500), time.Second, "[]"},
		"ten within the time":                {members("192.0.2.%d", 10, 1), 66 * time.Second, "[192.0.2.0/24 10/10]"},
		"ten, but too slowly":                {members("192.0.2.%d", 10, 1), 67 * time.Second, "[]"},
		"other networks":                     {members("192.0.%d.7", 100, 1), time.Second, "[]"},
		"IPv6, /64s of a /56":                {members("2001:db8:0:%02x::1", 10, 1), time.Second, "[2001:db8::/56 10/10]"},
		"IPv6, /56s of a /48":                {members("2001:db8:0:%x00::1", 10, 1), time.Second, "[2001:db8::/48 10/10]"},
		"IPv6, addresses of a /64":           {members("2001:db8::%x", 100, 1), time.Second, "[]"},
		"IPv6, /48s of a /32":                {members("2001:db8:%x::1", 100, 1), time.Second, "[]"},
		"a /56 of each kind does not add up": {append(members("2001:db8:0:%02x::1", 9, 1), members("2001:db8:1:%02x::1", 9, 1)...), time.Second, "[]"},
	} {
		if got := fmt.Sprint(play(NewTurns(), at, tc.pause, tc.sources...)); got != tc.want {
			t.Errorf("%s: %s, want %s", name, got, tc.want)
		}
	}
}

// Who is released begins anew, and others go on.
func TestTurnsAreForgotten(t *testing.T) {
	at := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	for network, want := range map[string]int{"192.0.2.0/24": 0, "192.0.2.7/32": 0, "192.0.3.0/24": 1, "2001:db8::/48": 1} {
		turns := NewTurns()
		play(turns, at, time.Second, members("192.0.2.%d", 9, 1)...)
		turns.Forget(netip.MustParsePrefix(network))
		if got := len(play(turns, at, time.Second, "192.0.2.10")); got != want {
			t.Errorf("%s is forgotten: %d turns, want %d", network, got, want)
		}
	}
}

// Forged addresses at random take no turns, and hide those of nobody else.
func TestTurnsInAFlood(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	at := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	turns, real, forged := NewTurns(), 0, 0
	for i := range 400_000 {
		at = at.Add(100 * time.Microsecond)
		n := r.Uint32()
		if _, ok := turns.Fail(at, netip.AddrFrom4([4]byte{byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)})); ok {
			forged++
		}
		if i%500 == 0 { // twenty guesses a second
			if _, ok := turns.Fail(at, netip.AddrFrom4([4]byte{192, 0, 2, byte(i / 500)})); ok {
				real++
			}
		}
	}
	if forged != 0 || real < 75 {
		t.Errorf("%d forged networks took turns, and a real one %d times of 80", forged, real)
	}
}

func TestTurnsAllocateNothing(t *testing.T) {
	turns, i := NewTurns(), 0
	at := time.Now()
	if n := testing.AllocsPerRun(10_000, func() {
		turns.Fail(at, netip.AddrFrom4([4]byte{192, 0, byte(i >> 8), byte(i)}))
		turns.Fail(at, netip.AddrFrom16([16]byte{0x20, 1, 13, 0xb8, 0, 0, byte(i >> 8), byte(i)}))
		i++
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
