package score

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestBreakIn(t *testing.T) {
	const (
		home   = "192.0.2.10"
		thief  = "198.51.100.7"
		second = "203.0.113.9"
	)
	type step struct {
		after  time.Duration
		signal Signal
		source string
		fires  bool
	}
	fail := func(after time.Duration, source string) step { return step{after, InvalidPassword, source, false} }
	login := func(after time.Duration, source string, fires bool) step {
		return step{after, SuccessfulAuth, source, fires}
	}
	guess := func(n int, source string) []step { return slices.Repeat([]step{fail(time.Second, source)}, n) }
	steps := func(parts ...[]step) []step { return slices.Concat(parts...) }
	one := func(s step) []step { return []step{s} }

	for _, tt := range []struct {
		name  string
		steps []step
	}{
		{"four guesses, then the right one", steps(guess(4, thief), one(login(0, thief, true)))},
		{"three guesses are a person who mistypes", steps(guess(3, thief), one(login(0, thief, false)))},
		{"a known place mistypes ten times", steps(one(login(0, home, false)), guess(10, home), one(login(0, home, false)))},
		{"others guess, a known place logs in", steps(one(login(0, home, false)), guess(9, thief), one(login(0, home, false)))},
		{"others guess, another stranger logs in", steps(guess(4, thief), one(login(0, second, true)))},
		{"guesses from many sources", steps(guess(1, "198.51.100.1"), guess(1, "198.51.100.2"), guess(1, "198.51.100.3"), guess(1, "198.51.100.4"), one(login(0, second, true)))},
		{"guesses a day ago", steps(guess(4, thief), one(login(24*time.Hour, thief, false)))},
		{"guesses nearly a day ago", steps(guess(4, thief), one(login(24*time.Hour-4*time.Second, thief, true)))},
		{"the thief registers again and again", steps(guess(4, thief), one(login(0, thief, true)), slices.Repeat(one(login(time.Hour, thief, false)), 30))},
		{"and never becomes a known place", steps(guess(4, thief), slices.Concat(one(login(0, thief, true)), one(login(30*time.Hour, thief, false)), guess(4, thief), one(login(0, thief, true))))},
		{"a second stranger after the first", steps(guess(4, thief), one(login(0, thief, true)), one(login(time.Hour, second, true)), one(login(time.Hour, second, false)))},
		{"the home of the account after the break-in", steps(one(login(0, home, false)), guess(4, thief), one(login(0, thief, true)), one(login(time.Hour, home, false)))},
		{"a known place is forgotten after 30 days", steps(one(login(0, home, false)), guess(4, thief), one(login(30*24*time.Hour, thief, false)), guess(4, home), one(login(0, home, true)))},
		{"what a traveller mistyped is forgiven with the success", steps(guess(3, second), one(login(0, second, false)), guess(2, thief), one(login(0, thief, false)))},
		{"but not what others guessed before", steps(guess(2, thief), guess(1, second), one(login(0, second, false)), guess(2, thief), one(login(0, thief, true)))},
		{"one /64 is one source", steps(one(login(0, "2001:db8::1", false)), guess(4, thief), one(login(0, "2001:db8::2", false)))},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := NewBreakIn(BreakInConfig{})
			now := start
			for i, s := range tt.steps {
				now = now.Add(s.after)
				o := seen(now, s.signal, s.source, "1002")
				d, fires := b.Observe(o)
				if fires != s.fires {
					t.Fatalf("step %d, %v from %s: fires %v, want %v", i, s.signal, s.source, fires, s.fires)
				}
				if fires && (d.Signal != SuccessAfterFailures || d.Source != o.Source || string(d.Account) != "1002" || string(d.Session) != string(o.Session)) {
					t.Fatalf("derived %+v", d)
				}
			}
		})
	}
}

// A break-in is as certain as the failures before it, and a flood of forged ones
// takes nothing from those that are.
func TestBreakInIsProvenByItsFailures(t *testing.T) {
	for name, tc := range map[string]struct {
		proven, forged, again int // failures one after the other
		pause                 time.Duration
		success, want         Proof
	}{
		"forged failures, and somebody travels": {forged: 4, success: Proven, want: Spoofable},
		"a guesser":                             {proven: 4, success: Proven, want: Proven},
		"who hides among forged failures":       {forged: 10, proven: 4, again: 100, success: Proven, want: Proven},
		"who nearly proved":                     {proven: 3, forged: 100, success: Proven, want: Spoofable},
		"who proved long ago":                   {proven: 4, pause: 25 * time.Hour, forged: 4, success: Proven, want: Spoofable},
		"a success that can be forged":          {proven: 4, success: Spoofable, want: Spoofable},
	} {
		t.Run(name, func(t *testing.T) {
			b := NewBreakIn(BreakInConfig{})
			now := start
			observe := func(n int, signal Signal, source string, proof Proof) (d Observation, fires bool) {
				for range n {
					now = now.Add(time.Second)
					o := seen(now, signal, source, "1002")
					o.Proof = proof
					d, fires = b.Observe(o)
				}
				return d, fires
			}
			if tc.again > 0 {
				observe(tc.forged, ChallengeResponseFailed, "203.0.113.1", Spoofable)
				tc.forged = tc.again
			}
			observe(tc.proven, ChallengeResponseFailed, "198.51.100.7", Proven)
			now = now.Add(tc.pause)
			observe(tc.forged, ChallengeResponseFailed, "203.0.113.1", Spoofable)
			if d, fires := observe(1, SuccessfulAuth, "192.0.2.10", tc.success); !fires || d.Proof != tc.want {
				t.Errorf("fires %v, proof %d, want %d", fires, d.Proof, tc.want)
			}
		})
	}
}

// When a reload asks for fewer failures than are kept, those beyond take nothing
// from the proof of those that count.
func TestBreakInIsProvenByWhatCounts(t *testing.T) {
	for name, tc := range map[string]struct {
		old, forged, proven int
		want                Proof
	}{
		"forged ones beyond":     {forged: 6, proven: 4, want: Proven},
		"old and forged beyond":  {old: 3, forged: 3, proven: 4, want: Proven},
		"too few of them proven": {old: 6, forged: 1, proven: 3, want: Spoofable},
	} {
		t.Run(name, func(t *testing.T) {
			b := NewBreakIn(BreakInConfig{Failures: 10})
			fail := func(n int, at time.Time, proof Proof) {
				for range n {
					o := seen(at, ChallengeResponseFailed, "198.51.100.7", "1002")
					o.Proof = proof
					b.Observe(o)
				}
			}
			now := start.Add(25 * time.Hour)
			fail(tc.old, start, Proven)
			fail(tc.forged, now, Spoofable)
			fail(tc.proven, now, Proven)
			b.Configure(BreakInConfig{Failures: 4})
			o := seen(now, SuccessfulAuth, "192.0.2.10", "1002")
			o.Proof = Proven
			if d, fires := b.Observe(o); !fires || d.Proof != tc.want {
				t.Errorf("fires %v, %s, want %s", fires, d.Proof, tc.want)
			}
		})
	}
}

func TestBreakInAndReset(t *testing.T) {
	b := NewBreakIn(BreakInConfig{})
	guess := func() bool {
		for range 4 {
			b.Observe(seen(start, ChallengeResponseFailed, "198.51.100.7", "1002"))
		}
		_, fires := b.Observe(seen(start, SuccessfulAuth, "198.51.100.7", "1002"))
		return fires
	}
	if !guess() || guess() {
		t.Error("one break-in of one source is reported once")
	}
	b.Know("1002", netip.MustParseAddr("198.51.100.7"), start)
	if b.Knows("1002", netip.MustParseAddr("198.51.100.7"), start) {
		t.Error("a thief's registration makes the thief known")
	}
	b.Reset("1002")
	if !guess() {
		t.Error("after the secret was changed the same source breaks in again, unreported")
	}
	b.Reset("1002")
	if _, fires := b.Observe(seen(start, SuccessfulAuth, "198.51.100.7", "1002")); fires {
		t.Error("failures before the reset still count")
	}
	if !b.Knows("1002", netip.MustParseAddr("198.51.100.7"), start) {
		t.Error("who knows the new secret is known")
	}
	b.Reset("nobody")
}

func TestBreakInAndForgive(t *testing.T) {
	b := NewBreakIn(BreakInConfig{})
	login := func(source string) bool {
		_, fires := b.Observe(seen(start, SuccessfulAuth, source, "1002"))
		return fires
	}
	guess := func() {
		for range 4 {
			b.Observe(seen(start, ChallengeResponseFailed, "198.51.100.7", "1002"))
		}
	}
	guess()
	if !login("198.51.100.7") {
		t.Fatal("a break-in is none")
	}
	b.Forgive("1002")
	if login("192.0.2.90") {
		t.Error("what was forgiven still counts")
	}
	b.Know("1002", netip.MustParseAddr("198.51.100.7"), start)
	if b.Knows("1002", netip.MustParseAddr("198.51.100.7"), start) {
		t.Error("the thief is forgiven, too")
	}
	guess()
	if !login("203.0.113.9") {
		t.Error("what comes afterwards does not count")
	}
	b.Forgive("nobody")
}

func TestBreakInKeepsManagerUsersApart(t *testing.T) {
	b := NewBreakIn(BreakInConfig{})
	for range 4 {
		o := seen(start, InvalidPassword, "198.51.100.7", "admin")
		o.Service = []byte("AMI")
		b.Observe(o)
	}
	if _, fires := b.Observe(seen(start, SuccessfulAuth, "198.51.100.7", "admin")); fires {
		t.Error("guesses at the AMI user count for the SIP peer")
	}
	o := seen(start, SuccessfulAuth, "198.51.100.8", "admin")
	o.Service = []byte("AMI")
	d, fires := b.Observe(o)
	if name, _ := accountName(&d, new(accountBuffer)); !fires || string(name) != "AMI/admin" {
		t.Errorf("the AMI user's break-in: %v, account %q", fires, name)
	}
}

func TestBreakInIgnores(t *testing.T) {
	b := NewBreakIn(BreakInConfig{})
	for _, o := range []*Observation{
		seen(start, InvalidAccountID, "198.51.100.7", "1002"),
		seen(start, ChallengeSent, "198.51.100.7", "1002"),
		seen(start, ChallengeResponseFailed, "198.51.100.7", "<unknown>"),
		seen(start, InvalidPassword, "", "1002"),
	} {
		b.Observe(o)
	}
	if b.Accounts() != 0 {
		t.Errorf("%d accounts from what names none", b.Accounts())
	}
}

// places are the known places of all accounts, in no order.
func places(b *BreakIn) (list []Place) {
	for e := b.used.Front(); e != nil; e = e.Next() {
		a := entryOf(e)
		for _, p := range a.places {
			if !p.thief {
				list = append(list, Place{Account: a.name, Source: p.source, At: p.last})
			}
		}
	}
	return list
}

func TestPlaces(t *testing.T) {
	var learned []string
	b := NewBreakIn(BreakInConfig{Learned: func(p Place) {
		learned = append(learned, fmt.Sprint(p.Account, " ", p.Source, " ", p.At.Sub(start)))
	}})
	b.Know("1001", netip.MustParseAddr("192.0.2.1"), start)
	for h := range 50 { // a phone registers every hour
		b.Observe(seen(start.Add(time.Duration(h)*time.Hour), SuccessfulAuth, "192.0.2.2", "1002"))
	}
	for range 4 {
		b.Observe(seen(start.Add(50*time.Hour), InvalidPassword, "198.51.100.7", "1002"))
	}
	b.Observe(seen(start.Add(50*time.Hour), SuccessfulAuth, "198.51.100.7", "1002"))
	if got, want := strings.Join(learned, ", "), "1002 192.0.2.2/32 0s, 1002 192.0.2.2/32 24h0m0s, 1002 192.0.2.2/32 48h0m0s"; got != want {
		t.Errorf("learned %s, want %s", got, want)
	}
	var list []string
	for _, p := range places(b) {
		list = append(list, fmt.Sprint(p.Account, " ", p.Source, " ", p.At.Sub(start)))
	}
	slices.Sort(list)
	if got, want := strings.Join(list, ", "), "1001 192.0.2.1/32 0s, 1002 192.0.2.2/32 49h0m0s"; got != want {
		t.Errorf("places %s, want %s", got, want)
	}
}

func TestBreakInIsBounded(t *testing.T) {
	b := NewBreakIn(BreakInConfig{Accounts: 10, Places: 3})
	for i := range 5 {
		b.Know(fmt.Sprint("phone-", i), netip.MustParseAddr("192.0.2.1"), start)
	}
	for i := range 1000 {
		b.Observe(seen(start, InvalidPassword, "198.51.100.7", fmt.Sprint("made-up-", i)))
	}
	for i := range 5 {
		if !b.Knows(fmt.Sprint("phone-", i), netip.MustParseAddr("192.0.2.1"), start) {
			t.Errorf("phone-%d was pushed out by made-up names", i)
		}
	}
	if b.Accounts() != 10 {
		t.Errorf("%d accounts, want 10", b.Accounts())
	}
	for i := range 5 {
		b.Know(fmt.Sprint("more-", i), netip.MustParseAddr("192.0.2.1"), start)
	}
	b.Observe(seen(start, InvalidPassword, "198.51.100.7", "made-up"))
	if b.Refused() != 1 || b.Accounts() != 10 {
		t.Errorf("refused %d, %d accounts", b.Refused(), b.Accounts())
	}
	b.Know("one-more", netip.MustParseAddr("192.0.2.1"), start)
	if b.Knows("phone-0", netip.MustParseAddr("192.0.2.1"), start) || b.Accounts() != 10 {
		t.Error("the account longest not used stays")
	}
	for i := range 5 {
		b.Know("one-more", netip.AddrFrom4([4]byte{192, 0, 2, byte(10 + i)}), start.Add(time.Duration(i)*time.Hour))
	}
	n := 0
	for _, p := range places(b) {
		if p.Account == "one-more" {
			n++
		}
	}
	if n != 3 || b.Knows("one-more", netip.MustParseAddr("192.0.2.11"), start) {
		t.Errorf("%d places, want the newest 3", n)
	}
}

func TestBreakInDoesNotAllocate(t *testing.T) {
	b := NewBreakIn(BreakInConfig{})
	o := seen(start, SuccessfulAuth, "192.0.2.1", "1002")
	bad := seen(start, InvalidPassword, "198.51.100.7", "1002")
	run := func() {
		o.At = o.At.Add(time.Minute)
		bad.At = o.At
		b.Observe(o)
		b.Observe(bad)
	}
	for range 10 {
		run()
	}
	if a := testing.AllocsPerRun(1000, run); a != 0 {
		t.Errorf("%v allocations", a)
	}
}
