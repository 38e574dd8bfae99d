package test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/tollwarden/tollwarden/test/lab"
)

// briefly makes the bans of what can be forged short, so that a test sees what
// comes after one.
const briefly = "[bans]\nclaimed = \"2s\"\n"

// bans are those in force with their scopes.
func (w *warden) bans() string {
	w.t.Helper()
	list, err := w.client().Bans(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	words := make([]string, len(list))
	for i, b := range list {
		words[i] = fmt.Sprintf("%s %s #%d", b.Prefix, b.Scope, b.Offence)
	}
	return strings.Join(words, ", ")
}

// A guesser over UDP is stopped at once for what it claims to be; by going on
// it proves to be what it is, and gets the ladder.
func TestGuesserProvesItself(t *testing.T) {
	onBoth(t, func(t *testing.T, l *lab.Lab) {
		w := guardWith(t, l, briefly+shortRules(3))
		attacker := addHost(t, l, "attacker", guesserAddress)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() {
			defer close(done)
			for ctx.Err() == nil { // a guesser gives up when nothing answers: again, then
				_, _ = lab.Guesser{Host: attacker, Account: "1002", Rate: 20, Most: 1000, Ask: true}.Run(ctx)
			}
		}()
		first := w.wait("the first ban", 5*time.Second, func() bool { return w.dropped(guesserAddress + "/32") })
		full := w.wait("the whole ban", 30*time.Second, func() bool {
			return strings.Contains(w.bans(), guesserAddress+"/32 all #1")
		})
		cancel()
		<-done
		log, err := l.SecurityLog()
		if err != nil {
			t.Fatal(err)
		}
		answered := log.From(guesserPrefix).Guesses()
		if answered > 20 {
			t.Errorf("Asterisk answered %d guesses", answered)
		}
		s, err := w.client().Status(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if s.Counters["challenges_seen"] == 0 {
			t.Error("no challenge was seen")
		}
		for _, c := range s.Checks {
			if c.Name == "proof" && (!c.OK || !strings.Contains(c.Detail, "are seen")) {
				t.Errorf("status says %+v", c)
			}
		}
		t.Logf("banned after %s, with proof after %s; %d guesses answered, %d challenges seen", first, full, answered, s.Counters["challenges_seen"])
	})
}
