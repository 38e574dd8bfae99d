package test

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tollwarden/tollwarden/responder/incident"
	"github.com/tollwarden/tollwarden/test/lab"
)

const officeAddress = "198.51.100.10"

// refusals counts the responses 4xx that reach a socket.
func refusals(conn *net.UDPConn) *atomic.Int64 {
	var n atomic.Int64
	go func() {
		for buf := make([]byte, 4096); ; {
			size, err := conn.Read(buf)
			if err != nil {
				return
			}
			if bytes.HasPrefix(buf[:size], []byte("SIP/2.0 4")) {
				n.Add(1)
			}
		}
	}()
	return &n
}

// atRate calls fn at a rate until the context ends.
func atRate(ctx context.Context, perSecond int, fn func()) {
	start := time.Now()
	for sent := 0; ctx.Err() == nil; time.Sleep(time.Millisecond) {
		for due := int(time.Since(start).Seconds() * float64(perSecond)); sent < due; sent++ {
			fn()
		}
	}
}

// protected waits until the daemon knows that phones of these accounts live somewhere.
func (w *warden) protected(what ...string) {
	w.t.Helper()
	w.wait("the phones to be known", 10*time.Second, func() bool {
		out, err := w.tollwarden("allow", "list", "--socket", w.socket())
		for _, text := range what {
			if !strings.Contains(out, text) {
				return false
			}
		}
		return err == nil
	})
}

// Somebody guesses from an office's address, which cannot be banned for it, and at the
// same time packets are spoofed from there: few guesses are answered, the phones there
// notice nothing, and one that has just been switched on gets in.
func TestGuesserInAnOfficeIsThrottled(t *testing.T) {
	t.Parallel()
	onBothAtOnce(t, func(t *testing.T, l *lab.Lab) {
		office := addHost(t, l, "office", officeAddress)
		neighbour, callee := addPhone(t, office, "1001"), addPhone(t, addHost(t, l, "elsewhere", "198.51.100.20"), "1003")
		register(t, neighbour)
		register(t, callee)
		w := guardWith(t, l, shortRules(5))
		w.protected("registered contact of 1001")
		conn := listenUDP(t, office, officeAddress+":40000")
		answered := refusals(conn)
		f, spoofer := newForger(t, office), newForger(t, addHost(t, l, "spoofer", guesserAddress))

		ctx, cancel := context.WithTimeout(t.Context(), 8*time.Second)
		var attackers sync.WaitGroup
		defer func() { cancel(); attackers.Wait() }()
		attackers.Go(func() {
			from := netip.MustParseAddrPort(officeAddress + ":40000")
			atRate(ctx, 300, func() {
				_, _ = conn.WriteToUDPAddrPort([]byte(f.guess(from, "1002")), netip.MustParseAddrPort(lab.PBXAddress+":5060"))
			})
		})
		attackers.Go(func() {
			atRate(ctx, 300, func() {
				from := netip.AddrPortFrom(netip.MustParseAddr(officeAddress), uint16(1024+rand.IntN(30000)))
				spoofer.send(from, spoofer.guess(from, "1002"))
			})
		})
		w.wait("the office to be suspected", 5*time.Second, func() bool { return w.counter("guesses_withheld") > 0 })
		throttledAt := answered.Load()
		for range 3 {
			register(t, neighbour)
			call, err := neighbour.Call(soon(t), "1003")
			if err != nil {
				t.Fatalf("the neighbour cannot call: %v", err)
			}
			if err := call.Hangup(soon(t)); err != nil {
				t.Error(err)
			}
		}
		rebooted := addPhone(t, office, "1004")
		register(t, rebooted)
		call, err := rebooted.Call(soon(t), "1003")
		if err != nil {
			t.Fatalf("the phone that was switched on cannot call: %v", err)
		}
		time.Sleep(time.Second)
		if err := call.Hangup(soon(t)); err != nil {
			t.Error(err)
		}
		<-ctx.Done()
		attackers.Wait()
		t.Logf("%d answers, %d of them before it was throttled; %d guesses held back", answered.Load(), throttledAt, w.counter("guesses_withheld"))
		if n := answered.Load(); n > 5+20 {
			t.Errorf("the guesser got %d answers", n)
		}
		if got := w.bans(); got != "" {
			t.Errorf("bans: %s", got)
		}
		// The phone that was switched on is new to the daemon, at an address that guesses.
		list := w.incidents()
		if !slices.ContainsFunc(list, func(i incident.Incident) bool {
			return i.Threshold == "password guessing" && strings.Contains(i.Steps[0].Detail, "at most 10 guesses a minute")
		}) {
			t.Errorf("incidents: %+v", list)
		}
		throttled := func() bool {
			out, err := l.PBX.Command(t.Context(), "nft", "list", "set", "inet", "tollwarden_watch", "suspects4").Output()
			return err == nil && strings.Contains(string(out), officeAddress)
		}
		if out, err := w.tollwarden("bans", "--socket", w.socket()); err != nil || !strings.Contains(out, "throttled") || !throttled() {
			t.Errorf("bans: %v: %s", err, out)
		}
		if out, err := w.tollwarden("unban", officeAddress, "--socket", w.socket()); err != nil || throttled() {
			t.Errorf("unban: %v: %s; throttled %t", err, out, throttled())
		}
	})
}

// Over chan_sip nobody is ever confirmed, so a guesser who answers the challenges that it
// is sent is throttled, too.
func TestHonestGuesserInAnOfficeIsThrottled(t *testing.T) {
	t.Parallel()
	l := lab.New(t, lab.Options{Version: lab.Asterisk16})
	office := addHost(t, l, "office", officeAddress)
	neighbour := addPhone(t, office, "1001")
	register(t, neighbour)
	w := guardWith(t, l, shortRules(5))
	w.protected("registered contact of 1001")
	got, err := lab.Guesser{Host: office, Account: "1002", Rate: 300, Most: 1200, Ask: true}.Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d guesses, %d answers, %d held back", got.Sent, got.Answered, w.counter("guesses_withheld"))
	if got.Answered > 5+20 {
		t.Errorf("the guesser got %d answers", got.Answered)
	}
	register(t, neighbour)
	if bans := w.bans(); bans != "" {
		t.Errorf("bans: %s", bans)
	}
}

// Each guess comes from another address, which is spoofed, and asks for its response to
// be sent to the attacker. Those are not let out once that is noticed.
func TestMisdirectedResponsesAreHeldBack(t *testing.T) {
	t.Parallel()
	for _, method := range []string{"REGISTER", "INVITE"} {
		t.Run(method, func(t *testing.T) {
			t.Parallel()
			onBothAtOnce(t, func(t *testing.T, l *lab.Lab) {
				w := guardWith(t, l, shortRules(5))
				attacker := addHost(t, l, "attacker", guesserAddress)
				c := newCracker(t, attacker, 5070, method)
				c.via = fmt.Sprintf("%[1]s:5070;maddr=%[1]s", guesserAddress)
				c.newDialog = true
				answered := refusals(c.conn)
				f := newForger(t, attacker)
				const guesses = 2000
				for i := range guesses {
					from := netip.AddrPortFrom(netip.AddrFrom4([4]byte{198, 18, byte(i >> 8), byte(i)}), 5070)
					c.cseq++
					f.send(from, c.request(c.credentials(fmt.Sprint("wrong-", i), fmt.Sprintf("1700000000/%032x", i))))
					if i%10 == 9 {
						time.Sleep(10 * time.Millisecond)
					}
				}
				time.Sleep(time.Second)
				t.Logf("%d of %d responses reach the attacker, %d were held back", answered.Load(), guesses, w.counter("misdirected_withheld"))
				if n := answered.Load(); n > 50 {
					t.Errorf("%d responses reach the attacker", n)
				}
			})
		})
	}
}

// Whoever is sent the responses to another's guesses is not banned for that, and soon
// gets none of them.
func TestReceiverOfOthersRefusalsIsNotBanned(t *testing.T) {
	t.Parallel()
	for _, method := range []string{"REGISTER", "INVITE"} {
		t.Run(method, func(t *testing.T) {
			t.Parallel()
			onBothAtOnce(t, func(t *testing.T, l *lab.Lab) {
				const address = "198.51.100.44"
				register(t, addPhone(t, addHost(t, l, "office", officeAddress), "1001"))
				w := guardWith(t, l, shortRules(5))
				attacker, victim := addHost(t, l, "attacker", guesserAddress), addHost(t, l, "victim", address)
				got := refusals(listenUDP(t, victim, address+":5070"))
				w.protected("registered contact of 1001") // so the accounts are known, too
				c := newCracker(t, attacker, 5070, method)
				c.via, c.newDialog = fmt.Sprintf("%s:5070;maddr=%s", guesserAddress, address), true
				for i := range 60 {
					c.cseq++
					c.write(c.request(c.credentials(fmt.Sprint("wrong-", i), fmt.Sprintf("1700000000/%032x", i))))
					time.Sleep(10 * time.Millisecond)
				}
				time.Sleep(time.Second)
				if bans := w.bans(); strings.Contains(bans, address) {
					t.Errorf("bans: %s", bans)
				}
				if n := got.Load(); n > 5 {
					t.Errorf("%d of 60 responses reach the victim", n)
				}
			})
		})
	}
}
