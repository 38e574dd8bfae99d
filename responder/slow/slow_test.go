package slow

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tollwarden/tollwarden/ami/event"
	"github.com/tollwarden/tollwarden/responder/score"
)

var noon = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

// homes are the addresses where accounts are used.
type homes map[string]string

func (h homes) Lives(name []byte, source netip.Prefix, _ time.Time) bool {
	return h[string(name)] == source.Addr().String()
}

type nowhere struct{}

func (nowhere) Lives([]byte, netip.Prefix, time.Time) bool { return false }

// step is some attempts, one a minute, after a pause.
type step struct {
	after    time.Duration
	n        int
	signal   score.Signal
	accounts string // in turn, by spaces
	sources  string // in turn, by spaces
	proof    score.Proof
}

func fails(n int, accounts, sources string) step {
	return step{time.Minute, n, score.InvalidPassword, accounts, sources, score.Proven}
}

func (s step) later(d time.Duration) step { s.after = d; return s }

func (s step) forged() step { s.proof = score.Spoofable; return s }

func succeeds(account, source string) step {
	return step{time.Minute, 1, score.SuccessfulAuth, account, source, score.Proven}
}

func attempt(at time.Time, signal score.Signal, account, source string, proof score.Proof) *score.Observation {
	return &score.Observation{
		At: at, Signal: signal, Source: netip.MustParseAddr(source), Port: 5060, Transport: event.UDP, Proof: proof,
		Service: []byte("PJSIP"), Account: []byte(account),
	}
}

// play returns what attempts raise, each once, in order of appearance.
func play(g *Guesses, now time.Time, steps ...step) (raised string, end time.Time) {
	var list []string
	for _, s := range steps {
		accounts, sources := strings.Fields(s.accounts), strings.Fields(s.sources)
		for i := range s.n {
			if now = now.Add(time.Minute); i == 0 {
				now = now.Add(s.after - time.Minute)
			}
			g.Prune(now)
			for _, d := range g.Observe(attempt(now, s.signal, accounts[i%len(accounts)], sources[i%len(sources)], s.proof)) {
				if text := fmt.Sprintf("%s %s", d.Signal, d.Proof); !slices.Contains(list, text) {
					list = append(list, text)
				}
			}
		}
	}
	return strings.Join(list, ", "), now
}

// spread names so many things with a number.
func spreadOver(format string, n int) string {
	var list []string
	for i := range n {
		list = append(list, fmt.Sprintf(format, 1+i))
	}
	return strings.Join(list, " ")
}

func TestSignals(t *testing.T) {
	const (
		day   = 24 * time.Hour
		thief = "192.0.2.66"
		home  = "198.51.100.7"
	)
	places := homes{"1001": home, "1002": home, "1003": home, "1004": home, "1005": home}
	four := "1001 1002 1003 1004"
	for name, tc := range map[string]struct {
		steps []step
		want  string
	}{
		"four accounts":                           {[]step{fails(4, four, thief)}, "SlowGuesser proven"},
		"that may be spoofed":                     {[]step{fails(4, four, thief).forged()}, "SlowGuesser spoofable"},
		"one of them forged":                      {[]step{fails(3, four, thief), fails(1, "1004", thief).forged()}, "SlowGuesser spoofable"},
		"three accounts":                          {[]step{fails(29, "1001 1002 1003", thief)}, ""},
		"the first was a week ago":                {[]step{fails(1, "1001", thief), fails(3, "1002 1003 1004", thief).later(7 * day)}, ""},
		"the first was nearly a week ago":         {[]step{fails(1, "1001", thief), fails(3, "1002 1003 1004", thief).later(7*day - 3*time.Minute)}, "SlowGuesser proven"},
		"where they are used":                     {[]step{fails(20, four, home)}, ""},
		"where three of them are used":            {[]step{fails(20, "1001 1002 1003 1009", home)}, ""},
		"the fourth from another address":         {[]step{fails(1, "1001", thief), fails(1, "1002", thief), fails(1, "1003", thief), fails(1, "1004", "192.0.2.67")}, ""},
		"thirty failures in a day":                {[]step{fails(40, "1001", thief)}, ""},
		"thirty failures over three days":         {[]step{fails(15, "1001", thief), fails(15, "1001", thief).later(3 * day)}, "SlowGuesser proven"},
		"fewer over three days":                   {[]step{fails(15, "1001", thief), fails(14, "1001", thief).later(3 * day)}, ""},
		"a network of which each tries one":       {[]step{fails(8, spreadOver("20%d", 8), spreadOver("192.0.2.%d", 8))}, "SlowNetwork proven"},
		"two networks":                            {[]step{fails(8, spreadOver("20%d", 8), "192.0.2.1 192.0.3.1 192.0.2.2 192.0.3.2 192.0.2.3 192.0.3.3 192.0.2.4 192.0.3.4")}, ""},
		"an address that changes twenty times":    {[]step{fails(20, "1001", spreadOver("192.0.%d.1", 30))}, "SlowAttack proven"},
		"nineteen times":                          {[]step{fails(19, "1001", spreadOver("192.0.%d.1", 30))}, ""},
		"back and forth between two":              {[]step{fails(20, "1001", "192.0.2.1 192.0.3.1")}, "SlowAttack proven"},
		"one address after the other, often each": {[]step{fails(9, "1001", "192.0.2.1"), fails(9, "1001", "192.0.3.1"), fails(9, "1001", "192.0.4.1")}, ""},
		"one account for days, from address to address": {[]step{
			fails(15, "1001", "192.0.2.1"), fails(15, "1001", "192.0.3.1").later(3 * day), fails(100, "1001", "192.0.4.1"),
		}, "LastingFailures proven"},
		"proven after forged ones": {[]step{
			fails(15, "1001", "192.0.2.1").forged(), fails(15, "1001", "192.0.3.1").forged().later(3 * day), fails(30, "1001", "192.0.4.1"),
		}, "LastingFailures spoofable, LastingFailures proven"},
		"one account during a campaign": {[]step{
			fails(15, spreadOver("20%d", 15), spreadOver("192.0.%d.1", 15)), fails(40, "201", spreadOver("192.0.%d.1", 40)),
		}, "GuessingCampaign proven"},
		"fifteen accounts":  {[]step{fails(15, spreadOver("20%d", 15), spreadOver("192.0.%d.1", 15))}, "GuessingCampaign proven"},
		"fourteen accounts": {[]step{fails(14, spreadOver("20%d", 14), spreadOver("192.0.%d.1", 14))}, ""},
		"two accounts during a campaign": {[]step{
			fails(15, spreadOver("20%d", 15), spreadOver("192.0.%d.1", 15)), fails(3, "1001 1002", thief),
		}, "GuessingCampaign proven, SlowGuesser proven"},
		"who took part before it was one": {[]step{fails(3, "1001 1002", thief), fails(13, spreadOver("20%d", 13), spreadOver("192.0.%d.1", 13))}, "GuessingCampaign proven, SlowGuesser proven"},
		"a campaign of forged packets makes no proof": {[]step{
			fails(15, spreadOver("20%d", 15), spreadOver("192.0.%d.1", 15)).forged(), fails(3, "1001 1002", thief),
		}, "GuessingCampaign spoofable, SlowGuesser spoofable"},
		"proof after forged packets": {[]step{
			fails(15, spreadOver("20%d", 15), spreadOver("192.0.%d.1", 15)).forged(), fails(15, spreadOver("20%d", 15), spreadOver("192.0.%d.1", 15)),
		}, "GuessingCampaign spoofable, GuessingCampaign proven"},
		"names that are none":     {[]step{fails(30, "<unknown>", thief)}, ""},
		"other than passwords":    {[]step{{0, 30, score.InvalidAccountID, four, thief, score.Proven}}, ""},
		"success where not known": {[]step{fails(3, "1001 1002 1003", thief), succeeds("1001", thief), fails(1, "1004", thief)}, "SlowGuesser proven"},
	} {
		t.Run(name, func(t *testing.T) {
			if raised, _ := play(New(Config{}, places), noon, tc.steps...); raised != tc.want {
				t.Errorf("raised %q, want %q", raised, tc.want)
			}
		})
	}
}

// A success at a place where the account is known by then takes back what was mistyped
// there.
func TestForgiven(t *testing.T) {
	places := homes{}
	g := New(Config{}, places)
	_, now := play(g, noon, fails(2, "1001", "192.0.2.1"), fails(2, "1002 1003", "192.0.2.1"))
	places["1001"] = "192.0.2.1"
	if raised, _ := play(g, now, succeeds("1001", "192.0.2.1"), fails(1, "1004", "192.0.2.1")); raised != "" {
		t.Errorf("raised %s", raised)
	}
	if n := g.targets.guessed; n != 3 {
		t.Errorf("%d accounts guessed at, want 3", n)
	}
	g.Forget(netip.MustParsePrefix("192.0.2.1/32"))
	if s := g.Stats(); s.Sources != 0 || g.targets.guessed != 0 || len(g.networks.index) != 0 {
		t.Errorf("after a person's word: %+v, %d accounts, %d networks", s, g.targets.guessed, len(g.networks.index))
	}
}

// A phone with an old password stays its account's own, also when the account is no
// longer known there, until it has been silent for a month.
func TestOwnPhone(t *testing.T) {
	const home = "198.51.100.7"
	places := homes{"1001": home, "1002": home, "1003": home, "1004": home}
	g := New(Config{}, places)
	four := "1001 1002 1003 1004"
	_, now := play(g, noon, fails(4, four, home))
	clear(places)
	for range 60 {
		var raised string
		if raised, now = play(g, now, fails(4, four, home).later(24*time.Hour)); raised != "" {
			t.Fatalf("%s: raised %s", now.Sub(noon), raised)
		}
	}
	g = restarted(g, now, places)
	if raised, _ := play(g, now, fails(4, four, home).later(24*time.Hour)); raised != "" {
		t.Errorf("after a restart: raised %s", raised)
	}
	if raised, _ := play(g, now, fails(4, four, home).later(32*24*time.Hour)); raised != "SlowGuesser proven" {
		t.Errorf("after a month: raised %q", raised)
	}
}

// restarted is a new Guesses with what the old one had kept.
func restarted(g *Guesses, now time.Time, places Places) *Guesses {
	var list []Guess
	g.Changed(1<<20, func(x Guess) { list = append(list, x) })
	next := New(Config{}, places)
	next.Restore(now, list)
	g.RaisedChanged(next.RestoreRaised)
	return next
}

// A restart at any moment takes nothing from an attack.
func TestRestart(t *testing.T) {
	all := []step{
		fails(3, "1001 1002 1003", "192.0.2.1"), fails(19, "1005", spreadOver("192.1.%d.1", 19)),
		fails(10, spreadOver("20%d", 10), spreadOver("192.2.%d.1", 10)), fails(29, "1001", "192.0.2.9"),
		fails(1, "1004", "192.0.2.1").later(3 * 24 * time.Hour), fails(1, "1005", "192.3.1.1"), fails(1, "1009", "192.3.2.1"), fails(1, "1001", "192.0.2.9"),
	}
	want, _ := play(New(Config{}, homes{}), noon, all...)
	for n := range all {
		g := New(Config{}, homes{})
		before, now := play(g, noon, all[:n]...)
		after, _ := play(restarted(g, now, homes{}), now, all[n:]...)
		var seen []string
		for _, s := range strings.Split(strings.Trim(before+", "+after, ", "), ", ") {
			if !slices.Contains(seen, s) {
				seen = append(seen, s)
			}
		}
		if got := strings.Join(seen, ", "); got != want {
			t.Errorf("restarted before step %d: raised %q, want %q", n, got, want)
		}
	}
}

// Forged packets of any address push out each other, and nothing that is proven.
func TestFlood(t *testing.T) {
	g := New(Config{}, homes{})
	_, now := play(g, noon, fails(3, "1001 1002 1003", "192.0.2.66"), fails(2, "1001 1002", "192.0.3.66").forged())
	o := attempt(now, score.InvalidPassword, "1001", "192.0.2.1", score.Spoofable)
	for i := range uint32(20 * maxGuessers) {
		var b [4]byte
		binary.BigEndian.PutUint32(b[:], 0x0a000000+i*251)
		o.Source = netip.AddrFrom4(b)
		g.Observe(o)
	}
	if s := g.Stats(); s.Sources != maxGuessers || len(g.sources.list) > maxGuessers || s.Evicted == 0 {
		t.Errorf("%+v, %d in memory", s, len(g.sources.list))
	}
	if raised, _ := play(g, now, fails(1, "1004", "192.0.2.66")); raised != "SlowGuesser proven" {
		t.Errorf("the slow guesser raises %q", raised)
	}
	if raised, _ := play(g, now, fails(2, "1003 1004", "192.0.3.66").forged()); raised != "SlowGuesser spoofable" {
		t.Errorf("the one that may be spoofed raises %q", raised)
	}
	kept := 0
	g.Changed(10, func(x Guess) {
		if kept++; kept <= 4 && x.Proven == 0 {
			t.Errorf("kept before those that are proven: %+v", x)
		}
	})
	if kept < 4 || kept > 10+MaxAccounts {
		t.Errorf("%d kept at once", kept)
	}
	check(t, g)
}

// check recounts everything.
func check(t *testing.T, g *Guesses) {
	t.Helper()
	tries, proven, refs := map[int32]int32{}, map[int32]int32{}, map[int32]int32{}
	for _, table := range []*guessers{g.sources, g.networks} {
		n := 0
		table.each(func(x *guesser) bool {
			n++
			if at, ok := table.index[x.prefix]; !ok || table.at(at) != x || x.n == 0 || x.class != x.classify() {
				t.Errorf("%s: number %d, %d tries, class %d", x.prefix, at, x.n, x.class)
			}
			for i := range x.tries[:x.n] {
				of := x.tries[i].target
				refs[of]++
				if table.counted {
					tries[of]++
					if x.tries[i].proven > 0 {
						proven[of]++
					}
				}
			}
			return true
		})
		if n != len(table.index) || n+len(table.free) != len(table.list) {
			t.Errorf("%d in queues, %d in the index, %d free, %d in memory", n, len(table.index), len(table.free), len(table.list))
		}
	}
	guessed, guessedProven := 0, 0
	for name, i := range g.targets.index {
		x := g.targets.at(i)
		if x.name != name || x.refs != refs[i] || x.tries != tries[i] || x.proven != proven[i] {
			t.Errorf("%s: %+v, counted %d, %d, %d", name, x, refs[i], tries[i], proven[i])
		}
		if x.tries > 0 {
			guessed++
		}
		if x.proven > 0 {
			guessedProven++
		}
	}
	if guessed != g.targets.guessed || guessedProven != g.targets.guessedProven {
		t.Errorf("%d accounts guessed at, %d of them proven; counted %d, %d", g.targets.guessed, g.targets.guessedProven, guessed, guessedProven)
	}
}

// Whatever happens in whatever order, the counts add up.
func FuzzGuesses(f *testing.F) {
	f.Add([]byte("\x00\x01\x02\x03\x10\x11\x12\x13\xf0\xf1 sequences of attempts"))
	f.Fuzz(func(t *testing.T, data []byte) {
		places := homes{"1001": "192.0.2.1"}
		g := New(Config{Accounts: 3, Addresses: 3, SiteAccounts: 4}, places)
		g.sources.capacity, g.networks.capacity = 12, 4
		now := noon
		for len(data) >= 3 {
			a, b, c := data[0], data[1], data[2]
			data = data[3:]
			now = now.Add(time.Duration(c) * time.Hour / 4)
			source, account := fmt.Sprintf("192.0.%d.%d", b%5, b%7), fmt.Sprint(1001+int(a>>2)%12)
			switch a & 3 {
			case 0:
				places[account] = source
				g.Observe(attempt(now, score.SuccessfulAuth, account, source, score.Proven))
			case 1:
				g.Prune(now)
				g.Changed(int(b), func(Guess) {})
				if c == 0 {
					g.Forget(netip.MustParsePrefix(source + "/32"))
				}
			default:
				for _, d := range g.Observe(attempt(now, score.InvalidPassword, account, source, score.Proof(a&1))) {
					r := score.Record{Signal: d.Signal, Source: d.Source, Account: string(d.Account)}
					if g.Explain(&r) == "" || len(g.Evidence(&r)) > maxRecords {
						t.Errorf("%s: %q, %d records", d.Signal, g.Explain(&r), len(g.Evidence(&r)))
					}
				}
			}
			check(t, g)
		}
		check(t, restarted(g, now, places))
	})
}

func TestExplain(t *testing.T) {
	g := New(Config{}, homes{})
	_, _ = play(g, noon, fails(5, "1001 1002 1003 10\"04 1002", "192.0.2.66"), fails(4, "1001", "192.0.2.67 192.0.3.1").later(50*time.Hour))
	for signal, want := range map[score.Signal]string{
		score.SlowGuesser:      `5 wrong passwords within 5 minutes for extensions that are not used at this address: "10\"04" (1), 1001 (1), 1002 (2), 1003 (1)`,
		score.SlowNetwork:      `wrong passwords within 3 days for extensions that are not used in this network, from 2 addresses: 192.0.2.67 (2 guesses, 1 extension), 192.0.2.66 (5 guesses, 4 extensions)`,
		score.SlowAttack:       `wrong passwords for this extension from changing addresses, where it is not used, over 3 days: 192.0.3.1, 192.0.2.67, 192.0.2.66`,
		score.GuessingCampaign: `4 extensions guessed at within 3 days from 3 addresses where they are not used: 192.0.3.1 (2 guesses, 1 extension), 192.0.2.67 (2 guesses, 1 extension), 192.0.2.66 (5 guesses, 4 extensions)`,
	} {
		if got := g.Explain(&score.Record{Signal: signal, Source: netip.MustParseAddr("192.0.2.66"), Account: "1001"}); got != want {
			t.Errorf("%s:\n got %s\nwant %s", signal, got, want)
		}
	}
}

func TestDoesNotAllocate(t *testing.T) {
	g := New(Config{}, homes{"1001": "198.51.100.7"})
	_, now := play(g, noon, fails(3, "1001 1002 1003", "192.0.2.66"), fails(1, "1001", "198.51.100.7"))
	g.places = nowhere{} // homes allocates
	stranger := attempt(now, score.InvalidPassword, "1001", "192.0.2.66", score.Proven)
	own := attempt(now, score.InvalidPassword, "1001", "198.51.100.7", score.Proven)
	login := attempt(now, score.SuccessfulAuth, "1005", "198.51.100.9", score.Proven)
	if n := testing.AllocsPerRun(1000, func() {
		g.Observe(stranger)
		g.Observe(own)
		g.Observe(login)
	}); n > 0 {
		t.Errorf("%v allocations", n)
	}
}
