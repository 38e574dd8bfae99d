package test

import (
	"context"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/tollwarden/tollwarden/responder/incident"
	"github.com/tollwarden/tollwarden/test/lab"
)

const (
	inBritain = "00442079460001"
	toFrance  = "0033140205050"
	toNowhere = "0068221234" // the Cook Islands
	newLine   = "192.0.2.90"
	british   = "[calls]\ncountry = \"GB\"\n"
)

// Somebody forges a few packets against an account, and then its owner's line gets a new
// address: the owner keeps the call, the registrations, the password and the address. A
// call abroad from there is ended until a person trusts it. A thief in the same place is
// contained with the first call to a country that the account never calls.
func TestOwnerAtANewAddressAfterGuesses(t *testing.T) {
	t.Parallel()
	onBothAtOnce(t, func(t *testing.T, l *lab.Lab) {
		w := guardWith(t, l, british) // else the built-in set
		home := addPhone(t, addHost(t, l, "home", "198.51.100.10"), "1002")
		register(t, home)
		abroad, err := home.Call(soon(t), toFrance)
		if err != nil {
			t.Fatal(err)
		}
		_ = abroad.Hangup(soon(t))
		standing, err := home.Call(soon(t), inBritain)
		if err != nil {
			t.Fatal(err)
		}
		f := newForger(t, addHost(t, l, "forger", "203.0.113.77"))
		w.guessedAt(f, "1002")
		line := addHost(t, l, "line", newLine)
		moved := addPhone(t, line, "1002")
		register(t, moved)
		i := w.newPlace("1002")
		for _, want := range []string{"`tollwarden trust 1002 " + newLine + "`", "`tollwarden compromise 1002`"} {
			if out, err := w.tollwarden("incident", "1", "--socket", w.socket()); err != nil || !strings.Contains(out, want) {
				t.Errorf("the incident does not name %s: %v\n%s", want, err, out)
			}
		}
		if s := i.Steps[0]; s.Step != incident.StepLimitCosts || s.State != incident.Done {
			t.Errorf("%+v", s)
		}

		call, err := moved.Call(soon(t), inBritain)
		if err != nil {
			t.Fatalf("a call inside the country: %v", err)
		}
		w.ended(moved, toFrance, "from the new address")
		for name, c := range map[string]*lab.Call{"standing": standing, "new": call} {
			if up, err := c.Alive(soon(t)); err != nil || !up {
				t.Errorf("the %s call: alive %v, %v", name, up, err)
			}
		}
		if !w.hasContact("1002") || w.dropped(newLine+"/32") {
			t.Error("the owner's registration is gone, or the address is dropped")
		}
		register(t, home) // with the old password
		register(t, moved)
		if n := len(w.incidents()); n != 1 {
			t.Errorf("%d incidents", n)
		}

		w.stop(9)
		w.start()
		w.ended(moved, toFrance, "after a restart")
		if out, err := w.tollwarden("trust", "1002", newLine, "--socket", w.socket()); err != nil || !strings.Contains(out, "known for 1002") {
			t.Fatalf("%v: %s", err, out)
		}
		if call, err = moved.Call(soon(t), toFrance); err != nil {
			t.Fatalf("a call abroad once it is trusted: %v", err)
		}
		time.Sleep(500 * time.Millisecond)
		if up, err := call.Alive(soon(t)); err != nil || !up {
			t.Errorf("the call abroad once it is trusted: alive %v, %v", up, err)
		}

		w.guessedAt(f, "1001")
		thief := addPhone(t, addHost(t, l, "thief", guesserAddress), "1001")
		register(t, thief)
		w.newPlace("1001")
		callNowhere(t, thief)
		w.wait("the thief to be contained", 10*time.Second, func() bool { return w.settled("break-in") && w.rotated("1001") })
		if w.hasContact("1001") || !w.dropped(guesserAddress+"/32") {
			t.Error("the thief keeps a registration, or its address is not dropped")
		}
		if out, err := w.tollwarden("compromise", "1002", "--socket", w.socket()); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		w.wait("what a person reported", 10*time.Second, func() bool { return w.settled("break-in") && w.rotated("1002") && !w.hasContact("1002") })
		w.logSteps(t)
	})
}

// callNowhere has a thief call numbers in a country that nobody calls: one more than make a
// second sign.
func callNowhere(t *testing.T, thief *lab.Phone) {
	for i := range 6 {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		_, _ = thief.Call(ctx, toNowhere[:len(toNowhere)-1]+fmt.Sprint(i)) // its address may be banned before an answer
		cancel()
	}
}

// guessedAt forges wrong passwords for an account until they count.
func (w *warden) guessedAt(f *forger, account string) {
	w.t.Helper()
	for n := range 6 {
		from := netip.AddrPortFrom(netip.AddrFrom4([4]byte{198, 18, byte(n), 66}), 5060)
		f.send(from, f.guess(from, account))
		time.Sleep(20 * time.Millisecond)
	}
	w.wait("the guesses at "+account, 5*time.Second, func() bool {
		list, err := w.client().Scores(w.t.Context(), "account", 10)
		if err != nil {
			w.t.Fatal(err)
		}
		for _, s := range list {
			for _, points := range s.Scores {
				if s.Key.Account == account && points.Threshold == "extension under attack" && points.Points >= 4 {
					return true
				}
			}
		}
		return false
	})
}

// newPlace waits for the incident about an account's new address.
func (w *warden) newPlace(account string) (found incident.Incident) {
	w.t.Helper()
	w.wait("a message about "+account, 5*time.Second, func() bool {
		for _, i := range w.incidents() {
			if i.Threshold == "new place after guessing" && i.Account == account {
				found = i
				return true
			}
		}
		return false
	})
	return found
}

// ended checks that a call is ended soon after it began.
func (w *warden) ended(p *lab.Phone, number, when string) {
	w.t.Helper()
	call, err := p.Call(soon(w.t), number)
	if err != nil {
		return // before it was answered
	}
	select {
	case <-call.Ended():
	case <-time.After(20 * time.Second):
		w.t.Errorf("a call to %s %s is not ended", number, when)
	}
}

// An owner who travels while many addresses guess at the extension is not locked out, and
// calls inside the country; calls abroad from there are ended while it lasts.
func TestOwnerTravelsDuringAnAttack(t *testing.T) {
	t.Parallel()
	l := lab.New(t, lab.Options{})
	home := addPhone(t, addHost(t, l, "home", "198.51.100.10"), "1002")
	register(t, home)
	w := guardWith(t, l, british)
	if abroad, err := home.Call(soon(t), toFrance); err != nil {
		t.Fatal(err)
	} else {
		_ = abroad.Hangup(soon(t))
	}
	bots := addHost(t, l, "bots", "198.18.0.0/16")
	guessFromEverywhere(t, bots, "1002")
	limited := func() bool {
		out, err := w.tollwarden("accounts", "--socket", w.socket())
		return err == nil && strings.Contains(out, "costly calls from unknown addresses are ended until the attack is over")
	}
	w.wait("the limit", 10*time.Second, limited)
	hotel := addPhone(t, addHost(t, l, "hotel", newLine), "1002")
	register(t, hotel)
	call, err := hotel.Call(soon(t), inBritain)
	if err != nil {
		t.Fatalf("a call inside the country: %v", err)
	}
	w.ended(hotel, toFrance, "from the hotel")
	if up, err := call.Alive(soon(t)); err != nil || !up {
		t.Errorf("the call inside the country: alive %v, %v", up, err)
	}
	_ = call.Hangup(soon(t))
	if abroad, err := home.Call(soon(t), toFrance); err != nil {
		t.Errorf("a call abroad from home: %v", err)
	} else {
		_ = abroad.Hangup(soon(t))
	}
}
