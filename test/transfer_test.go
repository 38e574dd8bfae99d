package test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/tollwarden/tollwarden/test/lab"
)

// routes lead out through a carrier, directly and through a Local channel, and
// into a conference.
const routes = `[internal](+)
exten => _0044X.,1,Dial(${TECHNOLOGY}/${EXTEN}@carrier,30)
 same => n,Hangup()
exten => _00881X.,1,Dial(${TECHNOLOGY}/${EXTEN}@carrier,30)
 same => n,Hangup()
exten => _0033X.,1,Dial(Local/${EXTEN}@away,30)
 same => n,Hangup()
exten => 700,1,Set(CONFBRIDGE(user,quiet)=yes)
 same => n,ConfBridge(700)
[away]
exten => _0033X.,1,Dial(${TECHNOLOGY}/${EXTEN}@carrier,30)
 same => n,Hangup()
`

const trunkAddress = "203.0.113.200"

// carriers configure the carrier for each technology.
var carriers = map[lab.Version]map[string]string{
	lab.Asterisk22: {"extensions.conf": routes, "pjsip.conf": "[carrier](phone)\naors = carrier\n" +
		"[carrier]\ntype = aor\ncontact = sip:" + trunkAddress + ":5060\n"},
	lab.Asterisk16: {"extensions.conf": routes, "sip.conf": "[carrier](phone)\ntype = peer\nhost = " + trunkAddress + "\ninsecure = port,invite\n"},
}

// exchange is a lab with a carrier, a thief who has the password of 1002, and
// two colleagues.
type exchange struct {
	t                    *testing.T
	warden               *warden
	carrier              *lab.Phone
	thief, anna, bernard *lab.Phone
}

func newExchange(t *testing.T, v lab.Version, settings string) *exchange {
	l := lab.New(t, lab.Options{Version: v, Append: carriers[v]})
	x := &exchange{t: t}
	var err error
	if x.carrier, err = addHost(t, l, "carrier", trunkAddress).Phone("carrier", "none", lab.PhoneOptions{Port: 5060}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = x.carrier.Close() })
	office := addHost(t, l, "office", "198.51.100.10")
	x.thief = addPhone(t, addHost(t, l, "thief", guesserAddress), "1002")
	x.anna, x.bernard = addPhone(t, office, "1001"), addPhone(t, office, "1003")
	for _, p := range []*lab.Phone{x.thief, x.anna, x.bernard} {
		register(t, p)
	}
	x.warden = guardWith(t, l, settings)
	return x
}

// call is an answered call that the daemon knows of.
func (x *exchange) call(p *lab.Phone, number string) *lab.Call {
	x.t.Helper()
	c, err := p.Call(soon(x.t), number)
	if err != nil {
		x.t.Fatal(err)
	}
	x.settle()
	return c
}

func (x *exchange) must(err error) {
	x.t.Helper()
	if err != nil {
		x.t.Fatal(err)
	}
	x.settle()
}

// settle waits until Asterisk's channels stay as they are, and the daemon knows
// those of phones and trunks.
func (x *exchange) settle() {
	x.t.Helper()
	const quiet = 200 * time.Millisecond
	before, since := x.channels(), time.Now()
	x.warden.wait("the calls to settle", 5*time.Second, func() bool {
		if now := x.channels(); now != before {
			before, since = now, time.Now()
		}
		return time.Since(since) > quiet && x.warden.counter("channels_up") == uint64(strings.Count(" "+before, " "+x.warden.lab.Technology()+"/"))
	})
}

// channels are those that are up, by Asterisk.
func (x *exchange) channels() string {
	x.t.Helper()
	out, err := x.warden.lab.CLI(x.t.Context(), "core show channels concise")
	if err != nil {
		x.t.Fatal(err)
	}
	var names []string
	for line := range strings.SplitSeq(out, "\n") {
		if name, _, found := strings.Cut(line, "!"); found {
			names = append(names, name)
		}
	}
	return strings.Join(names, " ")
}

func (x *exchange) alive(who string, c *lab.Call) {
	x.t.Helper()
	if up, err := c.Alive(soon(x.t)); err != nil || !up {
		x.t.Errorf("%s lost the call: alive %v, %v", who, up, err)
	}
}

// Calls that a thief has transferred away are ended with the account's own, though
// they have no channel of its name; a conference that the thief joined, and
// colleagues who took over a call of the account, go on.
func TestTransferredCallsGoDown(t *testing.T) {
	t.Parallel()
	for _, v := range lab.Versions() {
		t.Run("Asterisk"+string(v), func(t *testing.T) {
			t.Parallel()
			x := newExchange(t, v, "")
			gone := func(what string) {
				t.Helper()
				x.warden.wait(what+": 1002 to have left the call", 3*time.Second, func() bool {
					up := x.channels()
					return !strings.Contains(up, "/1002-") && strings.Contains(up, "/carrier-")
				})
				x.settle()
				start := time.Now()
				if out, err := x.warden.tollwarden("hangup", "1002", "--socket", x.warden.socket()); err != nil {
					t.Fatalf("%s: %v: %s", what, err, out)
				}
				x.warden.wait(what+": no channel", 3*time.Second, func() bool { return x.channels() == "" })
				t.Logf("%-40s down after %s", what, time.Since(start).Round(time.Millisecond))
			}

			x.must(x.call(x.thief, "00442079460001").Connect(soon(t), x.call(x.thief, "00442079460002")))
			gone("two calls connected")

			x.must(x.call(x.thief, "00442079460001").Transfer(soon(t), "00442079460002"))
			gone("a call transferred to a number")

			x.must(x.call(x.thief, "00331612345678").Transfer(soon(t), "00331612345679"))
			gone("transferred through Local channels")

			x.call(x.carrier, "1002")
			x.must((<-x.thief.Incoming()).Transfer(soon(t), "00442079460002"))
			gone("a caller from outside sent out again")

			x.thief.Forward("00442079460003")
			x.call(x.carrier, "1002")
			gone("callers forwarded to a number")
			x.thief.Forward("")

			// A conference of colleagues and the thief, who adds an outside call to it; a
			// customer whom the account connected with a colleague.
			anna, bernard := x.call(x.anna, "700"), x.call(x.bernard, "700")
			x.call(x.thief, "700")
			x.must(x.call(x.thief, "00442079460001").Connect(soon(t), x.call(x.thief, "700")))
			customer := x.call(x.carrier, "1002")
			x.must((<-x.thief.Incoming()).Transfer(soon(t), "1003"))
			x.warden.wait("the conference and the customer", 3*time.Second, func() bool {
				up := x.channels()
				return strings.Count(up, "/carrier-") == 2 && strings.Count(up, "/1002-") == 1
			})
			x.settle()
			if out, err := x.warden.tollwarden("hangup", "1002", "--socket", x.warden.socket()); err != nil {
				t.Fatalf("%v: %s", err, out)
			}
			x.warden.wait("the thief and the outside call to leave the conference", 3*time.Second, func() bool {
				up := x.channels()
				return strings.Count(up, "/carrier-") == 1 && strings.Count(up, "/1002-") == 0
			})
			x.alive("a colleague in the conference", anna)
			x.alive("another one", bernard)
			x.alive("a customer with a colleague", customer)
		})
	}
}

// A number that a thief transfers or forwards a call to is judged like one that is
// dialled: the call is ended, and the caller who was forwarded keeps the call.
func TestForbiddenTransfersAreEnded(t *testing.T) {
	t.Parallel()
	for _, v := range lab.Versions() {
		t.Run("Asterisk"+string(v), func(t *testing.T) {
			t.Parallel()
			x := newExchange(t, v, onlyForbidden)
			ended := func(what string, calls int) { // all of them in one incident
				t.Helper()
				x.warden.wait(what+": the end of the call", 3*time.Second, func() bool {
					list := x.warden.incidents()
					return len(list) == 1 && len(list[0].Steps) == calls && x.warden.settled("forbidden destination")
				})
				x.warden.wait(what+": no channel of the carrier", 3*time.Second, func() bool { return !strings.Contains(x.channels(), "/carrier-") })
				t.Logf("%s: %s", what, x.warden.incidents()[0].Reason)
			}
			x.must(x.call(x.thief, "00442079460001").Transfer(soon(t), "00881612345678"))
			ended("transferred", 1)
			x.thief.Forward("00881612345678")
			if c, err := x.anna.Call(soon(t), "1002"); err == nil {
				_ = c.Hangup(soon(t))
			}
			ended("forwarded", 2)
			x.warden.logSteps(t)
		})
	}
}

// A thief connects calls with one another as fast as possible, so that they go on
// without the thief: with the defaults, all of them are ended.
func TestThiefWhoTransfers(t *testing.T) {
	t.Parallel()
	for _, v := range lab.Versions() {
		t.Run("Asterisk"+string(v), func(t *testing.T) {
			t.Parallel()
			x := newExchange(t, v, "")
			start, most, connected := time.Now(), 0, 0
			for i := 0; time.Since(start) < time.Minute && !x.warden.settled("faster than a person dials"); i++ {
				ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
				one, err := x.thief.Call(ctx, fmt.Sprintf("0044207946%04d", 2*i))
				var other *lab.Call
				if err == nil {
					other, err = x.thief.Call(ctx, fmt.Sprintf("0044207946%04d", 2*i+1))
				}
				if err == nil && one.Connect(ctx, other) == nil {
					connected++
				}
				cancel()
				most = max(most, strings.Count(x.channels(), "/carrier-"))
			}
			x.warden.wait("the incident's end", 10*time.Second, func() bool { return x.warden.settled("faster than a person dials") })
			x.warden.wait("no channel", 5*time.Second, func() bool { return x.channels() == "" })
			t.Logf("%d pairs of calls connected, %d trunk channels up at most, all down %s after the first INVITE", connected, most, time.Since(start).Round(time.Millisecond))
			if connected == 0 {
				t.Error("no call was transferred")
			}
			x.warden.logSteps(t)
		})
	}
}
