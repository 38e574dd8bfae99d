package test

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/tollwarden/tollwarden/responder/incident"
	"github.com/tollwarden/tollwarden/test/lab"
)

const guesserAddress = "192.0.2.66"

var guesserPrefix = netip.MustParsePrefix(guesserAddress + "/32")

// A raw guesser at 2,000 guesses a second is dropped after Asterisk has answered at
// most five guesses more than the threshold, counted in its own security log. One
// machine plays every part here and may be busy: one of three guessers has to meet
// the five, and the median ten times as many.
func TestGuesserIsStopped(t *testing.T) {
	const threshold = 3
	onBoth(t, func(t *testing.T, l *lab.Lab) {
		w := guard(t, l, threshold)
		var answered []int
		for i := range 3 {
			address := fmt.Sprintf("192.0.2.%d", 66+i)
			attacker := addHost(t, l, fmt.Sprintf("attacker%d", i), address)
			ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
			defer cancel()
			// chan_sip wants a nonce of its own for each guess.
			g := lab.Guesser{Host: attacker, Account: "1002", Rate: 2000, Most: 2000, Ask: l.Version == lab.Asterisk16}
			guesses, err := g.Run(ctx)
			if err != nil {
				t.Fatal(err)
			}
			source := netip.MustParsePrefix(address + "/32")
			n := w.answered(source)
			answered = append(answered, n)
			hits := w.hits(source)
			t.Logf("%s: Asterisk answered %d guesses of %d; %d answers reached the guesser; %d packets were dropped", address, n, guesses.Sent, guesses.Answered, hits)
			if hits == 0 {
				t.Errorf("%s: the ban counts no packet", address)
			}
		}
		slices.Sort(answered)
		if answered[0] < threshold || answered[0] > threshold+5 || answered[1] > threshold+50 {
			t.Errorf("Asterisk answered %v guesses, want %d to %d at best and %d in the middle", answered, threshold, threshold+5, threshold+50)
		}
	})
}

// hits is how many packets the list of bans says were dropped of a source.
func (w *warden) hits(source netip.Prefix) uint64 {
	w.t.Helper()
	bans, err := w.client().Bans(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	for _, ban := range bans {
		if ban.Prefix == source && ban.Packets != nil {
			return *ban.Packets
		}
	}
	return 0
}

// answered waits until the kernel drops the source and counts its guesses that
// Asterisk answered.
func (w *warden) answered(source netip.Prefix) int {
	w.t.Helper()
	w.wait("the source in the kernel's set", 2*time.Second, func() bool { return w.dropped(source.String()) })
	log, err := w.lab.SecurityLog()
	if err != nil {
		w.t.Fatal(err)
	}
	return log.From(source).Guesses()
}

// stoppedAt checks that the kernel drops the source and that Asterisk answered hardly more
// guesses than the threshold: ten times what TestGuesserIsStopped allows, since other tests
// run meanwhile.
func (w *warden) stoppedAt(source netip.Prefix, threshold int) {
	w.t.Helper()
	answered := w.answered(source)
	if answered < threshold || answered > threshold+50 {
		w.t.Errorf("Asterisk answered %d guesses, want %d to %d", answered, threshold, threshold+50)
	}
	w.t.Logf("Asterisk answered %d guesses of %s, %d more than the threshold", answered, source, answered-threshold)
}

func TestSvcrackIsStopped(t *testing.T) {
	t.Parallel()
	onBothAtOnce(t, func(t *testing.T, l *lab.Lab) {
		w := guard(t, l, 3)
		attacker := addHost(t, l, "attacker", guesserAddress)
		passwords := make([]string, 200)
		for i := range passwords {
			passwords[i] = fmt.Sprintf("wrong-%d", i)
		}
		passwords[150] = lab.Passwords["1002"] // found, if it were not stopped
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		out, err := l.Svcrack(ctx, attacker, "1002", passwords...)
		t.Logf("svcrack: %v\n%s", err, out)
		w.stoppedAt(guesserPrefix, 3)
	})
}

// scanThreshold is the score of shortRules at which a scanner is banned.
const scanThreshold = 5

// A scanner that tries 500 names at 200 a second is dropped after a few of them.
func TestScannerIsStopped(t *testing.T) {
	t.Parallel()
	l := lab.New(t, lab.Options{Version: lab.Asterisk22})
	w := guard(t, l, 3)
	scan, err := lab.Scanner{Host: addHost(t, l, "scanner", guesserAddress), Names: unusedNames(500), Rate: 200}.Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	w.scannerIsBanned(guesserPrefix)
	if tried := w.namesTried(guesserPrefix); tried < scanThreshold || tried > scan.Sent/2 {
		t.Errorf("Asterisk answered for %d of %d names, want %d and a few more", tried, scan.Sent, scanThreshold)
	} else {
		t.Logf("Asterisk answered for %d of %d names", tried, scan.Sent)
	}
}

// sipvicious' svwar gives up when the second answer is not what it expects, so
// that one run may try no more than two names: it is run until it is banned.
func TestSvwarIsStopped(t *testing.T) {
	t.Parallel()
	l := lab.New(t, lab.Options{Version: lab.Asterisk22})
	w := guard(t, l, 3)
	attacker := addHost(t, l, "attacker", guesserAddress)
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	runs := 0
	for !w.dropped(guesserPrefix.String()) {
		if runs++; runs > 2*scanThreshold {
			t.Fatalf("svwar tried %d names in %d runs", w.namesTried(guesserPrefix), runs-1)
		}
		out, err := l.Svwar(ctx, attacker, "REGISTER", unusedNames(500)...)
		t.Logf("svwar: %v\n%s", err, out)
	}
	w.scannerIsBanned(guesserPrefix)
	if tried := w.namesTried(guesserPrefix); tried < scanThreshold {
		t.Errorf("banned after %d names, want %d", tried, scanThreshold)
	}
	t.Logf("Asterisk answered for %d names in %d runs", w.namesTried(guesserPrefix), runs)
}

// unusedNames are n names that no account has.
func unusedNames(n int) []string {
	names := make([]string, n)
	for i := range names {
		names[i] = fmt.Sprint(2000 + i)
	}
	return names
}

// namesTried is how many unknown names Asterisk itself says the source asked for.
func (w *warden) namesTried(source netip.Prefix) int {
	w.t.Helper()
	log, err := w.lab.SecurityLog()
	if err != nil {
		w.t.Fatal(err)
	}
	return log.From(source).Count("InvalidAccountID")
}

// scannerIsBanned checks that the source is dropped, for scanning alone.
func (w *warden) scannerIsBanned(source netip.Prefix) {
	w.t.Helper()
	w.wait("the scanner in the kernel's set", 2*time.Second, func() bool { return w.dropped(source.String()) })
	if i := w.incidents(); len(i) != 1 || i[0].Threshold != "scanning" {
		w.t.Errorf("incidents = %+v, want one of scanning", i)
	}
}

// A guesser that changes its address within one /64 is one source.
func TestRovingIPv6GuesserIsOneSource(t *testing.T) {
	t.Parallel()
	l := lab.New(t, lab.Options{Version: lab.Asterisk22})
	w := guard(t, l, 3)
	attacker := addHost(t, l, "attacker", "2001:db8:66::/64")
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	guesses, err := lab.Guesser{Host: attacker, Account: "1002", Rate: 200, Most: 200, Ask: true, Rove: true}.Run(ctx)
	if err != nil {
		t.Fatal(err)
	}
	network := netip.MustParsePrefix("2001:db8:66::/64")
	w.stoppedAt(network, 3)
	t.Logf("%d guesses sent, %d answers reached the guesser", guesses.Sent, guesses.Answered)
	if i := w.incidents(); len(i) != 1 || i[0].Key.Value() != network.String() {
		t.Errorf("incidents = %+v, want one of %s", i, network)
	}
	s, err := w.client().Status(t.Context())
	if err != nil || s.Counters["challenges_seen"] == 0 || s.Counters["challenges_misdirected"] != 0 {
		t.Errorf("%d challenges seen, %d misdirected, %v; want all of them to reach the address they are for", s.Counters["challenges_seen"], s.Counters["challenges_misdirected"], err)
	}
}

// A guesser that changes its /64 within a /48 with each guess never crosses a
// threshold of an address, and proves none: with PJSIP it makes up the nonce, and
// chan_sip's challenges prove nothing. The network is closed for SIP alone.
func TestRovingNetworkIsClosed(t *testing.T) {
	t.Parallel()
	onBothAtOnce(t, func(t *testing.T, l *lab.Lab) {
		w := guardWith(t, l, "")
		attacker := addHost(t, l, "attacker", "2001:db8:66::/48")
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		defer cancel()
		g := lab.Guesser{Host: attacker, Account: "1002", Rate: 300, Most: 1200, Rove: true}
		if l.Version != lab.Asterisk16 {
			g.Nonce = "1764489600/0123456789abcdef0123456789abcdef"
		}
		guesses, err := g.Run(ctx)
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("%d guesses sent, %d answers reached the guesser", guesses.Sent, guesses.Answered)
		if guesses.Answered < 5 || guesses.Answered > 100 {
			t.Errorf("%d guesses were answered, want at most 100", guesses.Answered)
		}
		bans, err := w.client().Bans(t.Context())
		if err != nil || !slices.ContainsFunc(bans, func(b incident.Ban) bool {
			return b.Prefix.String() == "2001:db8:66::/48" && b.Scope == incident.ScopeSIP && b.Repeat == 1
		}) {
			t.Errorf("bans %+v, %v", bans, err)
		}
		if !w.dropped("2001:db8:66::/48") {
			t.Error("the kernel does not drop the network")
		}
	})
}

// A user who mistypes the password once and then succeeds is left alone.
func TestMistypingUserIsLeftAlone(t *testing.T) {
	t.Parallel()
	onBothAtOnce(t, func(t *testing.T, l *lab.Lab) {
		w := guard(t, l, 3)
		office := addHost(t, l, "office", "198.51.100.10")
		p := addPhone(t, office, "1002")
		right := lab.Passwords["1002"]
		p.SetPassword("mistyped")
		if err := p.Register(soon(t)); err == nil {
			t.Fatal("the wrong password was accepted")
		}
		p.SetPassword(right)
		register(t, p)
		call, err := p.Call(soon(t), "00442079460001")
		if err != nil {
			t.Fatal(err)
		}
		// Once a guesser who comes later is banned, the daemon has certainly seen the
		// call.
		g := lab.Guesser{Host: addHost(t, l, "attacker", guesserAddress), Account: "1003", Rate: 50, Most: 20, Ask: true}
		if _, err := g.Run(soon(t)); err != nil {
			t.Fatal(err)
		}
		w.wait("the guesser in the kernel's set", 2*time.Second, func() bool { return w.dropped(guesserAddress + "/32") })
		if up, err := call.Alive(soon(t)); err != nil || !up {
			t.Errorf("the user's call: alive %v, %v", up, err)
		}
		register(t, p)
		if w.dropped("198.51.100.10/32") {
			t.Error("the user's address is dropped")
		}
		if i := w.incidents(); len(i) != 1 || i[0].Source.String() != guesserAddress {
			t.Errorf("incidents = %+v, want the guesser's alone", i)
		}
	})
}
