package lab_test

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/tollwarden/tollwarden/test/lab"
)

// onBothAtOnce runs a test against each version of Asterisk, in a lab of its own, beside all
// other tests that are parallel: most of a test in a lab is waiting.
func onBothAtOnce(t *testing.T, test func(t *testing.T, l *lab.Lab)) {
	for _, v := range lab.Versions() {
		t.Run("Asterisk"+string(v), func(t *testing.T) {
			t.Parallel() // before there is a lab, which would wait for its turn
			test(t, lab.New(t, lab.Options{Version: v}))
		})
	}
}

// onBoth is onBothAtOnce for a test that has the machine to itself, since it measures how
// much that can do or looks for what this process leaves behind.
func onBoth(t *testing.T, test func(t *testing.T, l *lab.Lab)) {
	for _, v := range lab.Versions() {
		t.Run("Asterisk"+string(v), func(t *testing.T) { test(t, lab.New(t, lab.Options{Version: v})) })
	}
}

// accounts are those that every lab has.
var accounts = []string{"1001", "1002", "1003", "1004", "1005"}

func host(t *testing.T, l *lab.Lab, name string, addresses ...string) *lab.Host {
	t.Helper()
	h, err := l.Host(name, addresses...)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func phone(t *testing.T, h *lab.Host, account, password string, o lab.PhoneOptions) *lab.Phone {
	t.Helper()
	p, err := h.Phone(account, password, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Close() })
	return p
}

// registered is a phone that has registered.
func registered(t *testing.T, h *lab.Host, account string, o lab.PhoneOptions) *lab.Phone {
	t.Helper()
	p := phone(t, h, account, "", o)
	if err := p.Register(soon(t)); err != nil {
		t.Fatal(err)
	}
	return p
}

// soon is time enough for anything the PBX does at once.
func soon(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	t.Cleanup(cancel)
	return ctx
}

func securityLog(t *testing.T, l *lab.Lab) lab.SecurityLog {
	t.Helper()
	log, err := l.SecurityLog()
	if err != nil {
		t.Fatal(err)
	}
	return log
}

func alive(t *testing.T, c *lab.Call) bool {
	t.Helper()
	yes, err := c.Alive(soon(t))
	if err != nil {
		t.Fatal(err)
	}
	return yes
}

func TestStartsInTime(t *testing.T) {
	t.Parallel()
	for _, v := range lab.Versions() {
		t.Run("Asterisk"+string(v), func(t *testing.T) {
			t.Parallel()
			lab.New(t, lab.Options{Version: v}).Close() // the root is there from here on
			begun := time.Now()
			l := lab.New(t, lab.Options{Version: v})
			took := time.Since(begun)
			t.Logf("started in %s", took.Round(time.Millisecond))
			if took > 30*time.Second {
				t.Errorf("a lab took %s to start", took)
			}
			said, err := l.CLI(t.Context(), "core show version")
			if err != nil || !strings.HasPrefix(said, "Asterisk "+string(v)+".") {
				t.Errorf("version: %q, %v", said, err)
			}
		})
	}
}

func TestEveryAccountRegisters(t *testing.T) {
	t.Parallel()
	onBothAtOnce(t, func(t *testing.T, l *lab.Lab) {
		office := host(t, l, "office", "198.51.100.10", "2001:db8:10::10")
		for _, account := range accounts {
			registered(t, office, account, lab.PhoneOptions{})
		}
		registered(t, office, "1001", lab.PhoneOptions{Transport: "tcp"})
		registered(t, office, "1001", lab.PhoneOptions{From: office.Addresses()[1]})
		registered(t, office, "1001", lab.PhoneOptions{From: office.Addresses()[1], Transport: "tcp"})
	})
}

func TestWrongPasswordIsLogged(t *testing.T) {
	t.Parallel()
	onBothAtOnce(t, func(t *testing.T, l *lab.Lab) {
		thief := host(t, l, "thief", "203.0.113.66")
		for _, account := range accounts {
			var refused *lab.StatusError
			err := phone(t, thief, account, "wrong", lab.PhoneOptions{}).Register(soon(t))
			if !errors.As(err, &refused) || (refused.Code != 401 && refused.Code != 403) {
				t.Errorf("a wrong password for %s: %v", account, err)
			}
		}
		log := securityLog(t, l).From(thief.Range())
		for _, account := range accounts {
			if got := log.Against(account).Guesses(); got != 1 {
				t.Errorf("%d guesses against %s are in the security log, want 1", got, account)
			}
		}
	})
}

func TestCallsAreKnownToLive(t *testing.T) {
	t.Parallel()
	onBothAtOnce(t, func(t *testing.T, l *lab.Lab) {
		office := host(t, l, "office", "198.51.100.10", "198.51.100.11")
		anna := registered(t, office, "1001", lab.PhoneOptions{})
		otto := registered(t, office, "1003", lab.PhoneOptions{From: office.Addresses()[1]})

		call, err := anna.Call(soon(t), "1003")
		if err != nil {
			t.Fatal(err)
		}
		answered := <-otto.Incoming()
		if !alive(t, call) || !alive(t, answered) {
			t.Error("a call that was just answered is not alive at both ends")
		}
		if err := answered.Hangup(soon(t)); err != nil {
			t.Fatal(err)
		}
		awaitEnd(t, call)
		if alive(t, call) {
			t.Error("a call is alive after the other side has hung up")
		}

		outside, err := anna.Call(soon(t), "0011442079460001")
		if err != nil {
			t.Fatal(err)
		}
		if !alive(t, outside) {
			t.Error("an outgoing call is not alive")
		}
		if _, err := l.CLI(soon(t), "channel request hangup all"); err != nil {
			t.Fatal(err)
		}
		awaitEnd(t, outside)
	})
}

func awaitEnd(t *testing.T, c *lab.Call) {
	t.Helper()
	select {
	case <-c.Ended():
	case <-soon(t).Done():
		t.Error("the call did not end")
	}
}

// A call whose end the phone has missed is found out by asking.
func TestForgottenCallIsDead(t *testing.T) {
	t.Parallel()
	onBothAtOnce(t, func(t *testing.T, l *lab.Lab) {
		office := host(t, l, "office", "198.51.100.10")
		call, err := registered(t, office, "1001", lab.PhoneOptions{}).Call(soon(t), "0011442079460001")
		if err != nil {
			t.Fatal(err)
		}
		if err := l.Kill(); err != nil {
			t.Fatal(err)
		}
		if err := l.Run(t.Context()); err != nil {
			t.Fatal(err)
		}
		if alive(t, call) {
			t.Error("a call is alive that the PBX forgot in a crash")
		}
	})
}

func TestRestartKeepsRegistrations(t *testing.T) {
	t.Parallel()
	onBothAtOnce(t, func(t *testing.T, l *lab.Lab) {
		office := host(t, l, "office", "198.51.100.10")
		registered(t, office, "1001", lab.PhoneOptions{})
		if err := l.Restart(t.Context()); err != nil {
			t.Fatal(err)
		}
		show := map[lab.Version]string{lab.Asterisk22: "pjsip show contacts", lab.Asterisk16: "sip show peers"}[l.Version]
		said, err := l.CLI(soon(t), show)
		if err != nil || !strings.Contains(said, "198.51.100.10") {
			t.Errorf("after a restart %s says %q, %v", show, said, err)
		}
	})
}

func TestOptionsChangeConfiguration(t *testing.T) {
	t.Parallel()
	l := lab.New(t, lab.Options{
		Files:  map[string]string{"extra.conf": "exten => 777,1,Answer()\n same => n,Wait(600)\n"},
		Append: map[string]string{"extensions.conf": "[internal](+)\n#include extra.conf\n"},
	})
	office := host(t, l, "office", "198.51.100.10")
	if _, err := registered(t, office, "1001", lab.PhoneOptions{}).Call(soon(t), "777"); err != nil {
		t.Error(err)
	}
}

func TestRealtimeAccount(t *testing.T) {
	t.Parallel()
	l := lab.New(t, lab.Options{Realtime: true})
	office := host(t, l, "office", "198.51.100.10")
	p := registered(t, office, lab.RealtimeAccount, lab.PhoneOptions{})
	registered(t, office, "1001", lab.PhoneOptions{})
	said, err := l.CLI(soon(t), "realtime update ps_auths id 1101 password another")
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Register(soon(t)); err == nil {
		t.Errorf("the old password works after: %s", said)
	}
	p.SetPassword("another")
	if err := p.Register(soon(t)); err != nil {
		t.Errorf("the new password: %v", err)
	}
}

func TestGuesserFindsThePassword(t *testing.T) {
	t.Parallel()
	onBothAtOnce(t, func(t *testing.T, l *lab.Lab) {
		thief := host(t, l, "thief", "203.0.113.66")
		words := []string{"1002", "123456", "letmein", lab.Passwords["1002"], "too late"}
		got, err := lab.Guesser{
			Host: thief, Account: "1002", Rate: 10, Most: len(words), Ask: l.Version == lab.Asterisk16,
			Password: func(i int) string { return words[i] },
		}.Run(soon(t))
		if err != nil || got.Found != lab.Passwords["1002"] {
			t.Errorf("guessed %+v, %v", got, err)
		}
	})
}

func TestGuesserReachesItsRate(t *testing.T) {
	onBoth(t, func(t *testing.T, l *lab.Lab) {
		const rate, most = 2000, 6000
		thief := host(t, l, "thief", "203.0.113.66")
		got, err := lab.Guesser{
			Host: thief, Account: "1002", Rate: rate, Most: most, Ask: l.Version == lab.Asterisk16,
		}.Run(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		logged := securityLog(t, l).From(thief.Range()).Guesses()
		t.Logf("%d guesses sent in %s, %d answered, %d in the security log: %.0f/s", got.Sent,
			got.Elapsed.Round(time.Millisecond), got.Answered, logged, float64(got.Sent)/got.Elapsed.Seconds())
		if perSecond := float64(got.Sent) / got.Elapsed.Seconds(); perSecond < rate/4 {
			t.Errorf("%.0f guesses a second, want about %d", perSecond, rate)
		}
		if logged < most/4 || got.Answered < most/4 {
			t.Errorf("of %d guesses %d were answered and %d logged", most, got.Answered, logged)
		}
	})
}

func TestGuesserRoves(t *testing.T) {
	t.Parallel()
	for name, network := range map[string]string{"IPv6": "2001:db8:66::/64", "IPv4": "203.0.113.0/26"} {
		onBothAtOnce(t, func(t *testing.T, l *lab.Lab) {
			const most = 200
			thief := host(t, l, "thief", network)
			got, err := lab.Guesser{Host: thief, Account: "1002", Rate: 400, Most: most, Rove: true}.Run(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			log := securityLog(t, l).From(thief.Range())
			sources := map[string]bool{}
			for _, e := range log {
				sources[e.Source.Addr().String()] = true
			}
			t.Logf("%s: %d guesses, %d answered, %d logged from %d addresses", name, got.Sent, got.Answered, log.Guesses(), len(sources))
			if log.Guesses() < most/2 || len(sources) < 30 {
				t.Errorf("%d guesses logged from %d addresses, want about %d from many", log.Guesses(), len(sources), most)
			}
		})
	}
}

func TestSvcrack(t *testing.T) {
	t.Parallel()
	onBothAtOnce(t, func(t *testing.T, l *lab.Lab) {
		thief := host(t, l, "thief", "203.0.113.66")
		said, err := l.Svcrack(t.Context(), thief, "1002", "1002", "123456", lab.Passwords["1002"])
		if err != nil || !strings.Contains(said, lab.Passwords["1002"]) {
			t.Errorf("svcrack found no password: %v\n%s", err, said)
		}
		if got := securityLog(t, l).From(thief.Range()).Against("1002").Guesses(); got < 2 {
			t.Errorf("%d guesses of svcrack are in the security log, want 2", got)
		}
	})
}

func TestScannerTriesEveryName(t *testing.T) {
	t.Parallel()
	onBothAtOnce(t, func(t *testing.T, l *lab.Lab) {
		names := numbers(900, 1010) // with the accounts among them
		scan, err := lab.Scanner{Host: host(t, l, "scout", "203.0.113.77"), Names: names, Rate: 200}.Run(soon(t))
		if err != nil {
			t.Fatal(err)
		}
		if scan.Sent != len(names) || scan.Status[401] != len(names) {
			t.Errorf("of %d names %d were sent, answered %v; want 401 for each", len(names), scan.Sent, scan.Status)
		}
	})
}

func TestSvwar(t *testing.T) {
	t.Parallel()
	onBothAtOnce(t, func(t *testing.T, l *lab.Lab) {
		scout := host(t, l, "scout", "203.0.113.77")
		if said, err := l.Svwar(t.Context(), scout, "REGISTER", numbers(900, 1010)...); err != nil {
			t.Errorf("svwar: %v\n%s", err, said)
		}
		log := securityLog(t, l).From(scout.Range())
		raised := map[lab.Version]string{lab.Asterisk22: "InvalidAccountID", lab.Asterisk16: "ChallengeSent"}[l.Version]
		t.Logf("svwar raised %d of %s", log.Count(raised), raised)
		if log.Count(raised) < 2 {
			t.Errorf("svwar raised only %v", log)
		}
	})
}

func TestSvwarFindsNames(t *testing.T) {
	t.Parallel()
	l := lab.New(t, lab.Options{
		Version: lab.Asterisk16,
		Append:  map[string]string{"sip.conf": "[general](+)\nalwaysauthreject = no\n"},
	})
	scout := host(t, l, "scout", "203.0.113.77")
	said, err := l.Svwar(t.Context(), scout, "REGISTER", numbers(990, 1010)...)
	if err != nil || !strings.Contains(said, "1003") {
		t.Errorf("svwar found no 1003: %v\n%s", err, said)
	}
	if got := securityLog(t, l).From(scout.Range()).Count("InvalidAccountID"); got < 10 {
		t.Errorf("svwar raised %d of InvalidAccountID", got)
	}
}

func numbers(from, to int) []string {
	var names []string
	for i := from; i <= to; i++ {
		names = append(names, strconv.Itoa(i))
	}
	return names
}

func TestSipp(t *testing.T) {
	t.Parallel()
	onBothAtOnce(t, func(t *testing.T, l *lab.Lab) {
		thief := host(t, l, "thief", "203.0.113.66")
		const most = 5
		if said, err := l.Sipp(soon(t), thief, anonymousCall, "-m", strconv.Itoa(most), "-r", "50"); err != nil {
			t.Fatalf("%v\n%s", err, said)
		}
		if got := len(securityLog(t, l).From(thief.Range())); got < most {
			t.Errorf("%d anonymous calls raised %d events", most, got)
		}
	})
}

// anonymousCall calls without a login and is refused.
const anonymousCall = `<?xml version="1.0" encoding="UTF-8" ?>
<scenario name="anonymous call">
  <send><![CDATA[
INVITE sip:0011442079460001@[remote_ip]:[remote_port] SIP/2.0
Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]
Max-Forwards: 70
From: <sip:666@[local_ip]>;tag=[call_number]
To: <sip:0011442079460001@[remote_ip]>
Call-ID: [call_id]
CSeq: 1 INVITE
Contact: <sip:666@[local_ip]:[local_port]>
Content-Length: 0

]]></send>
  <recv response="100" optional="true"/>
  <recv response="401" auth="true"/>
  <send><![CDATA[
ACK sip:0011442079460001@[remote_ip]:[remote_port] SIP/2.0
[last_Via:]
Max-Forwards: 70
From: <sip:666@[local_ip]>;tag=[call_number]
[last_To:]
Call-ID: [call_id]
CSeq: 1 ACK
Content-Length: 0

]]></send>
</scenario>
`

func TestCloseLeavesNothing(t *testing.T) {
	onBoth(t, func(t *testing.T, l *lab.Lab) {
		office := host(t, l, "office", "198.51.100.10")
		sleeper := office.Command(context.Background(), "sleep", "600")
		if err := sleeper.Start(); err != nil {
			t.Fatal(err)
		}
		ended := make(chan error)
		go func() { ended <- sleeper.Wait() }()
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		select {
		case <-ended:
		case <-soon(t).Done():
			t.Error("after Close a program still runs at a host")
		}
		if left := lab.LeftBy(t, os.Getpid()); len(left) > 0 {
			t.Errorf("after Close there are still %v", left)
		}
		if err := l.Close(); err != nil {
			t.Errorf("a second Close: %v", err)
		}
	})
}

func TestFailedStartLeavesNothing(t *testing.T) {
	lab.New(t, lab.Options{}).Close() // skips where there is no lab, and builds the root
	_, err := lab.Start(t.Context(), lab.Options{
		Files: map[string]string{"modules.conf": "[modules]\nautoload = no\nrequire = none.so\n"},
	})
	if err == nil {
		t.Fatal("an Asterisk without a required module started")
	}
	t.Log(err)
	if left := lab.LeftBy(t, os.Getpid()); len(left) > 0 {
		t.Errorf("a failed start left %v", left)
	}
}

// A lab whose process was killed is taken away by the next one; that of a living process is not.
func TestSweep(t *testing.T) {
	const abandon = "LAB_TEST_ABANDON"
	if os.Getenv(abandon) != "" {
		if _, err := lab.Start(t.Context(), lab.Options{}); err != nil {
			t.Fatal(err)
		}
		os.Exit(0) // and no Close
	}
	living := lab.New(t, lab.Options{})
	other := exec.Command(os.Args[0], "-test.run=^TestSweep$")
	other.Env = append(os.Environ(), abandon+"=1")
	if out, err := other.CombinedOutput(); err != nil {
		t.Fatalf("the process to abandon a lab: %v\n%s", err, out)
	}
	pid := other.Process.Pid
	if len(lab.LeftBy(t, pid)) == 0 {
		t.Fatal("the other process left nothing to sweep")
	}
	if err := lab.Sweep(); err != nil {
		t.Fatal(err)
	}
	if left := lab.LeftBy(t, pid); len(left) > 0 {
		t.Errorf("after the sweep there are still %v", left)
	}
	if _, err := living.CLI(soon(t), "core show uptime"); err != nil {
		t.Errorf("the living lab was swept too: %v", err)
	}
}
