package intake

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/tollwarden/tollwarden/ami/event"
	"github.com/tollwarden/tollwarden/responder/sip"
)

// asked has PJSIP report one request of somebody it does not know, of which the wire shows
// the method unless that is "", and says how often it counts.
func asked(in *Intake, at time.Time, method, name, session string, changes ...func(*event.Event)) (n int) {
	changes = append([]func(*event.Event){account(name)}, changes...)
	e := raised(event.InvalidAccountID, session, changes...)
	if method != "" {
		in.Pings.Requested(at, e.Remote.Addr(), &sip.Request{Method: []byte(method), ID: sip.Transaction{CallID: []byte(session)}})
	}
	challenge := raised(event.ChallengeSent, session, append(changes, account(event.Unknown))...)
	for _, e := range []*event.Event{e, challenge} {
		if counts(in, at, SensorAMI, e) {
			n++
		}
	}
	return n
}

// Monitoring stays below five within an hour for days; whoever scans gets there at once.
func TestPings(t *testing.T) {
	names := func(n int) func(i int) string { return func(i int) string { return fmt.Sprint("u", i%n) } }
	fresh := func(i int) string { return fmt.Sprint("call-", i) }
	one := func(int) string { return "one" }
	for name, tc := range map[string]struct {
		method  string
		pause   time.Duration
		names   func(i int) string
		session func(i int) string
		change  func(*event.Event)
		scans   bool
	}{
		"an OPTIONS every 10 s":               {"OPTIONS", 10 * time.Second, names(1), fresh, nil, false},
		"one every minute":                    {"OPTIONS", time.Minute, names(1), fresh, nil, false},
		"over TCP":                            {"", 10 * time.Second, names(1), fresh, over(event.TCP), false},
		"without a name":                      {"OPTIONS", 30 * time.Second, func(int) string { return "" }, fresh, nil, false},
		"always with one Call-ID":             {"OPTIONS", 10 * time.Second, names(1), one, nil, false},
		"three monitors at one address":       {"OPTIONS", 5 * time.Second, names(3), fresh, nil, false},
		"a router's keep-alive":               {"NOTIFY", 20 * time.Second, names(1), fresh, nil, false},
		"many names":                          {"OPTIONS", 10 * time.Second, names(100), fresh, nil, true},
		"many names with one Call-ID":         {"OPTIONS", 10 * time.Second, names(100), one, nil, true},
		"many names over TCP":                 {"", time.Minute, names(100), fresh, over(event.TCP), true},
		"one name, fast":                      {"OPTIONS", time.Second, names(1), fresh, nil, true},
		"one name, at wire speed":             {"", time.Millisecond, names(1), fresh, nil, true},
		"INVITEs for the same name":           {"INVITE", time.Minute, names(1), fresh, nil, true},
		"REGISTERs for the same name":         {"REGISTER", time.Minute, names(1), fresh, nil, true},
		"OPTIONS that PJSIP would not answer": {"options", time.Minute, names(1), fresh, nil, true},
	} {
		in := New("warden", false)
		change := tc.change
		if change == nil {
			change = func(*event.Event) {}
		}
		var counted []time.Time
		scans := false
		for i, at := 0, noon; at.Before(noon.Add(50*time.Hour)) && i < 20_000; i, at = i+1, at.Add(tc.pause) {
			for range asked(in, at, tc.method, tc.names(i), tc.session(i), change) {
				counted = append(counted, at)
			}
			if n := len(counted); n >= 5 && at.Sub(counted[n-5]) < time.Hour {
				scans = true
				break
			}
		}
		if scans != tc.scans {
			t.Errorf("%s: scans %t after %d that count", name, scans, len(counted))
		}
	}
}

// A flood of forged names does not make a monitor's pings count.
func TestPingsInAFlood(t *testing.T) {
	in := New("warden", false)
	n := 0
	for i := range 100 {
		at := noon.Add(time.Duration(i) * 10 * time.Second)
		n += asked(in, at, "OPTIONS", "nagios", fmt.Sprint("n", i), from("198.51.100.7"))
		for k := range 1000 {
			asked(in, at, "", fmt.Sprint("x", i, "-", k), fmt.Sprint("x", i, "-", k), from(netip.AddrFrom4([4]byte{10, byte(i), byte(k >> 8), byte(k)}).String()))
		}
	}
	if n > 3 {
		t.Errorf("%d pings count", n)
	}
}

// A wrong password counts whatever came before it: OPTIONS are no way to guess.
func TestGuessesAreNoPings(t *testing.T) {
	in, n := New("warden", false), 0
	for i := range 20 {
		at, session := noon.Add(time.Duration(i)*time.Minute), fmt.Sprint("s", i)
		n += asked(in, at, "OPTIONS", "nobody", session)
		for _, e := range []*event.Event{raised(event.InvalidAccountID, session, account("nobody")), guess(session, account(event.Unknown))} {
			if counts(in, at, SensorAMI, e) {
				n++
			}
		}
		if counts(in, at, SensorAMI, guess(session)) { // of an account that exists
			n++
		}
	}
	if n != 40 {
		t.Errorf("%d of 40 guesses count", n)
	}
}

// The hot path allocates nothing.
func TestPingsDoNotAllocate(t *testing.T) {
	in := New("warden", false)
	e := raised(event.InvalidAccountID, "s", account("nobody"))
	r := &sip.Request{Method: []byte("OPTIONS"), ID: sip.Transaction{CallID: []byte("s")}}
	if n := testing.AllocsPerRun(100, func() {
		in.Pings.Requested(noon, e.Remote.Addr(), r)
		o, _, _ := in.Take(noon, SensorAMI, e)
		in.Count(e, &o)
	}); n > 0 {
		t.Errorf("%v allocations", n)
	}
}

// Without the wire, as over TCP or in a replay, the log says what a request was; a log in
// which others write does not.
func TestPingsInTheLog(t *testing.T) {
	for name, tc := range map[string]struct {
		method   string
		doubtful bool
		scans    bool
	}{
		"OPTIONS": {"OPTIONS", false, false}, "NOTIFY": {"NOTIFY", false, false}, "REGISTER": {"REGISTER", false, true}, "INVITE": {"INVITE", false, true},
		"no method, before Asterisk 13": {"", false, false}, "written by anybody": {"REGISTER", true, false},
	} {
		in := New("warden", true)
		n := 0
		for i := range 10 {
			at := noon.Add(time.Duration(i) * time.Minute)
			notice := raised(event.InvalidAccountID, fmt.Sprint("call-", i), account("u"), func(e *event.Event) { e.RequestType, e.Doubtful = []byte(tc.method), tc.doubtful })
			if counts(in, at, SensorLog, notice) {
				n++
			}
		}
		if (n >= 5) != tc.scans {
			t.Errorf("%s: %d of 10 count", name, n)
		}
	}
}
