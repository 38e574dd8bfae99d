package daemon

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"

	"github.com/tollwarden/tollwarden/responder/control"
)

// A daemon that still learns what only Asterisk knows is starting, which is neither logged
// nor raises an alarm. What lasts for 10 seconds is no start, nor is a check that fails for
// another reason, or again.
func TestStarting(t *testing.T) {
	for name, tt := range map[string]struct {
		fails  map[string][2]int // from and until which second
		want   string            // state after 0, 1, 5, 12 and 40 seconds
		alarms string
		logged bool
	}{
		"an ordinary start":                                 {map[string][2]int{"ports": {0, 3}, "events": {0, 1}}, "starting starting ok ok ok", "", false},
		"a start without Asterisk":                          {map[string][2]int{"events": {0, 60}, "ports": {0, 60}}, "starting starting starting degraded degraded", "degraded", true},
		"the kernel does not drop":                          {map[string][2]int{"kernel": {0, 60}, "ports": {0, 3}}, "degraded degraded degraded degraded degraded", "degraded", true},
		"a session that is lost before the ports are known": {map[string][2]int{"ports": {0, 8}, "events": {4, 8}}, "starting starting degraded ok ok", "", true},
		"a session that is lost again":                      {map[string][2]int{"ports": {0, 3}, "events": {4, 7}}, "starting starting degraded ok ok", "", true},
		"a person's pause is on at start":                   {map[string][2]int{checkPauseName: {0, 60}}, "degraded degraded degraded degraded degraded", "", true},
	} {
		synctest.Test(t, func(t *testing.T) {
			var log bytes.Buffer
			var alarms []string
			var mu sync.Mutex
			var states []string
			begun := time.Now()
			var probes []probe
			for _, check := range []string{"events", "ports", "kernel", checkPauseName} {
				probes = append(probes, probe{check: func(now time.Time) control.Check {
					second, fails := int(now.Sub(begun)/time.Second), tt.fails[check]
					return control.Check{Name: check, OK: second < fails[0] || second >= fails[1], Detail: "not yet"}
				}})
			}
			h := newHealth(probes, func(a alarm) { alarms = append(alarms, a.Event) }, zerolog.New(&log))
			h.canary, h.summary, h.tick = &canary{}, func() string { return "healthy" }, func(time.Time) {}
			h.systemd = func(state string) {
				mu.Lock()
				defer mu.Unlock()
				states = append(states, state)
			}
			ctx, cancel := context.WithCancel(t.Context())
			done := make(chan struct{})
			go func() { h.watch(ctx, false); close(done) }()
			var got []string
			for _, second := range []int{0, 1, 5, 12, 40} {
				time.Sleep(time.Until(begun.Add(time.Duration(second)*time.Second + time.Millisecond)))
				now := time.Now()
				got = append(got, h.stateOf(now, h.checks(now)))
			}
			cancel()
			<-done
			if got := strings.Join(got, " "); got != tt.want {
				t.Errorf("%s: %s, want %s", name, got, tt.want)
			}
			if got := strings.Join(alarms, " "); got != tt.alarms {
				t.Errorf("%s: alarms %q", name, got)
			}
			if logged := strings.Contains(log.String(), "degraded: an attack might not be stopped now"); logged != tt.logged {
				t.Errorf("%s: logged %t\n%s", name, logged, &log)
			}
			if strings.HasPrefix(tt.want, "starting") != slices.ContainsFunc(states, func(s string) bool { return strings.HasPrefix(s, "STATUS=starting: ") }) {
				t.Errorf("%s: systemd got %q", name, fmt.Sprint(states))
			}
		})
	}
}
