package settings

import (
	"fmt"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/tollwarden/tollwarden/ami/event"
	"github.com/tollwarden/tollwarden/responder/judge"
)

// pattern is a way to guess: where guess i, on which day, comes from, and at which
// extension.
type pattern struct {
	name    string
	source  func(i, day int) netip.Addr
	account func(i int) int
}

// elsewhere is the nth address of an attacker: each is in a /24 of its own.
func elsewhere(n int) netip.Addr {
	return netip.AddrFrom4([4]byte{byte(20 + n>>16), byte(n >> 8), byte(n), 66})
}

// inTurn takes turns.
func inTurn(n int) func(i int) int { return func(i int) int { return i % n } }

func from(n func(i int) int) func(i, day int) netip.Addr {
	return func(i, _ int) netip.Addr { return elsewhere(n(i)) }
}

func everyTime(i int) int { return i }

func neighbours(i, _ int) netip.Addr { return netip.AddrFrom4([4]byte{192, 0, 2, byte(1 + i%250)}) }

// daily is so many addresses in turn, each of which is new every day.
func daily(n int) func(i, day int) netip.Addr {
	return func(i, day int) netip.Addr { return elsewhere(day*n + i%n) }
}

var patterns = []pattern{
	{"one address, one extension", from(inTurn(1)), inTurn(1)},
	{"one address, 50 extensions in turn", from(inTurn(1)), inTurn(50)},
	{"250 addresses of a /24 in turn, one extension", neighbours, inTurn(1)},
	{"250 addresses of a /24 in turn, 50 extensions", neighbours, inTurn(50)},
	{"three addresses in turn, one extension", from(inTurn(3)), inTurn(1)},
	{"an address for each guess (a botnet), one extension", from(everyTime), inTurn(1)},
	{"an address for each guess (a botnet), 50 extensions", from(everyTime), inTurn(50)},
	{"17 addresses in turn, 50 extensions", from(inTurn(17)), inTurn(50)},
	{"a new address every day, one extension", daily(1), inTurn(1)},
	{"14 addresses, each always on its own extension", from(inTurn(14)), inTurn(14)},
	{"the same, and every address is new every day", daily(14), inTurn(14)},
}

const week = 7 * 24 * time.Hour

// unnoticed says whether so many guesses a week, evenly spread, bring no incident in
// three weeks.
func unnoticed(t *testing.T, policy judge.Policy, p pattern, transport event.Transport, perWeek int) bool {
	s := newSlowSite(t, policy, transport)
	for i := range 3 * perWeek {
		s.until(firstDay.Add(time.Duration(i) * week / time.Duration(perWeek)))
		s.fail(fmt.Sprint(1001+p.account(i)), p.source(i, i*7/perWeek))
		if len(s.incidents) > 0 {
			return false
		}
	}
	return true
}

// most is the largest number of guesses a week that nobody notices.
func most(t *testing.T, policy judge.Policy, p pattern, transport event.Transport) int {
	low, high := 0, 1
	for unnoticed(t, policy, p, transport, high) {
		low, high = high, 2*high
	}
	for high-low > 1 {
		if middle := (low + high) / 2; unnoticed(t, policy, p, transport, middle) {
			low = middle
		} else {
			high = middle
		}
	}
	return low
}

// The document says what the defaults let through.
func TestWhatTheDefaultsLetThrough(t *testing.T) {
	policy := slowPolicy(t)
	var b strings.Builder
	b.WriteString("| attack | confirmed: a day | a year | may be spoofed: a day | a year |\n|---|---:|---:|---:|---:|\n")
	for _, p := range patterns {
		proven, spoofable := most(t, policy, p, event.TCP), most(t, policy, p, event.UDP)
		fmt.Fprintf(&b, "| %s | %.1f | %s | %.1f | %s |\n", p.name, float64(proven)/7, thousands(proven*365/7), float64(spoofable)/7, thousands(spoofable*365/7))
	}
	const path = "../../../docs/security.md"
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(text), b.String()) {
		t.Errorf("docs/security.md is out of date. Its table is now:\n%s", b.String())
	}
}

func thousands(n int) string {
	if n < 1000 {
		return fmt.Sprint(n)
	}
	return fmt.Sprintf("%d,%03d", n/1000, n%1000)
}
