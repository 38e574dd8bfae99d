package test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/tollwarden/tollwarden/test/lab"
)

// The default rules leave an ordinary office alone: colleagues register again and
// again, call each other and abroad.
func TestDefaultsLeaveAnOfficeAlone(t *testing.T) {
	t.Parallel()
	onBothAtOnce(t, func(t *testing.T, l *lab.Lab) {
		w := guardWith(t, l, "")
		caller := addPhone(t, addHost(t, l, "desk", "198.51.100.10"), "1001")
		colleague := addPhone(t, addHost(t, l, "other-desk", "198.51.100.11"), "1003")
		register(t, caller)
		register(t, colleague)
		for _, number := range []string{"1003", "00442079460001", "00442079460002", "1003"} {
			call, err := caller.Call(soon(t), number)
			if err != nil {
				t.Fatal(err)
			}
			time.Sleep(1500 * time.Millisecond) // a person dials no faster
			if err := call.Hangup(soon(t)); err != nil {
				t.Error(err)
			}
			register(t, colleague)
		}
		for _, i := range w.incidents() {
			t.Errorf("an incident: %+v", i)
		}
		if s, err := w.client().Status(t.Context()); err != nil || s.Counters["observations"] == 0 {
			t.Errorf("the daemon saw nothing: %+v, %v", s.Counters, err)
		}
	})
}

// officeGuesser tries wrong passwords from an office's address.
type officeGuesser struct {
	t         *testing.T
	office    *lab.Host
	transport string
	answered  int  // refusals that it got
	shutOut   bool // it cannot connect
}

// tries guesses at accounts from one port, or over one connection, and says whether it
// was answered to the end.
func (g *officeGuesser) tries(port uint16, accounts ...string) (all bool) {
	g.t.Helper()
	if g.transport == "udp" { // a phone for each account, one after the other on the same port
		for _, account := range accounts {
			if !g.try(port, account) {
				return false
			}
		}
		return true
	}
	p, err := g.office.Phone(accounts[0], "wrong", lab.PhoneOptions{Transport: g.transport})
	if err != nil {
		g.shutOut = true
		return false
	}
	defer p.Close()
	for _, account := range accounts {
		p.LogIn(account, "wrong")
		if !g.register(p) {
			return false
		}
	}
	return true
}

func (g *officeGuesser) try(port uint16, account string) bool {
	g.t.Helper()
	p, err := g.office.Phone(account, "wrong", lab.PhoneOptions{Transport: g.transport, Port: port})
	if err != nil {
		g.t.Fatal(err)
	}
	defer p.Close()
	return g.register(p)
}

func (g *officeGuesser) register(p *lab.Phone) bool {
	ctx, cancel := context.WithTimeout(g.t.Context(), 400*time.Millisecond)
	defer cancel()
	var refused *lab.StatusError
	if !errors.As(p.Register(ctx), &refused) {
		return false
	}
	g.answered++
	return true
}

// Somebody in the guest network of an office guesses at three of its extensions, over UDP
// and from a page in a browser. Only what it used is cut, and it is answered rarely when it
// goes on from ever new ports; the office's phones notice nothing.
func TestGuesserInTheGuestNetwork(t *testing.T) {
	t.Parallel()
	l := lab.New(t, lab.WebSocket())
	office, elsewhere := addHost(t, l, "office", officeAddress), addHost(t, l, "elsewhere", "198.51.100.20")
	desk, callee := addPhone(t, office, "1001"), addPhone(t, elsewhere, "1003")
	overTCP, err := office.Phone("1004", "", lab.PhoneOptions{Transport: "tcp"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = overTCP.Close() })
	for _, p := range []*lab.Phone{desk, callee, overTCP} {
		register(t, p)
	}
	w := guardWith(t, l, shortRules(3))
	w.protected("registered contact of 1001 and 1 more")
	undisturbed := func(when string) {
		t.Helper()
		if bans := w.bans(); bans != "" {
			t.Errorf("%s: bans %s", when, bans)
		}
		register(t, desk)
		register(t, overTCP)
		for _, p := range []*lab.Phone{desk, overTCP} {
			call, err := p.Call(soon(t), "1003")
			if err != nil {
				t.Fatalf("%s: %s cannot call: %v", when, p.Account, err)
			}
			if err := call.Hangup(soon(t)); err != nil {
				t.Error(err)
			}
		}
	}
	steps := func(target string) (details string) {
		for _, i := range w.incidents() {
			for _, s := range i.Steps {
				if s.Target == target {
					details += string(s.State) + ": " + s.Detail + "\n"
				}
			}
		}
		return details
	}

	udp := &officeGuesser{t: t, office: office, transport: "udp"}
	udp.tries(40000, "1001", "1002", "1004")
	w.wait("its flow to be dropped", 5*time.Second, func() bool { return strings.Contains(steps(officeAddress+":40000"), "done") })
	if udp.tries(40000, "1002") {
		t.Error("the flow that was dropped is answered")
	}
	undisturbed("after three guesses over UDP")
	udp.answered = 0
	began := time.Now()
	for port := uint16(40001); port < 40016; port++ {
		udp.tries(port, "1001", "1002", "1004")
	}
	t.Logf("over UDP, from 15 ports within %s: %d guesses answered", time.Since(began).Round(time.Second), udp.answered)
	if udp.answered > 9+20 {
		t.Errorf("%d guesses over UDP were answered", udp.answered)
	}
	undisturbed("while it guesses over UDP")

	page := &officeGuesser{t: t, office: office, transport: "ws"}
	dropped := w.counter("flows_dropped")
	page.tries(0, "1001", "1002", "1004")
	w.wait("its connection to be dropped", 5*time.Second, func() bool { return w.counter("flows_dropped") > dropped })
	undisturbed("after three guesses of a page")
	for range 10 {
		if page.tries(0, "1001", "1002", "1004"); page.shutOut {
			break
		}
	}
	t.Logf("over WebSocket: %d guesses answered", page.answered)
	if page.answered > 15 || !page.shutOut {
		t.Errorf("%d guesses of a page were answered, can connect: %v", page.answered, !page.shutOut)
	}
	if got := steps(officeAddress); !strings.Contains(got, "nothing is let in from there over TCP, TLS and WebSocket") {
		t.Errorf("the incidents say %q", got)
	}
	undisturbed("while the page goes on")
	if out, err := w.tollwarden("unban", officeAddress, "--socket", w.socket()); err != nil {
		t.Errorf("unban: %v: %s", err, out)
	}
	w.wait("the office to be opened", 5*time.Second, func() bool {
		p, err := office.Phone("1002", "", lab.PhoneOptions{Transport: "tcp"})
		if err == nil {
			_ = p.Close()
		}
		return err == nil
	})
}
