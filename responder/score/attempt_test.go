package score

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"
)

// attemptEvent returns an event of an attempt: I is InvalidAccountID, S ChallengeSent, F
// ChallengeResponseFailed; s and f are those of a known account.
func attemptEvent(c byte, session string) *Observation {
	signal := map[byte]Signal{'I': InvalidAccountID, 'S': ChallengeSent, 's': ChallengeSent, 'F': ChallengeResponseFailed, 'f': ChallengeResponseFailed}[c]
	account := map[byte]string{'I': "9999", 'S': "<unknown>", 's': "1002", 'F': "<unknown>", 'f': "1002"}[c]
	o := seen(start, signal, "198.51.100.7", account)
	o.Session = []byte(session)
	return o
}

// points returns 1 if the event carries points, otherwise 0.
func points(a *Attempts, o *Observation) int {
	c, ok := a.Count(o)
	if !ok || c.Signal == ChallengeSent {
		return 0
	}
	return 1
}

func TestAttempts(t *testing.T) {
	for _, tt := range []struct {
		name, events string
		want         int
	}{
		{"an attempt on an unknown account", "ISIF", 1},
		{"three attempts", "ISIF ISIF ISIF", 3},
		{"probes without answers", "IS IS IS IS", 4},
		{"a probe without a challenge", "ISI", 1},
		{"answers with an old nonce", "IF IF IF", 3},
		{"an attempt, then answers with its nonce", "ISIF IF IF", 3},
		{"three probes, then an attempt", "IS IS IS ISIF", 4},
		{"a known account: a legitimate phone", "s", 0},
		{"a known account: wrong passwords", "s f f f", 3},
		{"a known account in the session of a probe", "IS f IS f", 4},
		{"a known account in place of the answer", "ISI f F", 2},
		{"no InvalidAccountID, as with auth_username", "SF SF SF", 3},
		{"chan_sip: a challenge with a name, then InvalidAccountID", "sI sI", 2},
		{"the failure suppressed by a nonce that is not UTF-8", "ISI ISI ISI", 3},
		{"only requests", "I I I I", 4},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a := NewAttempts(0)
			n := 0
			for _, c := range []byte(strings.ReplaceAll(tt.events, " ", "")) {
				n += points(a, attemptEvent(c, "call-id"))
			}
			if n != tt.want {
				t.Errorf("%s counts %d, want %d", tt.events, n, tt.want)
			}
		})
	}
}

func TestHeldBackProbeIsReturned(t *testing.T) {
	a := NewAttempts(0)
	for _, c := range []byte("ISI") {
		a.Count(attemptEvent(c, "call-id"))
	}
	got, ok := a.Count(attemptEvent('S', "call-id"))
	if !ok || got.Signal != InvalidAccountID || got.Source != attemptEvent('S', "").Source {
		t.Errorf("the held-back probe: %+v, %v", got, ok)
	}
	if _, named := accountName(&got, new(accountBuffer)); named {
		t.Error("it names an account")
	}
}

func TestOtherSignalsCountAsTheyAre(t *testing.T) {
	a := NewAttempts(0)
	for range 3 {
		if o, ok := a.Count(seen(start, FailedACL, "192.0.2.1", "1002")); !ok || o.Signal != FailedACL {
			t.Error("FailedACL does not count")
		}
	}
}

func TestAttemptsExpire(t *testing.T) {
	a := NewAttempts(0)
	n := 0
	for i, c := range []byte("ISISIS") {
		o := attemptEvent(c, "call-id")
		o.At = start.Add(time.Duration(i/2) * time.Minute)
		n += points(a, o)
	}
	if n != 3 {
		t.Errorf("three probes a minute apart count %d", n)
	}
}

// TestAttemptsInterleaved checks that for any mix of sessions of one source, and any
// table size, at least the attempts of each session count.
func TestAttemptsInterleaved(t *testing.T) {
	patterns := []struct {
		events string
		counts int
	}{{"ISIF", 1}, {"IS", 1}, {"IF", 1}, {"sf", 1}, {"SF", 1}}
	for seed := range uint64(200) {
		r := rand.New(rand.NewPCG(seed, 1))
		a := NewAttempts([]int{1, 8, 1 << 10}[seed%3])
		// A session keeps its pattern, because IS followed by IF is ISIF.
		kinds := make([]int, 1+r.IntN(20))
		for i := range kinds {
			kinds[i] = r.IntN(len(patterns))
		}
		sessions := make([]string, len(kinds)) // remaining events of each
		want, got := 0, 0
		for range 3000 {
			i := r.IntN(len(sessions))
			if sessions[i] == "" {
				p := patterns[kinds[i]]
				sessions[i] = p.events
				want += p.counts
			}
			c := sessions[i][0]
			sessions[i] = sessions[i][1:]
			got += points(a, attemptEvent(c, fmt.Sprint("call-", i)))
		}
		// Unfinished attempts may have a count outstanding.
		if got < want-len(sessions) {
			t.Errorf("seed %d: %d points, %d attempts", seed, got, want)
		}
		taken := make(map[*slot]bool)
		for i := range sessions {
			o := attemptEvent('I', fmt.Sprint("call-", i))
			taken[a.slot(o.Source, o.Session, 0)] = true
		}
		if roomy := len(taken) == len(sessions); roomy && got > want+len(sessions) {
			t.Errorf("seed %d: %d points of %d attempts, in a table with a place for each", seed, got, want)
		}
	}
}

// TestAttemptsWithLostEvents checks that at least every other request counts, whatever
// events are lost.
func TestAttemptsWithLostEvents(t *testing.T) {
	for seed := range uint64(200) {
		r := rand.New(rand.NewPCG(seed, 2))
		a := NewAttempts([]int{1, 4, 1 << 10}[seed%3])
		sessions := 1 + r.IntN(8)
		requests, named, got := 0, 0, 0
		for range 3000 {
			c := "IISSFsf"[r.IntN(7)]
			switch c {
			case 'I':
				requests++
			case 'f':
				named++
			}
			got += points(a, attemptEvent(c, fmt.Sprint("call-", r.IntN(sessions))))
		}
		if got < named+requests/2 {
			t.Errorf("seed %d: %d points of %d requests and %d guesses", seed, got, requests, named)
		}
	}
}

func TestAttemptsDoNotAllocate(t *testing.T) {
	a := NewAttempts(1 << 10)
	o := attemptEvent('I', "call-id-0000")
	i := 0
	if n := testing.AllocsPerRun(1000, func() {
		i++
		o.Session[8] = byte(i)
		o.Session[9] = byte(i >> 8)
		a.Count(o)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestChallenges(t *testing.T) {
	c := NewChallenges()
	o := seen(start, ChallengeSent, "192.0.2.66", "sip:1002@192.0.2.1")
	if _, ok := c.From(o.Source, o.Session); ok {
		t.Error("a user is found without a challenge")
	}
	c.Remember(seen(start, ChallengeSent, "192.0.2.66", "1002")) // REGISTER: ignored
	c.Remember(o)
	if user, ok := c.From(o.Source, o.Session); !ok || string(user) != "1002" {
		t.Errorf("from %q, %v", user, ok)
	}
	if _, ok := c.From(seen(start, ChallengeSent, "192.0.2.67", "").Source, o.Session); ok {
		t.Error("another source with the same session is mixed up")
	}
	for account, want := range map[string]string{
		"sips:alice@example.org": "alice", "sip:1001;phone-context=x@pbx": "1001",
		"sip:@pbx": "", "sip:pbx": "", "1002": "", "sip:" + strings.Repeat("a", 81) + "@pbx": "",
	} {
		o := seen(start, ChallengeSent, "192.0.2.66", account)
		o.Session = []byte(account)
		c.Remember(o)
		if user, _ := c.From(o.Source, o.Session); string(user) != want {
			t.Errorf("%s is from %q, want %q", account, user, want)
		}
	}
	if n := testing.AllocsPerRun(100, func() { c.Remember(o); c.From(o.Source, o.Session) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
