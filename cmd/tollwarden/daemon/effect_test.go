package daemon

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tollwarden/tollwarden/responder"
	"github.com/tollwarden/tollwarden/responder/bans"
	"github.com/tollwarden/tollwarden/responder/control"
	"github.com/tollwarden/tollwarden/responder/decide"
	"github.com/tollwarden/tollwarden/responder/incident"
	"github.com/tollwarden/tollwarden/responder/score"
)

var effectAt = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

// without is a ban without effect since the given second.
func without(address string, second int) bans.IneffectiveBan {
	at := effectAt.Add(time.Duration(second) * time.Second)
	return bans.IneffectiveBan{
		Ban:   incident.Ban{Prefix: netip.MustParsePrefix(address + "/32"), Since: at, Incident: 12},
		Since: at, Last: at, Failing: at, Answered: 14, Renewals: 2, Renewed: at,
	}
}

// checkCase is what a check says of what the engine knows.
type checkCase struct {
	check func(time.Time, responder.Senses) control.Check
	of    responder.Senses
	ok    bool
	want  []string // parts of its detail
}

func testChecks(t *testing.T, cases map[string]checkCase) {
	t.Helper()
	for name, tc := range cases {
		c := tc.check(effectAt, tc.of)
		for _, want := range tc.want {
			if c.OK != tc.ok || !strings.Contains(c.Detail, want) {
				t.Errorf("%s: %+v lacks %q", name, c, want)
			}
		}
	}
}

func TestEffectChecks(t *testing.T) {
	var many []bans.IneffectiveBan
	for i := range 7 {
		many = append(many, without(fmt.Sprintf("192.0.2.%d", i), i))
	}
	attack := decide.Attack{
		Key: score.Key{Per: score.PerSource, Prefix: netip.MustParsePrefix("198.51.100.7/32")}, Threshold: "password guessing",
		Since: effectAt, Last: effectAt.Add(time.Minute), Crossed: 17, Reason: "ban skipped: on the allow list", Advice: "remove it",
	}
	testChecks(t, map[string]checkCase{
		"no ban":  {checkEffect, responder.Senses{}, true, []string{"no blocked address gets through"}},
		"one ban": {checkEffect, responder.Senses{Ineffective: many[:1]}, false, []string{"the ban of 192.0.2.0 (incident 12) has had no effect since 2026-11-22T12:00:00Z: still answered 14 times after 2s", "firewall.sip_ports"}},
		"many":    {checkEffect, responder.Senses{Ineffective: many}, false, []string{"the ban of 192.0.2.4 ", "and 2 more: `tollwarden status --json` lists them"}},
		"quiet":   {checkAttacks, responder.Senses{}, true, []string{"no attack goes on"}},
		"attack": {checkAttacks, responder.Senses{Unstopped: []decide.Attack{attack}}, false, []string{
			"password guessing by address 198.51.100.7 has gone on since 2026-11-22T12:00:00Z (crossed 17 times, last at 12:01:00 UTC): ban skipped: on the allow list. What to do: remove it",
		}},
	})
}

// One alarm for each ban, and at most one in ten minutes.
func TestEffectAlarms(t *testing.T) {
	var got []string
	e := &effectAlarms{alarm: func(a alarm) { got = append(got, a.Event+": "+a.Text) }}
	one, two := without("192.0.2.1", 0), without("192.0.2.2", 1)
	for _, step := range []struct {
		minute int
		list   []bans.IneffectiveBan
		want   string
	}{
		{0, nil, ""},
		{1, []bans.IneffectiveBan{one}, "ineffective: 1 ban without effect"},
		{2, []bans.IneffectiveBan{one, two}, ""},
		{11, []bans.IneffectiveBan{one, two}, "ineffective: 1 ban without effect"},
		{22, []bans.IneffectiveBan{one, two}, ""},
		{23, nil, ""},
		{40, []bans.IneffectiveBan{one}, ""},
	} {
		got = nil
		e.look(effectAt.Add(time.Duration(step.minute)*time.Minute), step.list)
		if text := strings.Join(got, "; "); !strings.HasPrefix(text, step.want) || step.want == "" && text != "" {
			t.Errorf("minute %d: %q, want %q", step.minute, text, step.want)
		}
	}
}

// A check with alarms of its own raises no other.
func TestEffectRaisesNoSecondAlarm(t *testing.T) {
	var s healthState
	for second := range 60 {
		checks := []control.Check{{Name: checkEffectName}, {Name: "events", OK: second < 30}}
		c := s.update(effectAt.Add(time.Duration(second)*time.Second), checks)
		if raised := c.alarm != nil; raised != (second == 40) {
			t.Errorf("second %d: %+v", second, c.alarm)
		}
		if c.alarm != nil && len(c.alarm.Checks) != 1 {
			t.Errorf("%+v", c.alarm)
		}
	}
}

// A guesser that Asterisk goes on reporting in spite of its ban is named by status,
// which is degraded until the ban is released. So is one that may not be banned.
func TestStatusNamesWhatIsNotStopped(t *testing.T) {
	t.Parallel() // it mostly waits
	var alarms atomic.Int32
	receiver := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if body, err := io.ReadAll(r.Body); err == nil && bytes.Contains(body, []byte(`"event":"ineffective"`)) && bytes.Contains(body, []byte("the ban of 192.0.2.66 ")) {
			alarms.Add(1)
		}
	}))
	defer receiver.Close()
	s := newSite(t, fmt.Sprintf("[firewall]\nallow = [\"203.0.113.5\"]\n[notify]\nwebhook = %q\n", receiver.URL))
	s.start()
	s.listening()
	const guesser = "192.0.2.66"
	for range 3 {
		s.guess("1002", guesser)
	}
	s.wait("the ban", func() bool { return s.dropped(guesser) })
	if c := s.check("effect"); !c.OK {
		t.Errorf("%+v", c)
	}
	s.wait("a ban without effect", func() bool {
		time.Sleep(100 * time.Millisecond)
		s.guess("1002", guesser)
		return !s.check("effect").OK
	})
	s.wait("the alarm", func() bool { return alarms.Load() == 1 })
	st := s.status()
	if st.Health != control.Degraded || len(st.Ineffective) != 1 || st.Ineffective[0].Ban.Prefix.String() != guesser+"/32" || st.Ineffective[0].Heard == 0 || st.Counters["bans_ineffective"] != 1 {
		t.Errorf("%s %+v", st.Health, st.Ineffective)
	}
	s.wait("the incident to say so", func() bool {
		i, err := s.api.Incident(t.Context(), 1)
		return err == nil && i.Steps[0].State == incident.Failed && strings.HasPrefix(i.Steps[0].Detail, "without effect: until ")
	})
	if _, err := s.api.Unban(t.Context(), control.UnbanOrder{Prefix: netip.MustParsePrefix(guesser + "/32")}); err != nil {
		t.Fatal(err)
	}
	if c := s.check("effect"); !c.OK {
		t.Errorf("after the release: %+v", c)
	}
	for range 9 {
		s.guess("1002", "203.0.113.5")
	}
	s.wait("an attack that goes on", func() bool { return !s.check("attacks").OK })
	st = s.status()
	if st.Health != control.Degraded || len(st.Unstopped) != 1 || st.Unstopped[0].Reason != "ban skipped: on the allow list" || st.Counters["attacks_unstopped"] != 1 {
		t.Errorf("%s %+v", st.Health, st.Unstopped)
	}
}
