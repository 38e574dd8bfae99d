package test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/tollwarden/tollwarden/responder/incident"
	"github.com/tollwarden/tollwarden/test/lab"
)

// office is a colleague in a call, who must notice nothing.
type office struct {
	phone *lab.Phone
	call  *lab.Call
}

func officeInACall(t *testing.T, l *lab.Lab) office {
	t.Helper()
	p := addPhone(t, addHost(t, l, "office", "198.51.100.10"), "1001")
	register(t, p)
	call, err := p.Call(soon(t), "00442079460500")
	if err != nil {
		t.Fatal(err)
	}
	return office{p, call}
}

func (o office) untouched(t *testing.T, w *warden) {
	t.Helper()
	if up, err := o.call.Alive(soon(t)); err != nil || !up {
		t.Errorf("1001's call: alive %v, %v", up, err)
	}
	if !w.hasContact("1001") {
		t.Error("1001's registration is gone")
	}
	if w.dropped("198.51.100.10/32") {
		t.Error("1001's address is dropped")
	}
	register(t, o.phone) // with the old secret, which is still its own
}

// hasContact says whether Asterisk holds a registration of the account.
func (w *warden) hasContact(account string) bool {
	w.t.Helper()
	command := "pjsip show contacts"
	if w.lab.Version == lab.Asterisk16 {
		command = "sip show peer " + account
	}
	out, err := w.lab.CLI(w.t.Context(), command)
	if err != nil {
		w.t.Fatal(err)
	}
	if w.lab.Version == lab.Asterisk16 {
		return !strings.Contains(out, "Addr->IP     : (null)")
	}
	return strings.Contains(out, account+"/sip:")
}

// channels is the number of channels that Asterisk itself says an account has.
func (w *warden) channels(account string) int {
	w.t.Helper()
	out, err := w.lab.CLI(w.t.Context(), "core show channels concise")
	if err != nil {
		w.t.Fatal(err)
	}
	return strings.Count(out, w.lab.Technology()+"/"+account+"-")
}

// breakIn makes five wrong guesses, the right one, and registers with it.
func breakIn(t *testing.T, thief *lab.Phone) {
	t.Helper()
	for i := range 5 {
		thief.SetPassword(fmt.Sprintf("guess-%d", i))
		if err := thief.Register(soon(t)); err == nil {
			t.Fatal("a wrong guess was accepted")
		}
	}
	thief.SetPassword(lab.Passwords["1002"])
	register(t, thief)
}

// The daemon is held still while a thief breaks in, registers and has 20 calls
// up; from the moment it goes on, everything is contained within a second.
func TestBreakInIsContained(t *testing.T) {
	t.Parallel()
	onBothAtOnce(t, func(t *testing.T, l *lab.Lab) {
		w := guard(t, l, 10) // so high that the guesser gets in
		colleague := officeInACall(t, l)
		thief := addPhone(t, addHost(t, l, "thief", guesserAddress), "1002")

		w.signal(syscall.SIGSTOP)
		breakIn(t, thief)
		calls := make([]*lab.Call, 20)
		for i := range calls {
			var err error
			if calls[i], err = thief.Call(soon(t), fmt.Sprintf("00114420794600%02d", i)); err != nil {
				t.Fatalf("the thief's call %d: %v", i, err)
			}
		}
		if n := w.channels("1002"); n != 20 {
			t.Fatalf("the thief has %d channels, want 20 before the daemon continues", n)
		}
		start := time.Now()
		w.signal(syscall.SIGCONT)

		w.wait("the thief dropped", 2*time.Second, func() bool { return w.dropped(guesserAddress + "/32") })
		w.wait("the incident's end", 10*time.Second, func() bool { return w.settled("break-in") })
		contained := time.Since(start)
		w.contained(t, thief)
		colleague.untouched(t, w)
		w.told(t, "break-in", guesserAddress)
		t.Logf("contained %s after the daemon went on", contained.Round(time.Millisecond))
		if contained > 10*time.Second {
			t.Errorf("containment took %s", contained)
		}
		w.logSteps(t)
	})
}

// settled says whether an incident of this threshold has no step left open.
func (w *warden) settled(threshold string) bool {
	for _, i := range w.incidents() {
		if !crosses(i, threshold) {
			continue
		}
		for _, s := range i.Steps {
			if s.State == "intended" {
				return false
			}
		}
		return true
	}
	return false
}

// contained checks, by Asterisk itself, that nothing is left to the thief.
func (w *warden) contained(t *testing.T, thief *lab.Phone) {
	t.Helper()
	if n := w.channels("1002"); n != 0 {
		t.Errorf("1002 still has %d channels", n)
	}
	if w.hasContact("1002") {
		t.Error("1002 still has a registration")
	}
	// From an address that is not banned: the old secret is worth nothing.
	elsewhere := addPhone(t, addHost(t, w.lab, "elsewhere", "203.0.113.77"), "1002")
	if err := elsewhere.Register(soon(t)); err == nil {
		t.Error("the stolen secret still opens 1002")
	}
}

// Nothing holds the daemon still: the thief goes as fast as it can, from three
// addresses at once, and is contained all the same.
func TestBreakInByAQuickThief(t *testing.T) {
	t.Parallel()
	onBothAtOnce(t, func(t *testing.T, l *lab.Lab) {
		w := guard(t, l, 10)
		colleague := officeInACall(t, l)
		host := addHost(t, l, "thief", guesserAddress, "192.0.2.67", "192.0.2.68")
		thief := addPhone(t, host, "1002")
		friends := make([]*lab.Phone, 0, 2)
		for _, from := range host.Addresses()[1:] {
			p, err := host.Phone("1002", "", lab.PhoneOptions{From: from})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = p.Close() })
			friends = append(friends, p)
		}
		for i := range 5 {
			thief.SetPassword(fmt.Sprintf("guess-%d", i))
			_ = thief.Register(soon(t))
		}
		thief.SetPassword(lab.Passwords["1002"])
		ctx, cancel := context.WithTimeout(t.Context(), 4*time.Second)
		defer cancel()
		var all sync.WaitGroup
		in := make(chan string, 1+len(friends)) // who got in before the secret was another
		for n, p := range append(friends, thief) {
			all.Go(func() {
				if p.Register(ctx) != nil {
					return
				}
				in <- p.Source().Addr().String()
				for i := range 7 {
					if _, err := p.Call(ctx, fmt.Sprintf("0011442079460%03d", 10*n+i)); err != nil {
						return
					}
				}
			})
		}
		all.Wait()
		close(in)
		for address := range in {
			if l.Version == lab.Asterisk16 {
				break // none is confirmed: the one that calls first is banned
			}
			w.wait("the drop of "+address, 2*time.Second, func() bool { return w.dropped(address + "/32") })
		}
		w.wait("the incident's end", 10*time.Second, func() bool { return w.settled("break-in") })
		w.wait("no channel of 1002", 5*time.Second, func() bool { return w.channels("1002") == 0 })
		w.contained(t, thief)
		colleague.untouched(t, w)
		w.logSteps(t)
	})
}

func (w *warden) logSteps(t *testing.T) {
	for _, i := range w.incidents() {
		t.Logf("incident %d: %s %s: %s", i.ID, i.Key.Kind(), i.Key.Value(), i.Reason)
		for _, s := range i.Steps {
			t.Logf("  %-16s %-10s %-10s %s (%s)", s.Step, s.Target, s.State, s.Detail, s.Took)
			checkStep(t, i, s)
		}
	}
}

func checkStep(t *testing.T, i incident.Incident, s incident.Step) {
	t.Helper()
	if s.State != "done" && s.State != "skipped" {
		t.Errorf("incident %d: step %s is %s: %s", i.ID, s.Step, s.State, s.Detail)
	}
}
