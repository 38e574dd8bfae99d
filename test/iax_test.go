package test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/tollwarden/tollwarden/responder/incident"
	"github.com/tollwarden/tollwarden/test/lab"
)

const (
	iaxAccount = "Front Desk" // of chan_iax2
	sipAccount = "o'brien & söhne"
)

// oddNames is a lab with accounts whose names are more than a word.
func oddNames(v lab.Version) lab.Options {
	sip := "[" + sipAccount + "](phone)\nsecret = office-brien-Lp3\n"
	if v == lab.Asterisk22 {
		name := "[" + sipAccount + "]"
		sip = name + "(phone)\nauth = " + sipAccount + "\naors = " + sipAccount + "\n" + name + "(login)\nusername = " + sipAccount +
			"\npassword = office-brien-Lp3\n" + name + "(place)\n"
	}
	return lab.Options{
		Version: v,
		Append:  map[string]string{"modules.conf": "load = res_crypto.so\nload = chan_iax2.so\n", confFile(v): "\n" + sip},
		Files: map[string]string{
			"iax.conf": "[general]\nauthdebug = yes\n[desks](!)\ntype = friend\nhost = dynamic\ncontext = internal\n[" +
				iaxAccount + "](desks)\nsecret = lab-iax-desks\n[2002](desks)\nsecret = lab-iax-2002\n",
		},
	}
}

func iaxPhone(t *testing.T, h *lab.Host, account, secret string) *lab.IAXPhone {
	t.Helper()
	p, err := h.IAXPhone(account, secret)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Close() })
	return p
}

// A thief who finds the password of an IAX2 user is contained like one of SIP: after
// others' guesses a call to a satellite ends the thief's calls and its registration,
// changes the password and closes the port. A colleague's call over IAX2 goes on. So it is
// for an account of SIP with a name of three words.
func TestBreakInOverIAX2(t *testing.T) {
	t.Parallel()
	for _, v := range lab.Versions() {
		t.Run("Asterisk"+string(v), func(t *testing.T) {
			t.Parallel()
			l := lab.New(t, oddNames(v))
			w := guardWith(t, l, "log = \""+l.Path("var/log/asterisk/messages")+"\"\n"+british)
			colleague := iaxPhone(t, addHost(t, l, "office", "198.51.100.10"), "2002", "lab-iax-2002")
			if err := colleague.Register(soon(t)); err != nil {
				t.Fatal(err)
			}
			standing, err := colleague.Call(soon(t), inBritain)
			if err != nil {
				t.Fatal(err)
			}
			for _, a := range []string{"203.0.113.31", "203.0.113.32", "203.0.113.33"} {
				g := iaxPhone(t, addHost(t, l, "guesser"+a[len(a)-1:], a), iaxAccount, "guess")
				for range 2 {
					if err := g.Register(soon(t)); !errors.Is(err, lab.ErrIAXRefused) {
						t.Fatalf("a guess: %v", err)
					}
				}
			}
			w.wait("the guesses", 10*time.Second, func() bool { return w.guesses(iaxAccount) >= 4 })

			thiefHost := addHost(t, l, "thief", guesserAddress)
			thief := iaxPhone(t, thiefHost, iaxAccount, "lab-iax-desks")
			if err := thief.Register(soon(t)); err != nil {
				t.Fatal(err)
			}
			w.newPlace(iaxAccount)
			if _, err := thief.Call(soon(t), inBritain); err != nil {
				t.Fatal(err)
			}
			start := time.Now()
			_, _ = thief.Call(shortly(t), "00881612345678")
			w.wait("the end of the thief's calls", 5*time.Second, func() bool { return !w.inCall(iaxAccount) })
			t.Logf("the thief's calls ended %v after the one to a satellite began", time.Since(start).Round(time.Millisecond))
			w.wait("the incident's end", 15*time.Second, func() bool { return w.settled("break-in") })
			w.logSteps(t)
			w.cleared(iaxAccount)
			if err := thief.Register(shortly(t)); err == nil {
				t.Error("the thief registers again")
			}
			if g, err := (lab.IAXGuesser{Host: thiefHost, Account: iaxAccount, Rate: 200, Most: 40}).Run(soon(t)); err != nil || g.Answered > 0 || g.Sent > 0 {
				t.Errorf("a banned guesser: %d challenged, %d answered, %v", g.Sent, g.Answered, err)
			}
			elsewhere := iaxPhone(t, addHost(t, l, "elsewhere", "203.0.113.77"), iaxAccount, "lab-iax-desks")
			if err := elsewhere.Register(soon(t)); !errors.Is(err, lab.ErrIAXRefused) {
				t.Errorf("the stolen secret: %v", err)
			}
			select {
			case <-standing.Ended():
				t.Error("the colleague's call is ended")
			default:
			}
			if err := colleague.Register(soon(t)); err != nil {
				t.Errorf("the colleague: %v", err)
			}

			desk := addPhone(t, addHost(t, l, "desk", "198.51.100.11"), sipAccount)
			desk.SetPassword("office-brien-Lp3")
			register(t, desk)
			call, err := desk.Call(soon(t), inBritain)
			if err != nil {
				t.Fatal(err)
			}
			out, err := w.tollwarden("compromise", sipAccount, "--socket", w.socket())
			t.Logf("%s", out)
			if err != nil {
				t.Error(err)
			}
			select {
			case <-call.Ended():
			case <-time.After(10 * time.Second):
				t.Error("the call is not ended")
			}
			w.wait("the end of it", 15*time.Second, func() bool { return w.workDone(sipAccount) })
			w.logSteps(t)
			w.cleared(sipAccount)
			if err := desk.Register(shortly(t)); err == nil {
				t.Error("the old password is still good")
			}
		})
	}
}

// shortly is time enough for an answer that is not expected.
func shortly(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
	t.Cleanup(cancel)
	return ctx
}

// inCall reports whether Asterisk has a channel of an account.
func (w *warden) inCall(account string) bool {
	w.t.Helper()
	out, err := w.lab.CLI(soon(w.t), "core show channels concise")
	if err != nil {
		w.t.Fatal(err)
	}
	return strings.Contains(out, "/"+account+"-")
}

// guesses counts what is held against those who guess at an account.
func (w *warden) guesses(account string) int {
	w.t.Helper()
	list, err := w.client().Scores(w.t.Context(), "account", 10)
	if err != nil {
		w.t.Fatal(err)
	}
	most := 0
	for _, s := range list {
		for _, points := range s.Scores {
			if s.Key.Account == account {
				most = max(most, points.Points)
			}
		}
	}
	return most
}

// workDone reports whether every step of the last incident about an account has ended.
func (w *warden) workDone(account string) bool {
	for _, i := range w.incidents() {
		if i.Account != account {
			continue
		}
		for _, s := range i.Steps {
			if s.State == incident.Intended {
				return false
			}
		}
		return true
	}
	return false
}

// cleared checks that the steps of an account's incidents succeeded.
func (w *warden) cleared(account string) {
	w.t.Helper()
	done := map[incident.StepKind]bool{}
	for _, i := range w.incidents() {
		if i.Account == account {
			for _, s := range i.Steps {
				done[s.Step] = done[s.Step] || s.State == incident.Done
			}
		}
	}
	for _, kind := range []incident.StepKind{incident.StepHangup, incident.StepRotate, incident.StepRemoveRegistrations} {
		if !done[kind] {
			w.t.Errorf("%s of %s is not done", kind, account)
		}
	}
	if w.inCall(account) {
		w.t.Errorf("%s still has a channel", account)
	}
}
