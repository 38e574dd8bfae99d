package test

import (
	"context"
	"fmt"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tollwarden/tollwarden/test/lab"
)

// chan_sip says of a SUBSCRIBE whether the password is right, by 403 and 404, and
// raises no event. Guessers who each stay below every threshold find it: with the first
// call abroad it is worth nothing.
func TestPasswordFoundBySubscribing(t *testing.T) {
	t.Parallel()
	l := lab.New(t, lab.Options{Version: lab.Asterisk16})
	w := guardWith(t, l, "")
	for i := range 3 {
		c := newCracker(t, addHost(t, l, fmt.Sprint("guesser", i), fmt.Sprintf("198.51.100.%d", 70+i)), 5070+uint16(i), "SUBSCRIBE")
		for n := range 2 {
			if answer := c.guess(fmt.Sprint("wrong", n), true); !strings.HasPrefix(answer, "SIP/2.0 403") {
				t.Fatalf("a wrong password is answered with %.40q", answer)
			}
		}
	}
	h := addHost(t, l, "thief", "203.0.113.66")
	c := newCracker(t, h, 5079, "SUBSCRIBE")
	if answer := c.guess(lab.Passwords["1002"], true); !strings.HasPrefix(answer, "SIP/2.0 404") {
		t.Fatalf("the right password is answered with %.40q", answer)
	}
	w.newPlace("1002")
	thief := addPhone(t, addHost(t, l, "caller", "203.0.113.67"), "1002")
	register(t, thief)
	callNowhere(t, thief)
	w.wait("a new password", 5*time.Second, func() bool { return w.rotated("1002") })
	another := addPhone(t, addHost(t, l, "another", "203.0.113.68"), "1002")
	if err := another.Register(soon(t)); err == nil {
		t.Error("the password is still good")
	}
}

// chan_sip raises no event when an INVITE has the right password. If it comes from
// where nobody signed in, after the guesses of others, the channel shows the break-in.
func TestCallAfterGuesses(t *testing.T) {
	t.Parallel()
	onBothAtOnce(t, func(t *testing.T, l *lab.Lab) {
		w := guardWith(t, l, "")
		for i := range 3 {
			p := addPhone(t, addHost(t, l, fmt.Sprint("guesser", i), fmt.Sprintf("198.51.100.%d", 70+i)), "1002")
			for n := range 2 {
				p.SetPassword(fmt.Sprint("wrong", n))
				if _, err := briefCall(t, p); err == nil {
					t.Fatal("a wrong password makes calls")
				}
			}
		}
		thief := addPhone(t, addHost(t, l, "thief", "203.0.113.66"), "1002")
		var call *lab.Call
		var err error
		for range 5 {
			call, err = briefCall(t, thief)
		}
		w.wait("a new password", 5*time.Second, func() bool { return w.rotated("1002") })
		if err != nil {
			return // it was ended before it was answered
		}
		w.wait("the end of the call", 5*time.Second, func() bool {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second) // it may be blocked
			defer cancel()
			up, err := call.Alive(ctx)
			return err != nil || !up
		})
	})
}

// abroad is the last number that briefCall has called.
var abroad atomic.Int32

// briefCall calls another number abroad, unless that takes long.
func briefCall(t *testing.T, p *lab.Phone) (*lab.Call, error) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	return p.Call(ctx, fmt.Sprintf("0044207946%04d", abroad.Add(1)))
}

// chan_sip answers 200 to a REGISTER that ends a registration, if it looks like one that
// is sent again, and reports a success, without asking for a password. That makes
// nobody known, and it is no break-in.
func TestSuccessWithoutPassword(t *testing.T) {
	t.Parallel()
	l := lab.New(t, lab.Options{Version: lab.Asterisk16})
	w := guardWith(t, l, "")
	guess := func(n int) {
		c := newCracker(t, addHost(t, l, fmt.Sprint("guesser", n), fmt.Sprintf("198.51.100.%d", 70+n)), 5070+uint16(n), "SUBSCRIBE")
		c.guess("wrong1", true)
		c.guess("wrong2", true)
	}
	for n := range 3 {
		guess(n)
	}
	h := addHost(t, l, "attacker", guesserAddress)
	conn := listenUDP(t, h, guesserAddress+":5060")
	for _, expires := range []string{"60", "0"} {
		text := strings.Replace(request(guesserAddress+":5060;rport", "forged-success", 1, ""), "Expires: 60", "Expires: "+expires, 1)
		if _, err := conn.WriteToUDPAddrPort([]byte(text), netip.MustParseAddrPort(lab.PBXAddress+":5060")); err != nil {
			t.Fatal(err)
		}
		t.Logf("%.20q", receive(t, conn))
	}
	time.Sleep(time.Second)
	log, err := l.SecurityLog()
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("Asterisk reports %d successes", log.From(guesserPrefix).Count("SuccessfulAuth"))
	if w.rotated("1002") {
		t.Error("somebody without the password has it changed")
	}
	// What comes now from there is suspicious.
	c := newCracker(t, h, 5071, "SUBSCRIBE")
	if answer := c.guess(lab.Passwords["1002"], true); !strings.HasPrefix(answer, "SIP/2.0 404") {
		t.Fatalf("the right password is answered with %.40q", answer)
	}
	w.newPlace("1002")
}
