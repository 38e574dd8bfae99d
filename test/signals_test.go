package test

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tollwarden/tollwarden/test/lab"
)

// callSignals are the signals that calls and registrations raise. Each gets a
// threshold of its own that only notifies.
var callSignals = []string{
	"CallRate", "ConcurrentCalls", "Cadence", "DialProbing", "ForbiddenDestination", "NewCountry", "OffHours",
	"NewNetwork", "TwoNetworks", "ScannerAgent", "UnseenLogin",
}

func eachSignal() string {
	var s strings.Builder
	for _, name := range callSignals {
		fmt.Fprintf(&s, "[[threshold]]\nname = %q\nper = \"account\"\nsignals = { %s = 1 }\nscore = 1\nwithin = \"1m\"\nplaybook = \"notify\"\n", name, name)
	}
	return s.String() + "[[playbook]]\nname = \"notify\"\nsteps = [\"notify\"]\n"
}

// closed configures office hours on another day, so that now is outside them.
func closed() string {
	day := time.Now().UTC().AddDate(0, 0, 3).Format("Mon")
	return fmt.Sprintf("timezone = \"UTC\"\nhours = [\"%s 10:00-11:00\"]\noff_hours = 1\n", day)
}

// gap is less than a person leaves between two calls.
const gap = 500 * time.Millisecond

// A real Asterisk raises each signal, and none without a reason.
func TestSignals(t *testing.T) {
	t.Parallel()
	onBothAtOnce(t, func(t *testing.T, l *lab.Lab) {
		for i, account := range []string{"1001", "1002", "1003", "1004", "1005"} {
			register(t, addPhone(t, addHost(t, l, "desk-"+account, fmt.Sprintf("198.51.100.%d", 10+i)), account))
		}
		w := guardWith(t, l, "[calls]\nlearn = \"1s\"\ngap = \""+gap.String()+"\"\nrate = 4\nconcurrent = 2\n"+closed()+eachSignal())
		raised := func() map[string]string {
			said := map[string]string{}
			for _, i := range w.incidents() {
				reasons := strings.Split(i.Reason, "; also ")
				said[i.Threshold+" of "+i.Account] = reasons[0]
				for _, joined := range reasons[1:] {
					threshold, why, _ := strings.Cut(joined, ": ")
					said[threshold+" of "+i.Account] = why
				}
			}
			return said
		}
		var known []string
		// raises checks that what was just done raised these signals and no others.
		raises := func(account string, want ...string) {
			t.Helper()
			var said map[string]string
			w.wait(fmt.Sprintf("%v of %s", want, account), 5*time.Second, func() bool {
				said = raised()
				return !slices.ContainsFunc(want, func(s string) bool { return said[s+" of "+account] == "" })
			})
			for _, s := range want {
				t.Logf("%-14s of %s: %s", s, account, said[s+" of "+account])
				known = append(known, s+" of "+account)
			}
			for s, why := range said {
				if !slices.Contains(known, s) {
					t.Errorf("unexpected signal %s: %s", s, why)
					known = append(known, s)
				}
			}
		}
		call := func(p *lab.Phone, number string) *lab.Call {
			t.Helper()
			c, err := p.Call(soon(t), number)
			if err != nil {
				t.Fatal(err)
			}
			return c
		}
		short := func(p *lab.Phone, number string) {
			t.Helper()
			if err := call(p, number).Hangup(soon(t)); err != nil {
				t.Fatal(err)
			}
			time.Sleep(3 * gap) // a person's pace, by the configuration above; events may come late
		}
		time.Sleep(time.Second) // until it has learned: before, nothing counts as new
		host := addHost(t, l, "elsewhere", guesserAddress)
		from := func(account string, o lab.PhoneOptions) *lab.Phone {
			t.Helper()
			p, err := host.Phone(account, "", o)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = p.Close() })
			return p
		}
		desk := addPhone(t, addHost(t, l, "desk", "198.51.100.20"), "1001")
		register(t, desk)
		raises("1001")

		short(desk, "00442079460001")
		raises("1001", "NewCountry")
		short(desk, "00442079460002") // to dial a number again is no further call
		raises("1001", "OffHours")
		short(desk, "00881612345678")
		raises("1001", "ForbiddenDestination")

		var quick sync.WaitGroup
		for _, number := range []string{"00442079460001", "00442079460002", "00442079460003"} {
			quick.Go(func() {
				if _, err := desk.Call(soon(t), number); err != nil {
					t.Error(err)
				}
			})
		}
		quick.Wait()
		raises("1001", "Cadence", "CallRate", "ConcurrentCalls")

		prober := addPhone(t, addHost(t, l, "prober", "198.51.100.21"), "1003")
		register(t, prober)
		for _, number := range []string{"0011442079460001", "011442079460001", "900442079460001"} {
			short(prober, number)
		}
		raises("1003", "DialProbing", "NewCountry", "OffHours")

		// The owner and a thief in turn.
		thief, owner := from("1002", lab.PhoneOptions{}), addPhone(t, addHost(t, l, "owner", "198.51.100.22"), "1002")
		register(t, thief)
		raises("1002", "NewNetwork")
		register(t, owner)
		register(t, thief)
		raises("1002", "TwoNetworks")

		scanner := from("1004", lab.PhoneOptions{UserAgent: "friendly-scanner"})
		register(t, scanner)
		call(scanner, "00442079460001") // asked about while it is up
		raises("1004", "ScannerAgent", "NewNetwork", "NewCountry")

		blinding(t, l, w)
		raises("1005", "UnseenLogin", "NewCountry", "OffHours")
	})
}

// blinding makes calls of 1005 whose login raises no event, because a value in it
// is not UTF-8: with PJSIP the Call-ID, with chan_sip the dialled number.
func blinding(t *testing.T, l *lab.Lab, w *warden) {
	t.Helper()
	host := addHost(t, l, "blinding", "198.51.100.23")
	tail, o := "", lab.PhoneOptions{CallIDTail: "\xff\xfe"}
	if l.Version == lab.Asterisk16 {
		tail, o = "\xff", lab.PhoneOptions{}
	}
	p, err := host.Phone("1005", "", o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Close() })
	register(t, p)
	if l.Version == lab.Asterisk16 {
		// chan_sip reports only some logins: that it reports this account's has to be
		// seen first.
		c, err := p.Call(soon(t), "00442079460001")
		if err != nil {
			t.Fatal(err)
		}
		_ = c.Hangup(soon(t))
	}
	time.Sleep(2100 * time.Millisecond) // so that the registration's login does not count for the call
	for _, number := range []string{"00442079460002", "00442079460003"} {
		c, err := p.Call(soon(t), number+tail)
		if err != nil {
			t.Fatalf("a blinding call: %v", err)
		}
		_ = c.Hangup(soon(t))
		time.Sleep(3 * gap)
	}
}
