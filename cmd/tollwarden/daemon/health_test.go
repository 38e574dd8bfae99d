package daemon

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"

	"github.com/tollwarden/tollwarden/config"
	"github.com/tollwarden/tollwarden/responder/control"
	"github.com/tollwarden/tollwarden/responder/ledger"
)

// systemd's watchdog is fed unless a restart could help.
func TestWatchdogIsFed(t *testing.T) {
	unsent := fmt.Errorf("the test event could not be sent: %w", errors.New("connection refused"))
	for name, tt := range map[string]struct {
		kernel, events bool
		canary         error
		fed            bool
	}{
		"all is well":               {true, true, nil, true},
		"the table does not drop":   {false, true, nil, false},
		"no canary comes through":   {true, true, unsent, false},
		"Asterisk is not there":     {true, false, unsent, true},
		"the session is deaf":       {true, true, errDeaf, false},
		"a deaf session was closed": {true, false, errDeaf, false},
	} {
		checks := []control.Check{{Name: "kernel", OK: tt.kernel}, {Name: "events", OK: tt.events}, {Name: "canary", OK: tt.canary == nil}}
		if fed := feedWatchdog(checks, tt.canary); fed != tt.fed {
			t.Errorf("%s: fed %v, want %v", name, fed, tt.fed)
		}
	}
}

// Every change of the failing checks is logged; an alarm is raised for what lasts,
// and one when it is over.
func TestHealthState(t *testing.T) {
	var s healthState
	start := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	for _, tt := range []struct {
		second int
		fails  string // checks that fail
		want   string
	}{
		{0, "", ""},
		{1, "events", "logged events"},
		{2, "events", ""},
		{3, "", "recovered after 2s"},
		{4, "events", "logged events"},
		{8, "events canary", "logged events canary"},
		{14, "canary", "logged canary; degraded"},
		{15, "canary", ""},
		{60, "canary", ""},
		{64, "", "recovered after 1m0s; healthy"},
		{65, "", ""},
		{66, "ledger", "logged ledger"},
	} {
		var checks []control.Check
		for _, name := range []string{"events", "canary", "ledger"} {
			checks = append(checks, control.Check{Name: name, OK: !slices.Contains(strings.Fields(tt.fails), name)})
		}
		c := s.update(start.Add(time.Duration(tt.second)*time.Second), checks)
		var got []string
		if len(c.failing) > 0 {
			words := "logged"
			for _, check := range c.failing {
				words += " " + check.Name
			}
			got = append(got, words)
		}
		if c.recovered {
			got = append(got, "recovered after "+c.lasted.String())
		}
		if c.alarm != nil {
			got = append(got, c.alarm.Event)
		}
		if strings.Join(got, "; ") != tt.want {
			t.Errorf("second %d: %q, want %q", tt.second, strings.Join(got, "; "), tt.want)
		}
	}
}

// What the log, systemd and the receivers learn of an outage.
func TestHealthIsReported(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		var down atomic.Bool
		var alarms, states []string
		var looked, ticks int
		var mu sync.Mutex
		h := newHealth([]probe{
			{check: func(time.Time) control.Check { return control.Check{Name: "kernel", OK: true} }},
			{check: func(time.Time) control.Check {
				return control.Check{Name: "canary", OK: !down.Load(), Detail: "lost"}
			}},
			{every: filesEvery, check: func(time.Time) control.Check { looked++; return control.Check{Name: "files", OK: true} }},
		}, func(a alarm) { alarms = append(alarms, a.Event) }, zerolog.New(&log))
		h.canary = &canary{}
		h.summary = func() string { return summary(config.Enforce, 1) }
		h.tick = func(time.Time) { ticks++ }
		h.systemd = func(state string) {
			mu.Lock()
			defer mu.Unlock()
			if !slices.Contains(states, state) {
				states = append(states, state)
			}
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { h.watch(ctx, true); close(done) }()
		time.Sleep(30*time.Second + time.Millisecond)
		down.Store(true)
		time.Sleep(20 * time.Second)
		down.Store(false)
		time.Sleep(10 * time.Second)
		cancel()
		<-done
		if got := strings.Join(alarms, " "); got != "degraded healthy" {
			t.Errorf("alarms: %s", got)
		}
		want := []string{"WATCHDOG=1", "STATUS=healthy, mode enforce, 1 ban in force", "STATUS=DEGRADED: test event: lost"}
		if !slices.Equal(states, want) {
			t.Errorf("systemd got %q", states)
		}
		if ticks != 60 || looked != 7 {
			t.Errorf("%d rounds, in which the files were checked %d times", ticks, looked)
		}
		for _, want := range []string{"degraded: an attack might not be stopped now", `"canary":"lost"`, "healthy again"} {
			if !strings.Contains(log.String(), want) {
				t.Errorf("the log lacks %q:\n%s", want, &log)
			}
		}
	})
}

func TestLedgerCheck(t *testing.T) {
	for name, tt := range map[string]struct {
		health ledger.Health
		ok     bool
		want   string
	}{
		"fine":     {ledger.Health{}, true, "up to date"},
		"damaged":  {ledger.Health{Damage: "renamed to ledger.db.damaged"}, false, "renamed to"},
		"no space": {ledger.Health{Err: errors.New("disk full"), Pending: 3, Lag: time.Minute}, false, "disk full (3 rows pending, the oldest for 1m0s)"},
	} {
		if c := checkLedger(tt.health); c.OK != tt.ok || !strings.Contains(c.Detail, tt.want) {
			t.Errorf("%s: %+v", name, c)
		}
	}
}
