package test

import (
	"fmt"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/tollwarden/tollwarden/responder/ledger"
	"github.com/tollwarden/tollwarden/test/lab"
)

// withSecurity has Asterisk write everything that the daemon can read into one log.
const withSecurity = `[general]
dateformat = %F %T.%3q
[logfiles]
messages = notice,warning,error,security
security = security
`

// A thief who came before the daemon, or while it was away, has guessed a password, is
// registered and has 20 calls up: within seconds of the start nothing is left to it. An
// office that registered meanwhile, with an old password among its phones and many calls up,
// notices nothing; nor do calls to countries that are usual. What mode observe let be is
// ended in mode enforce.
func TestWhatIsUpAtTheStart(t *testing.T) {
	t.Parallel()
	for _, v := range lab.Versions() {
		t.Run("Asterisk"+string(v), func(t *testing.T) {
			t.Parallel()
			l := lab.New(t, lab.Options{Version: v, Files: map[string]string{"logger.conf": withSecurity}})
			w := &warden{t: t, lab: l, dir: t.TempDir()}
			log := fmt.Sprintf("log = %q\n", l.Path("/var/log/asterisk/messages"))
			w.write("", lab.AMIUser, lab.AMISecret, log+"[calls]\ncountry = \"GB\"\n"+health)
			t.Cleanup(func() {
				w.stop(syscall.SIGTERM)
				if t.Failed() {
					t.Logf("the daemon's log:\n%s", w.log)
				}
			})
			office := addHost(t, l, "office", "198.51.100.10")
			desk, centre := addPhone(t, office, "1001"), addPhone(t, office, "1003")
			register(t, desk)
			register(t, centre)
			stale := addPhone(t, office, "1005")
			stale.SetPassword("old")
			for range 5 {
				_ = stale.Register(soon(t))
			}
			domestic := callsTo(t, centre, "004420794601%02d", 20)

			thief := addPhone(t, addHost(t, l, "thief", guesserAddress), "1002")
			breakIn(t, thief)
			callsTo(t, thief, "003725001%02d00", 20)
			w.gone(t, "1002", "first start", thief)
			w.contained(t, thief)

			w.stop(syscall.SIGTERM)
			second := addPhone(t, addHost(t, l, "second", "203.0.113.66"), "1004")
			for i := range 6 {
				second.SetPassword(fmt.Sprint("guess-", i))
				_ = second.Register(soon(t))
			}
			second.SetPassword(lab.Passwords["1004"])
			register(t, second)
			callsTo(t, second, "003725001%02d00", 20)
			habit(t, w, "1003", "FR")
			usual := callsTo(t, centre, "0033142685%02d0", 20)
			w.gone(t, "1004", "gap", second)

			// One call abroad is enough, where the password may have been guessed; the owner's
			// call stays.
			w.stop(syscall.SIGTERM)
			own := callsTo(t, desk, "004420794602%02d", 1)
			third := addPhone(t, addHost(t, l, "third", "203.0.113.67"), "1001")
			for i := range 6 {
				third.SetPassword(fmt.Sprint("guess-", i))
				_ = third.Register(soon(t))
			}
			third.SetPassword(lab.Passwords["1001"])
			register(t, third)
			callsTo(t, third, "003725001%02d00", 1)
			w.launch()
			took := w.wait("the end of the call from the new place", 5*time.Second, func() bool { return w.channels("1001") == 1 })
			t.Logf("probation: the call ended %s after the start", took.Round(time.Millisecond))
			if up, err := own[0].Alive(soon(t)); err != nil || !up {
				t.Errorf("the owner's own call: alive %v, %v", up, err)
			}

			w.stop(syscall.SIGTERM)
			w.write("mode = \"observe\"", lab.AMIUser, lab.AMISecret, log+"[calls]\ncountry = \"GB\"\n"+health)
			w.start()
			callsTo(t, desk, "00881612345%02d0", 2)
			if n := w.channels("1001"); n != 3 {
				t.Fatalf("mode observe: %d channels, want 3", n)
			}
			w.stop(syscall.SIGTERM)
			w.write("", lab.AMIUser, lab.AMISecret, log+"[calls]\ncountry = \"GB\"\n"+health)
			w.launch()
			took = w.wait("the end of the forbidden calls", 5*time.Second, func() bool { return w.channels("1001") == 1 })
			t.Logf("enforce after observe: forbidden calls ended %s after the start", took.Round(time.Millisecond))
			if n := w.channels("1003"); n != 40 {
				t.Errorf("the call centre has %d channels, want 40", n)
			}
			for _, call := range append(domestic, usual...) {
				if up, err := call.Alive(soon(t)); err != nil || !up {
					t.Fatalf("a call of the call centre: alive %v, %v", up, err)
				}
			}
			if w.dropped("198.51.100.10/32") || !w.hasContact("1001") || !w.hasContact("1003") {
				t.Error("the office is cut off")
			}
			w.logSteps(t)
		})
	}
}

// gone starts the daemon and measures how long an account's channels and the secret of its
// thief last.
func (w *warden) gone(t *testing.T, account, when string, thief *lab.Phone) {
	t.Helper()
	if _, err := binary(); err != nil { // not to be measured
		t.Fatal(err)
	}
	start := time.Now()
	w.launch()
	w.wait("no channel of "+account, 5*time.Second, func() bool { return w.channels(account) == 0 })
	calls := time.Since(start)
	w.wait("the thief dropped", 5*time.Second, func() bool { return w.dropped(thief.Source().Addr().String() + "/32") })
	w.wait("no registration of "+account, 10*time.Second, func() bool { return !w.hasContact(account) })
	w.wait("the incident's end", 10*time.Second, func() bool { return w.settledAccount(account) })
	t.Logf("%s: calls ended %s after the start, everything %s", when, calls.Round(time.Millisecond), time.Since(start).Round(time.Millisecond))
	if n := w.channels("1003"); n < 20 {
		t.Errorf("%s: the call centre has %d channels left", when, n)
	}
}

// settledAccount says whether no step about an account is left open.
func (w *warden) settledAccount(account string) bool {
	for _, i := range w.incidents() {
		for _, s := range i.Steps {
			if i.Account == account && s.State == "intended" {
				return false
			}
		}
	}
	return true
}

// callsTo sets up n calls, one after another.
func callsTo(t *testing.T, p *lab.Phone, format string, n int) (list []*lab.Call) {
	t.Helper()
	for i := range n {
		call, err := p.Call(soon(t), fmt.Sprintf(format, i))
		if err != nil {
			t.Fatalf("call %d of %s: %v", i, p.Account, err)
		}
		list = append(list, call)
	}
	return list
}

// habit has the ledger know that an account usually calls a country.
func habit(t *testing.T, w *warden, account, country string) {
	t.Helper()
	books, err := ledger.Open(filepath.Join(w.dir, "data", "ledger.db"), ledger.Options{})
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	books.PutHabit(ledger.Habit{Account: account, Kind: "country", Value: country, First: now.Add(-72 * time.Hour), Last: now.Add(-time.Hour)})
	if err := books.Close(); err != nil {
		t.Fatal(err)
	}
}
