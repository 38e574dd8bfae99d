package judge_test

import (
	"strings"
	"testing"
	"time"

	"github.com/tollwarden/tollwarden/responder/incident"
)

// messages are the incidents that inform a person, and how often.
func (s *site) messages() (list []string) {
	for _, i := range s.incidents {
		for _, step := range i.Steps {
			if step.Step == incident.StepNotify {
				list = append(list, i.Threshold+" "+string(step.State))
			}
		}
	}
	return list
}

// Whoever owns an office hears of it once when its address is closed to what is new there,
// though the playbook for guesses sends no message: not each time that it is closed for
// longer, and again after a day. Where nobody lives, and of a phone with an old password,
// nobody hears anything.
func TestOwnerHearsOfAClosedOffice(t *testing.T) {
	attack := func(t *testing.T, s *site, transport string, hours int) {
		for n := range hours * 6 { // four connections every ten minutes
			at := noon.Add(time.Duration(n) * 10 * time.Minute)
			s.challenged(at, office)
			for port := range 4 {
				s.hear(t, at, over(transport, guesses(10000+(4*n+port)%50000, "1001", "1002", "1003")))
			}
			s.Prune(at)
		}
	}
	stale := func(t *testing.T, s *site, transport string, hours int) {
		for n := range hours * 180 {
			at := noon.Add(time.Duration(n) * 20 * time.Second)
			s.hear(t, at, over(transport, guesses(1024+n, "1001")))
			s.Prune(at)
		}
	}
	for name, tc := range map[string]struct {
		site      func() *site
		attack    func(t *testing.T, s *site, transport string, hours int)
		transport string
		hours     int
		want      string
		closed    string
	}{
		"an hour over WebSocket": {
			func() *site { return sharing(t, accounts(4)...) }, attack, "WSS", 1, "password guessing intended",
			"198.51.100.10 is closed to new connections over TCP, TLS and WebSocket until 2026-11-22 13:10:00 UTC, 2 phones keep theirs: find what guesses there; `tollwarden unban 198.51.100.10` opens it",
		},
		"twenty hours": {func() *site { return sharing(t, accounts(4)...) }, attack, "TCP", 20, "password guessing intended", "198.51.100.10 is closed"},
		"thirty hours": {func() *site { return sharing(t, accounts(4)...) }, attack, "TCP", 30, "password guessing intended, password guessing intended", "198.51.100.10 is closed"},
		"no receiver is configured": {func() *site {
			p := guessing(3)
			p.NoReceiver = true
			s := newSite(t, p)
			s.registered(noon, accounts(4)...)
			return s
		}, attack, "TCP", 1, "password guessing skipped", "198.51.100.10 is closed"},
		"over UDP, where nothing is throttled": {
			func() *site { return newSite(t, guessing(3)) }, attack, "UDP", 1, "password guessing intended", "198.51.100.10 is closed to new phones over UDP until",
		},
		"over UDP, where guesses are throttled": {func() *site { return sharing(t, accounts(4)...) }, attack, "UDP", 1, "", ""},
		"a phone with an old password":          {func() *site { return sharing(t, accounts(4)...) }, stale, "TCP", 3, "", ""},
		"where nobody lives":                    {func() *site { return sharing(t) }, attack, "TCP", 1, "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			s := tc.site()
			if !strings.Contains(name, "nobody lives") {
				s.registered(noon, accounts(2)...)
			}
			s.challenged(noon, office)
			tc.attack(t, s, tc.transport, tc.hours)
			if got := strings.Join(s.messages(), ", "); got != tc.want {
				t.Errorf("messages %q, want %q", got, tc.want)
			}
			closed := ""
			for _, b := range s.Partial.List(noon.Add(time.Duration(tc.hours)*time.Hour - 9*time.Minute)) {
				closed += b.ClosedWords()
			}
			if !strings.HasPrefix(closed, tc.closed) || tc.closed == "" && closed != "" {
				t.Errorf("%q, want %q", closed, tc.closed)
			}
		})
	}
}
