package test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/tollwarden/tollwarden/responder/incident"
	"github.com/tollwarden/tollwarden/test/lab"
)

// signIn answers a challenge with the right password, and returns its nonce.
func (c *cracker) signIn(want string) (nonce string) {
	c.t.Helper()
	challenge := c.exchange("")
	sent := nonceSent.FindStringSubmatch(challenge)
	if sent == nil {
		c.t.Fatalf("no challenge: %q", challenge)
	}
	if answer := c.exchange(c.credentials(lab.Passwords[c.user], sent[1])); !strings.HasPrefix(answer, want) {
		c.t.Fatalf("%s is answered %q, want %s", c.method, answer, want)
	}
	return sent[1]
}

// answersOld sends the right password with a nonce that is no longer good.
func (c *cracker) answersOld(nonce string) {
	c.t.Helper()
	if answer := c.exchange(c.credentials(lab.Passwords[c.user], nonce)); !strings.Contains(answer, "stale=true") {
		c.t.Fatalf("an old nonce is answered %q", answer)
	}
}

// refused says whether Asterisk refuses a password, with a nonce of its own.
func (c *cracker) refused(password string) bool {
	c.t.Helper()
	answer := c.guess(password, true)
	return strings.HasPrefix(answer, "SIP/2.0 401") && !strings.Contains(answer, "stale=true") || strings.HasPrefix(answer, "SIP/2.0 403")
}

// invented is a nonce that Asterisk has not issued, of now.
func invented(n int) string { return fmt.Sprintf("%d/%032x", time.Now().Unix(), n) }

// A phone that moves keeps its password, its registration and its address, though
// it first answers with the nonce that it had elsewhere.
func TestPhoneThatMovesIsLeftAlone(t *testing.T) {
	t.Parallel()
	for name, methods := range map[string][]string{
		"from Wi-Fi to mobile":     {"REGISTER"},
		"a line dialled once more": {"REGISTER", "SUBSCRIBE"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			onBothAtOnce(t, func(t *testing.T, l *lab.Lab) {
				w := guardWith(t, l, shortRules(50))
				home, away := addHost(t, l, "home", "198.51.100.20"), addHost(t, l, "away", "203.0.113.80")
				var nonces []string
				sent := 0 // a phone that moves goes on counting
				for n, method := range methods {
					c := newCracker(t, home, uint16(5070+n), method)
					want := "SIP/2.0 "
					if method == "REGISTER" {
						want = "SIP/2.0 200"
					}
					nonces = append(nonces, c.signIn(want))
					sent = c.cseq
				}
				time.Sleep(3 * time.Second) // so that PJSIP's next nonces differ
				for n, method := range methods {
					c := newCracker(t, away, uint16(5070+n), method)
					c.cseq = sent
					answer := c.exchange(c.credentials(lab.Passwords["1002"], nonces[n]))
					t.Logf("%s from elsewhere: %q, stale %t", method, strings.SplitN(answer, "\r\n", 2)[0], strings.Contains(answer, "stale=true"))
					if method == "REGISTER" {
						c.signIn("SIP/2.0 200")
					}
				}
				time.Sleep(time.Second)
				if list := w.incidents(); len(list) > 0 {
					w.logSteps(t)
					t.Error("a phone that moved is taken for a thief")
				}
				if w.dropped("203.0.113.80/32") || !w.hasContact("1002") {
					t.Error("a phone that moved is cut off")
				}
			})
		})
	}
}

// A guesser who answers the challenge is seen when it signs in. With chan_sip packets
// alone could have brought that about: it is contained with its first call abroad.
func TestGuesserWhoAnswersTheChallenge(t *testing.T) {
	t.Parallel()
	onBothAtOnce(t, func(t *testing.T, l *lab.Lab) {
		w := guardWith(t, l, shortRules(50))
		attacker := addHost(t, l, "attacker", guesserAddress)
		c := newCracker(t, attacker, 5070, "REGISTER")
		for refused := 0; refused < 5; { // a busy Asterisk answers late
			if c.guess("wrong", true) != "" {
				refused++
			}
			if c.cseq > 50 {
				t.Fatalf("Asterisk refused %d guesses", refused)
			}
		}
		c.guess(lab.Passwords["1002"], true) // its ban may be there before the answer
		if l.Version == lab.Asterisk16 {
			w.newPlace("1002")
			callNowhere(t, addPhone(t, attacker, "1002"))
		}
		w.wait("the account to be contained", 10*time.Second, func() bool { return w.rotated("1002") })
		if list := w.incidents(); len(list) != 1 || list[0].Threshold != "break-in" {
			t.Errorf("incidents: %+v, want one of the break-in", list)
		}
	})
}

// rotated says whether the password of an account was changed by an incident.
func (w *warden) rotated(account string) bool {
	for _, i := range w.incidents() {
		for _, s := range i.Steps {
			if i.Account == account && s.Step == incident.StepRotate && s.State == incident.Done {
				return true
			}
		}
	}
	return false
}

// A password found by asking with invented nonces is worth nothing a moment after
// Asterisk has given it away: the first guess shows that these nonces are invented, also
// to chan_sip, which issues none that look like that.
func TestPasswordFoundThroughTheOracleIsWorthless(t *testing.T) {
	t.Parallel()
	onBothAtOnce(t, func(t *testing.T, l *lab.Lab) {
		w := guardWith(t, l, shortRules(50))
		owner := newCracker(t, addHost(t, l, "home", "198.51.100.20"), 5070, "REGISTER")
		owner.signIn("SIP/2.0 200")
		c := newCracker(t, addHost(t, l, "attacker", guesserAddress), 5070, "REGISTER")
		time.Sleep(3 * time.Second)      // PJSIP's nonces are compared by the second
		if l.Version == lab.Asterisk16 { // which sends a challenge in a new dialog, whatever it gets
			for n := range 5 {
				c.exchange(c.credentials(fmt.Sprint("wrong-", n), invented(n)))
			}
		}
		c.answersOld(invented(99))
		found := time.Now()

		// From the owner's address, which is not banned.
		tries := 0
		for !owner.refused(lab.Passwords["1002"]) && time.Since(found) < 20*time.Second {
			tries++
		}
		took := time.Since(found)
		if tries == 0 && took < time.Millisecond {
			t.Error("the password was never good")
		}
		t.Logf("the password was worthless %s after it was found", took.Round(time.Millisecond))
		if took > 10*time.Second {
			t.Errorf("the password was good for %s after it was found", took)
		}
		w.wait("the incident's end", 10*time.Second, func() bool { return w.settled("break-in") })
		w.logSteps(t)
		if n := len(w.incidents()); n != 1 {
			t.Errorf("%d incidents, want 1", n)
		}
		if check := w.check("passwords"); check.Detail != "none is known to be stolen" {
			t.Errorf("after the change: %s", check.Detail)
		}
	})
}
