package places_test

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tollwarden/tollwarden/ami/event"
	"github.com/tollwarden/tollwarden/responder/places"
	"github.com/tollwarden/tollwarden/responder/score"
)

var start = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

// seen is an observation of an account, over UDP and spoofable.
func seen(at time.Time, s score.Signal, source, account string) *score.Observation {
	o := &score.Observation{
		At: at, Signal: s, Port: 5060, Transport: event.UDP,
		Service: []byte("PJSIP"), Account: []byte(account), Session: []byte("8e2f1c5a@" + source),
	}
	if source != "" {
		o.Source = netip.MustParseAddr(source)
	}
	return o
}

// watched is a BreakIn with the Places that it asks.
type watched struct {
	*score.BreakIn
	*places.Places
}

func watch(b score.BreakInConfig, c places.Config) watched {
	p := places.New(c, nil)
	return watched{score.NewBreakIn(b, p), p}
}

// passwordChanged forgets what was guessed of the old password.
func (w watched) passwordChanged(account string) {
	w.ClearFailures(account)
	w.ForgetProbation(account)
	w.ForgetThieves(account)
}

const (
	none  = score.NoSignal
	broke = score.SuccessAfterFailures
	doubt = score.NewPlaceAfterFailures
)

// sure is seen for what is confirmed.
func sure(at time.Time, s score.Signal, source, account string) *score.Observation {
	o := seen(at, s, source, account)
	o.Proof = score.Proven
	return o
}

func TestBreakIn(t *testing.T) {
	const (
		home      = "192.0.2.10"
		thief     = "198.51.100.7"
		neighbour = "198.51.100.8"
		second    = "203.0.113.9"
	)
	type step struct {
		after  time.Duration
		signal score.Signal
		source string
		raises score.Signal
		forged bool
		of     string // another account; "" is 1002
	}
	fail := func(source string) step { return step{time.Second, score.InvalidPassword, source, none, false, ""} }
	login := func(after time.Duration, source string, raises score.Signal) step {
		return step{after, score.SuccessfulAuth, source, raises, false, ""}
	}
	of := func(account string, s step) step { s.of = account; return s }
	forged := func(s step) step { s.forged = true; return s }
	guess := func(n int, source string) []step { return slices.Repeat([]step{fail(source)}, n) }
	forge := func(n int, source string) []step { return slices.Repeat([]step{forged(fail(source))}, n) }
	steps := func(parts ...any) (list []step) {
		for _, p := range parts {
			if s, ok := p.(step); ok {
				list = append(list, s)
				continue
			}
			list = append(list, p.([]step)...)
		}
		return list
	}
	const month = 30 * 24 * time.Hour

	for _, tt := range []struct {
		name  string
		steps []step
	}{
		{"four guesses, then the right one", steps(guess(4, thief), login(0, thief, broke))},
		{"three guesses are a person who mistypes", steps(guess(3, thief), login(0, thief, none))},
		{"a known place mistypes ten times", steps(login(0, home, none), guess(10, home), login(0, home, none))},
		{"others guess, a known place logs in", steps(login(0, home, none), guess(9, thief), login(0, home, none))},
		{"guesses a day ago", steps(guess(4, thief), login(24*time.Hour, thief, none))},
		{"guesses nearly a day ago", steps(guess(4, thief), login(24*time.Hour-4*time.Second, thief, broke))},
		{"the thief registers again and again", steps(guess(4, thief), login(0, thief, broke), slices.Repeat(steps(login(time.Hour, thief, none)), 30))},
		{"and never becomes a known place", steps(guess(4, thief), login(0, thief, broke), login(30*time.Hour, thief, none), guess(4, thief), login(0, thief, broke))},
		{"a second unknown address after the first", steps(guess(4, thief), login(0, thief, broke), login(time.Hour, second, broke), login(time.Hour, second, none))},
		{"the home of the account after the break-in", steps(login(0, home, none), guess(4, thief), login(0, thief, broke), login(time.Hour, home, none))},
		{"a known place is forgotten after 30 days", steps(login(0, home, none), guess(4, thief), login(month, second, none), guess(4, home), login(0, home, broke))},
		{"what a traveller mistyped is forgiven with the success", steps(guess(3, second), login(0, second, none), guess(2, thief), login(0, thief, none))},
		{"one /64 is one source", steps(login(0, "2001:db8::1", none), guess(4, thief), login(0, "2001:db8::2", none))},

		{"a network takes turns", steps(guess(2, thief), guess(2, neighbour), login(0, "198.51.100.9", broke))},
		{"so does one of IPv6", steps(guess(4, "2001:db8:0:1::1"), login(0, "2001:db8:0:2::1", broke))},
		{"a neighbour with accounts of its own is no guesser's", steps(of("1003", login(0, neighbour, none)), guess(4, neighbour), login(0, thief, doubt))},
		{"but the address itself is one", steps(of("1003", login(0, thief, none)), guess(4, thief), login(0, thief, broke))},
		{"another account was tried, nobody lives there", steps(of("1003", fail(thief)), login(0, thief, doubt))},
		{"a colleague's old password", steps(of("1003", login(0, thief, none)), of("1003", fail(thief)), login(0, thief, none))},
		{"a colleague lives there, and a third account is tried", steps(of("1003", login(0, thief, none)), of("1004", fail(thief)), login(0, thief, doubt))},
		{"another account was tried a day ago", steps(of("1003", fail(thief)), login(24*time.Hour, thief, none))},
		{"a flood from elsewhere does not hide a guesser", steps(guess(4, thief), guess(9, home), guess(99, second), login(0, thief, broke))},

		{"others guess, another unknown address logs in", steps(guess(4, thief), login(0, second, doubt), login(time.Hour, second, none))},
		{"guesses from many sources", steps(guess(1, "198.51.100.1"), guess(1, "198.51.101.2"), guess(1, "198.51.102.3"), guess(1, "198.51.103.4"), login(0, second, doubt))},
		{"what others guessed before a traveller came still counts", steps(guess(2, home), guess(1, second), login(0, second, none), guess(2, home), login(0, thief, doubt))},
		{"all guesses may be forged", steps(forge(4, thief), login(0, thief, doubt))},
		{"three of the four may be", steps(forge(9, thief), guess(3, thief), login(0, thief, doubt))},
		{"forged for another account", steps(of("1003", forged(fail(thief))), login(0, thief, none))},
		{"forged for many others", steps(of("1003", forged(fail(thief))), of("1004", forged(fail(thief))), of("1005", forged(fail(thief))), of("1006", forged(fail(thief))), login(0, thief, doubt))},
		{"on probation, then guesses itself", steps(guess(4, home), login(0, second, doubt), guess(4, second), login(0, second, broke))},
		{"a month later nobody guesses any more", steps(guess(4, home), login(0, second, doubt), login(month, second, none), guess(4, home), login(0, second, none))},
		{"a month later somebody still does", steps(guess(4, home), login(0, second, doubt), login(month-time.Second, second, none), guess(4, home), login(0, second, doubt))},
		{"while one address is on probation, so is the next", steps(guess(4, home), login(0, second, doubt), login(48*time.Hour, thief, doubt), login(time.Hour, thief, none))},
		{"but no longer than the first", steps(guess(4, home), login(0, second, doubt), login(month-time.Hour, thief, doubt), login(time.Hour, thief, none), guess(4, home), login(0, thief, none))},
		{"what is known stays known meanwhile", steps(login(0, home, none), guess(4, thief), login(0, second, doubt), login(time.Hour, home, none))},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := watch(score.BreakInConfig{}, places.Config{})
			now := start
			for i, s := range tt.steps {
				now = now.Add(s.after)
				o := sure(now, s.signal, s.source, cmp.Or(s.of, "1002"))
				if s.forged {
					o.Proof = score.Spoofable
				}
				d, fires := b.Observe(o)
				if d.Signal != s.raises || fires != (s.raises != none) {
					t.Fatalf("step %d, %v from %s: raises %v, want %v", i, s.signal, s.source, d.Signal, s.raises)
				}
				if fires && (d.Source != o.Source || string(d.Account) != "1002" || string(d.Session) != string(o.Session)) {
					t.Fatalf("derived %+v", d)
				}
			}
		})
	}
}

// A success that may be spoofed makes no break-in that is confirmed.
func TestBreakInIsProvenByItsSuccess(t *testing.T) {
	for proof := range map[score.Proof]bool{score.Spoofable: true, score.Proven: true} {
		b := watch(score.BreakInConfig{}, places.Config{})
		for range 4 {
			b.Observe(sure(start, score.ChallengeResponseFailed, "198.51.100.7", "1002"))
		}
		o := seen(start, score.SuccessfulAuth, "198.51.100.7", "1002")
		o.Proof = proof
		if d, _ := b.Observe(o); d.Signal != broke || d.Proof != proof {
			t.Errorf("%s: %v, %s", proof, d.Signal, d.Proof)
		}
	}
}

// What others did, or forged packets, never proves anything about who succeeds.
func TestProbationIsNeverProven(t *testing.T) {
	b := watch(score.BreakInConfig{}, places.Config{})
	for range 4 {
		b.Observe(sure(start, score.ChallengeResponseFailed, "203.0.113.1", "1002"))
	}
	if d, _ := b.Observe(sure(start, score.SuccessfulAuth, "198.51.100.7", "1002")); d.Signal != doubt || d.Proof != score.Spoofable {
		t.Errorf("%v, %s", d.Signal, d.Proof)
	}
}

// Failures that are proven are displaced neither by forged ones nor by those of as many
// other addresses as a botnet can spare.
func TestFailuresOfAGuesserAreKept(t *testing.T) {
	for name, flood := range map[string]func(n int) *score.Observation{
		"forged, from everywhere": func(n int) *score.Observation {
			return seen(start, score.InvalidPassword, fmt.Sprintf("203.%d.%d.1", n/250, n%250), "1002")
		},
		"confirmed, from everywhere": func(n int) *score.Observation {
			return sure(start, score.InvalidPassword, fmt.Sprintf("203.%d.%d.1", n/250, n%250), "1002")
		},
		"confirmed, from fourteen": func(n int) *score.Observation {
			return sure(start, score.InvalidPassword, fmt.Sprintf("203.0.%d.1", n%14), "1002")
		},
	} {
		b := watch(score.BreakInConfig{}, places.Config{})
		for n := range 100 {
			b.Observe(flood(n))
		}
		for range 4 {
			b.Observe(sure(start, score.ChallengeResponseFailed, "198.51.100.7", "1002"))
		}
		for n := range 1000 {
			b.Observe(flood(n))
		}
		if d, _ := b.Observe(sure(start, score.SuccessfulAuth, "198.51.100.7", "1002")); d.Signal != broke {
			t.Errorf("%s: %v", name, d.Signal)
		}
	}
}

// When a reload asks for fewer failures than are kept, it is those that count that
// matter.
func TestBreakInAfterAReload(t *testing.T) {
	for name, tc := range map[string]struct {
		old, forged, proven int
		want                score.Signal
	}{
		"forged ones beyond":     {forged: 6, proven: 4, want: broke},
		"old and forged beyond":  {old: 3, forged: 3, proven: 4, want: broke},
		"too few of them proven": {old: 6, forged: 1, proven: 3, want: doubt},
	} {
		t.Run(name, func(t *testing.T) {
			b := watch(score.BreakInConfig{Failures: 10}, places.Config{})
			fail := func(n int, at time.Time, proof score.Proof) {
				for range n {
					o := seen(at, score.ChallengeResponseFailed, "198.51.100.7", "1002")
					o.Proof = proof
					b.Observe(o)
				}
			}
			now := start.Add(25 * time.Hour)
			fail(tc.old, start, score.Proven)
			fail(tc.forged, now, score.Spoofable)
			fail(tc.proven, now, score.Proven)
			b.BreakIn.Configure(score.BreakInConfig{Failures: 4})
			if d, _ := b.Observe(sure(now, score.SuccessfulAuth, "198.51.100.7", "1002")); d.Signal != tc.want {
				t.Errorf("%s, want %s", d.Signal, tc.want)
			}
		})
	}
}

func TestBreakInAndReset(t *testing.T) {
	b := watch(score.BreakInConfig{}, places.Config{})
	guess := func() bool {
		for range 4 {
			b.Observe(sure(start, score.ChallengeResponseFailed, "198.51.100.7", "1002"))
		}
		_, fires := b.Observe(seen(start, score.SuccessfulAuth, "198.51.100.7", "1002"))
		return fires
	}
	if !guess() || guess() {
		t.Error("one break-in of one source is reported once")
	}
	b.Know("1002", netip.MustParseAddr("198.51.100.7"), start)
	if b.Known("1002", netip.MustParseAddr("198.51.100.7"), start) {
		t.Error("a thief's registration makes the thief known")
	}
	b.passwordChanged("1002")
	if !guess() {
		t.Error("after the secret was changed the same source breaks in again, unreported")
	}
	b.passwordChanged("1002")
	if _, fires := b.Observe(seen(start, score.SuccessfulAuth, "198.51.100.7", "1002")); fires {
		t.Error("failures before the reset still count")
	}
	if !b.Known("1002", netip.MustParseAddr("198.51.100.7"), start) {
		t.Error("who knows the new secret is known")
	}
	b.passwordChanged("nobody")
}

// Whoever guessed a password has it, and may come back from anywhere, until it is
// changed. That others guessed before somebody came from a new place shows less.
func TestStolenPassword(t *testing.T) {
	const thief, second = "198.51.100.7", "203.0.113.9"
	for name, tc := range map[string]struct {
		do   func(w watched)
		at   time.Duration // when somebody succeeds at another unknown place
		want bool
	}{
		"guessed":                        {func(w watched) { w.guess(4, thief); w.login(thief) }, 25 * time.Hour, true},
		"guessed, and waits":             {func(w watched) { w.guess(4, thief); w.login(thief) }, 29 * 24 * time.Hour, true},
		"guessed, and waits too long":    {func(w watched) { w.guess(4, thief); w.login(thief) }, 31 * 24 * time.Hour, false},
		"guessed, then changed":          {func(w watched) { w.guess(4, thief); w.login(thief); w.passwordChanged("1002") }, 25 * time.Hour, false},
		"guessed, after a restart":       {func(w watched) { w.RestoreThief("1002", netip.MustParsePrefix(thief+"/32"), start) }, time.Hour, true},
		"others guess, somebody travels": {func(w watched) { w.guess(4, "192.0.2.50"); w.login(thief) }, 25 * time.Hour, false},
		"revealed":                       {func(w watched) { w.Revealed(seen(start, score.SuccessfulAuth, thief, "1002"), true) }, time.Hour, true},
		"revealed, to the owner perhaps": {func(w watched) { w.Revealed(seen(start, score.SuccessfulAuth, thief, "1002"), false) }, time.Hour, false},
	} {
		w := watch(score.BreakInConfig{}, places.Config{})
		tc.do(w)
		if got := w.Stolen([]byte("1002"), start.Add(tc.at)); got != tc.want {
			t.Errorf("%s: stolen %v, want %v", name, got, tc.want)
		}
		if d, _ := w.Observe(seen(start.Add(tc.at), score.SuccessfulAuth, second, "1002")); (d.Signal == broke) != tc.want {
			t.Errorf("%s: raises %v, want a break-in: %v", name, d.Signal, tc.want)
		}
	}
}

func (w watched) guess(n int, source string) {
	for range n {
		w.Observe(sure(start, score.ChallengeResponseFailed, source, "1002"))
	}
}

func (w watched) login(source string) { w.Observe(seen(start, score.SuccessfulAuth, source, "1002")) }

// What is kept of thieves is what was last reported, and nothing once the password
// was changed.
func TestThievesAreKept(t *testing.T) {
	var kept []string
	w := watch(score.BreakInConfig{}, places.Config{ThievesChanged: func(account string, list []netip.Prefix, at time.Time) {
		kept = append(kept, fmt.Sprint(account, " ", list))
	}})
	w.Revealed(seen(start, score.SuccessfulAuth, "203.0.113.9", "1002"), true)
	w.Revealed(seen(start, score.SuccessfulAuth, "198.51.100.7", "1002"), true)
	if list, last := w.Thieves("1002", start); fmt.Sprint(list) != "[198.51.100.7/32 203.0.113.9/32]" || !last.Equal(start) {
		t.Errorf("thieves %v at %s", list, last)
	}
	if got := fmt.Sprint(w.StolenAccounts(start)); got != "[1002]" {
		t.Errorf("accounts %s", got)
	}
	w.passwordChanged("1002")
	w.passwordChanged("1002")
	if got, want := strings.Join(kept, ", "), "1002 [203.0.113.9/32], 1002 [198.51.100.7/32 203.0.113.9/32], 1002 []"; got != want {
		t.Errorf("kept %s, want %s", got, want)
	}
	if got := w.StolenAccounts(start); len(got) != 0 {
		t.Errorf("accounts %v", got)
	}
}

func TestBreakInAndForgive(t *testing.T) {
	b := watch(score.BreakInConfig{}, places.Config{})
	login := func(source string) bool {
		_, fires := b.Observe(seen(start, score.SuccessfulAuth, source, "1002"))
		return fires
	}
	guess := func() {
		for range 4 {
			b.Observe(sure(start, score.ChallengeResponseFailed, "198.51.100.7", "1002"))
		}
	}
	guess()
	if !login("198.51.100.7") {
		t.Fatal("a break-in is none")
	}
	b.ClearFailures("1002")
	b.Know("1002", netip.MustParseAddr("198.51.100.7"), start)
	if b.Known("1002", netip.MustParseAddr("198.51.100.7"), start) {
		t.Error("the thief is forgiven, too")
	}
	b.ForgetThieves("1002")
	if login("192.0.2.90") {
		t.Error("what was forgiven still counts")
	}
	guess()
	if !login("203.0.113.9") {
		t.Error("what comes afterwards does not count")
	}
	b.ClearFailures("nobody")
}

func TestBreakInKeepsManagerUsersApart(t *testing.T) {
	b := watch(score.BreakInConfig{}, places.Config{})
	for range 4 {
		o := seen(start, score.InvalidPassword, "198.51.100.7", "admin")
		o.Service = []byte("AMI")
		b.Observe(o)
	}
	if _, fires := b.Observe(seen(start, score.SuccessfulAuth, "198.51.100.7", "admin")); fires {
		t.Error("guesses at the AMI user count for the SIP peer")
	}
	o := seen(start, score.SuccessfulAuth, "198.51.100.8", "admin")
	o.Service = []byte("AMI")
	d, fires := b.Observe(o)
	if !fires || string(d.Service) != "AMI" || len(b.Failures("AMI/admin")) != 4 || len(b.Failures("admin")) != 0 {
		t.Errorf("the AMI user's break-in: %v, service %q", fires, d.Service)
	}
}

func TestBreakInIgnores(t *testing.T) {
	b := watch(score.BreakInConfig{}, places.Config{})
	for _, o := range []*score.Observation{
		seen(start, score.InvalidAccountID, "198.51.100.7", "1002"),
		seen(start, score.ChallengeSent, "198.51.100.7", "1002"),
		seen(start, score.ChallengeResponseFailed, "198.51.100.7", "<unknown>"),
		seen(start, score.InvalidPassword, "", "1002"),
	} {
		b.Observe(o)
	}
	if b.BreakIn.Accounts() != 0 {
		t.Errorf("%d accounts from what names none", b.BreakIn.Accounts())
	}
}

func TestKnownAddresses(t *testing.T) {
	var learned []string
	b := watch(score.BreakInConfig{}, places.Config{AddressLearned: func(a places.Address) {
		learned = append(learned, fmt.Sprint(a.Account, " ", a.Source, " ", a.At.Sub(start)))
	}})
	b.Know("1001", netip.MustParseAddr("192.0.2.1"), start)
	for h := range 50 { // a phone registers every hour
		b.Observe(seen(start.Add(time.Duration(h)*time.Hour), score.SuccessfulAuth, "192.0.2.2", "1002"))
	}
	for range 4 {
		b.Observe(seen(start.Add(50*time.Hour), score.InvalidPassword, "198.51.100.7", "1002"))
	}
	b.Observe(seen(start.Add(50*time.Hour), score.SuccessfulAuth, "198.51.100.7", "1002"))
	if got, want := strings.Join(learned, ", "), "1002 192.0.2.2/32 0s, 1002 192.0.2.2/32 24h0m0s, 1002 192.0.2.2/32 48h0m0s"; got != want {
		t.Errorf("learned %s, want %s", got, want)
	}
	var list []string
	for _, account := range []string{"1001", "1002"} {
		for _, a := range b.Addresses(account, start.Add(50*time.Hour)) {
			list = append(list, fmt.Sprint(a.Account, " ", a.Source, " ", a.At.Sub(start)))
		}
	}
	if got, want := strings.Join(list, ", "), "1001 192.0.2.1/32 0s, 1002 192.0.2.2/32 49h0m0s"; got != want {
		t.Errorf("addresses %s, want %s", got, want)
	}
}

// Made-up names push out neither the known addresses nor more failures than
// there is room for.
func TestBreakInIsBounded(t *testing.T) {
	b := watch(score.BreakInConfig{Accounts: 10}, places.Config{Accounts: 10, Addresses: 3})
	phone := netip.MustParseAddr("192.0.2.1")
	for i := range 10 {
		b.Know(fmt.Sprint("phone-", i), phone, start)
	}
	for i := range 1000 {
		b.Observe(seen(start, score.InvalidPassword, "198.51.100.7", fmt.Sprint("made-up-", i)))
	}
	for i := range 10 {
		if !b.Known(fmt.Sprint("phone-", i), phone, start) {
			t.Errorf("phone-%d was pushed out by made-up names", i)
		}
	}
	if b.BreakIn.Accounts() != 10 || b.Places.Accounts() != 10 {
		t.Errorf("%d accounts with failures, %d with places, want 10 of each", b.BreakIn.Accounts(), b.Places.Accounts())
	}
	b.Know("one-more", phone, start)
	if b.Known("phone-0", phone, start) || b.Places.Accounts() != 10 {
		t.Error("the account longest not used stays")
	}
	for i := range 5 {
		b.Know("one-more", netip.AddrFrom4([4]byte{192, 0, 2, byte(10 + i)}), start.Add(time.Duration(i)*time.Hour))
	}
	if n := len(b.Addresses("one-more", start)); n != 3 || b.Known("one-more", netip.MustParseAddr("192.0.2.11"), start) {
		t.Errorf("%d addresses, want the newest 3", n)
	}
}

func TestBreakInDoesNotAllocate(t *testing.T) {
	b := watch(score.BreakInConfig{}, places.Config{})
	o := seen(start, score.SuccessfulAuth, "192.0.2.1", "1002")
	bad := seen(start, score.InvalidPassword, "198.51.100.7", "1002")
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
