package test

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/tollwarden/tollwarden/test/lab"
)

// withLog guards the lab with Asterisk's log as the second sensor.
func withLog(t *testing.T, l *lab.Lab, score int) *warden {
	t.Helper()
	return guardWith(t, l, "log = \""+l.Path("var/log/asterisk/messages")+"\"\n"+shortRules(score))
}

// noticed counts the guesses that Asterisk's log names a source for.
func noticed(t *testing.T, l *lab.Lab, source string) int {
	t.Helper()
	text, err := os.ReadFile(l.Path("var/log/asterisk/messages"))
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for line := range strings.SplitSeq(string(text), "\n") {
		if strings.Contains(line, "failed for '"+source+":") && strings.HasSuffix(line, "- Failed to authenticate") {
			n++
		}
	}
	return n
}

// A guesser whose Call-ID is not UTF-8 raises no event and no line of the
// security log. The log sensor sees it, in a log that was rotated since the
// daemon's start, and bans it within a second of the threshold; a busy machine
// has ten.
func TestBlindingGuesserIsStopped(t *testing.T) {
	t.Parallel()
	const threshold = 3
	l := lab.New(t, lab.Options{Version: lab.Asterisk22})
	w := withLog(t, l, threshold)
	messages := l.Path("var/log/asterisk/messages")
	if err := os.Rename(messages, messages+".1"); err != nil {
		t.Fatal(err)
	}
	if out, err := l.CLI(soon(t), "logger reload"); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	attacker := addHost(t, l, "attacker", guesserAddress)
	began := make(chan time.Time, 1)
	password := func(i int) string {
		if i == threshold-1 {
			began <- time.Now()
		}
		return "wrong"
	}
	go func() {
		g := lab.Guesser{Host: attacker, Account: "1002", Rate: 20, Most: 60, CallIDTail: "\xff\xfe", Password: password}
		if _, err := g.Run(t.Context()); err != nil {
			t.Error(err)
		}
	}()
	var crossed time.Time
	select {
	case crossed = <-began:
	case <-time.After(time.Minute):
		t.Fatal("no guess was made")
	}
	w.wait("the guesser in the kernel's set", 2*time.Second, func() bool { return w.dropped(guesserAddress + "/32") })
	took := time.Since(crossed)
	t.Logf("in the kernel's set %s after guess %d, %d guesses answered", took, threshold, noticed(t, l, guesserAddress))
	if took > 10*time.Second {
		t.Errorf("banned %s after the threshold, want ten seconds at most", took)
	}
	log, err := l.SecurityLog()
	if err != nil {
		t.Fatal(err)
	}
	if n := log.From(guesserPrefix).Guesses(); n != 0 {
		t.Errorf("the security log holds %d of the guesses: they were not hidden", n)
	}
	w.wait("a count of the events that Asterisk could not issue", 5*time.Second, func() bool { return w.counter("events_not_issued") > 0 })
}

// Both sensors see an ordinary guesser, and each guess counts once.
func TestEachGuessCountsOnceWithTwoSensors(t *testing.T) {
	t.Parallel()
	const threshold = 30
	onBothAtOnce(t, func(t *testing.T, l *lab.Lab) {
		w := withLog(t, l, threshold)
		attacker := addHost(t, l, "attacker", guesserAddress)
		g := lab.Guesser{Host: attacker, Account: "1002", Rate: 100, Most: 200, Ask: true}
		if _, err := g.Run(soon(t)); err != nil {
			t.Fatal(err)
		}
		w.stoppedAt(guesserPrefix, threshold)
		w.wait("as many events of the log", 5*time.Second, func() bool { return w.counter("log_events") >= threshold })
	})
}

// Forged log lines of a real Asterisk accuse nobody but their author, neither while
// the daemon reads them nor in a replay.
func TestForgedLogLines(t *testing.T) {
	t.Parallel()
	for name, g := range map[string]lab.Guesser{
		"an account that ends the line": {Account: "x%0d%0aRemoteAddress%3a%20IPV4/UDP/8.8.8.8/5", Rate: 50, Most: 30},
		"an account that begins one":    {Account: "%0a%5b1%5d%20NOTICE%5b1%5d%20manager.c%3a%208.8.8.8", Rate: 50, Most: 30, CallIDTail: " failed to authenticate as 'a'"},
		"a Call-ID with a source": {
			Account: "1002", Rate: 50, Most: 30, CallIDTail: "' failed for '8.8.8.8:5' (callid: x",
		},
		"a Call-ID with addresses": {
			Account: "1002", Rate: 50, Most: 30, CallIDTail: `",LocalAddress="IPV4/TCP/192.0.2.1/1",RemoteAddress="IPV4/TCP/8.8.8.8/1"`,
		},
		"a Call-ID with a source that blinds": {
			Account: "1002", Rate: 50, Most: 30, CallIDTail: "\xff' failed for '8.8.8.8:5' (callid: x",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := lab.New(t, lab.Options{Version: lab.Asterisk22})
			w := withLog(t, l, 3)
			g.Host = addHost(t, l, "attacker", guesserAddress)
			if _, err := g.Run(soon(t)); err != nil {
				t.Fatal(err)
			}
			w.wait("the forger in the kernel's set", 3*time.Second, func() bool { return w.dropped(guesserAddress + "/32") })
			for _, i := range w.incidents() {
				if i.Source.String() != guesserAddress {
					t.Errorf("incident of %s: %+v", i.Source, i)
				}
			}
			out, err := w.tollwarden("replay", "--observations", l.Path("var/log/asterisk/messages"), l.Path("var/log/asterisk/security"))
			if err != nil {
				t.Fatalf("%v: %s", err, out)
			}
			named := 0
			for line := range strings.SplitSeq(strings.TrimSpace(out), "\n") {
				if strings.Contains(line, `"source":"8.8.8.8"`) {
					t.Errorf("a forged source is accused: %s", line)
				}
				if strings.Contains(line, `"source":"`+guesserAddress+`"`) {
					named++
				}
			}
			if named < 3 {
				t.Errorf("the forger is named %d times:\n%s", named, out)
			}
		})
	}
}
