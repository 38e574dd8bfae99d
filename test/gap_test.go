package test

import (
	"context"
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/tollwarden/tollwarden/responder/ledger"
	"github.com/tollwarden/tollwarden/test/lab"
)

// Whoever guesses while the event session is lost is dropped all the same, and
// whoever guesses while there is no daemon is dropped as soon as there is one:
// Asterisk's log was read for the time. Both times are recorded as gaps.
func TestMissedTimeIsReadFromTheLog(t *testing.T) {
	t.Parallel()
	l := lab.New(t, lab.Options{Version: lab.Asterisk22})
	w := &warden{t: t, lab: l, dir: t.TempDir()}
	settings := "[bans]\nspoofable = \"1h\"\n" + health + shortRules(3)
	messages := fmt.Sprintf("log = %q\n", l.Path("/var/log/asterisk/messages"))
	w.configure(messages + settings)
	w.start()
	t.Cleanup(func() {
		w.stop(syscall.SIGTERM)
		if t.Failed() {
			t.Logf("the daemon's log:\n%s", w.log)
		}
	})
	guess := func(name, address string, n int) {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		if g, err := (lab.Guesser{Host: addHost(t, l, name, address), Account: "1002", Rate: 50, Most: n, Ask: true}).Run(ctx); err != nil || g.Answered < n {
			t.Fatalf("%d guesses, answered %d: %v", n, g.Answered, err)
		}
	}
	dropped := func(address string, within time.Duration) {
		t.Helper()
		took := w.wait(address+" to be dropped", within, func() bool { return w.dropped(address + "/32") })
		t.Logf("%s is dropped, seen after %s", address, took.Round(time.Millisecond))
	}

	// Nobody lets the daemon speak to Asterisk, which answers guesses as ever.
	nft(t, l, "add table inet deaf; add chain inet deaf out { type filter hook output priority 0; policy accept; }; add rule inet deaf out tcp dport 5038 reject with tcp reset")
	if out, err := l.PBX.Command(t.Context(), "ss", "-K", "dport", "=", "5038").CombinedOutput(); err != nil {
		t.Fatalf("ss -K: %v: %s", err, out)
	}
	w.wait("the loss of the session", 20*time.Second, func() bool { return !w.check("events").OK })
	guess("deaf", "203.0.113.1", 3)
	dropped("203.0.113.1", 2*time.Second)
	if w.check("events").OK {
		t.Error("there was a session meanwhile")
	}
	nft(t, l, "delete table inet deaf")
	w.wait("the session", 20*time.Second, func() bool { return w.check("events").OK })

	// Nobody is there at all, and the log is rotated meanwhile.
	guess("slow", "203.0.113.3", 1)
	time.Sleep(300 * time.Millisecond) // the log is read
	w.stop(syscall.SIGKILL)
	guess("unseen", "203.0.113.2", 4)
	guess("slow2", "203.0.113.4", 2)
	if err := os.Rename(l.Path("/var/log/asterisk/messages"), l.Path("/var/log/asterisk/messages.1")); err != nil {
		t.Fatal(err)
	}
	if _, err := l.CLI(t.Context(), "logger reload"); err != nil {
		t.Fatal(err)
	}
	guess("unseen2", "203.0.113.5", 4)
	w.start()
	dropped("203.0.113.2", 2*time.Second)
	dropped("203.0.113.5", 2*time.Second)
	for _, innocent := range []string{"203.0.113.3", "203.0.113.4"} {
		if w.dropped(innocent + "/32") {
			t.Errorf("%s is dropped for less than a threshold", innocent)
		}
	}
	s, err := w.client().Status(t.Context())
	if err != nil || s.Asterisk.Gaps != 1 || s.Asterisk.LastGap == nil || !s.Asterisk.LastGap.InLog {
		t.Errorf("status after the restart: %+v, %v", s.Asterisk, err)
	}
	w.stop(syscall.SIGTERM)
	books, err := ledger.Open(w.dir+"/data/ledger.db", ledger.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer books.Close()
	actions, err := books.Actions(t.Context(), time.Time{}, 0)
	if err != nil {
		t.Fatal(err)
	}
	gaps := 0
	for _, a := range actions {
		if a.Action == "gap" && strings.Contains(a.Detail, "log is read") {
			gaps++
			t.Log(a.Detail)
		}
	}
	if gaps != 2 {
		t.Errorf("%d gaps are in the ledger, want 2: %+v", gaps, actions)
	}
}

func nft(t *testing.T, l *lab.Lab, command string) {
	t.Helper()
	if out, err := l.PBX.Command(t.Context(), "nft", command).CombinedOutput(); err != nil {
		t.Fatalf("nft %s: %v: %s", command, err, out)
	}
}
