package daemon

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/tollwarden/tollwarden/responder"
	"github.com/tollwarden/tollwarden/responder/contain"
	"github.com/tollwarden/tollwarden/responder/control"
	"github.com/tollwarden/tollwarden/responder/decide"
	"github.com/tollwarden/tollwarden/responder/incident"
)

// waits is a breaker at which so many accounts wait.
func waits(n int) contain.BreakerState {
	b := contain.BreakerState{Rule: contain.BreakerRule{Accounts: 2, Within: time.Hour}, Taken: []string{"1001", "1002"}, Open: true, Until: effectAt.Add(time.Hour)}
	for i := range n {
		b.Waiting = append(b.Waiting, contain.Waiting{Account: fmt.Sprint(1003 + i), Since: effectAt, Steps: []incident.StepKind{incident.StepRotate}})
	}
	return b
}

func TestPauseAndBreakerChecks(t *testing.T) {
	testChecks(t, map[string]checkCase{
		"not paused": {checkPause, responder.Senses{}, true, []string{"not paused"}},
		"paused":     {checkPause, responder.Senses{Pause: decide.Pause{Until: effectAt, Reason: "phones move"}}, false, []string{"PAUSED until ", " by root: phones move; `tollwarden resume`"}},
		"no limit":   {checkBreaker, responder.Senses{}, true, []string{"no limit is set"}},
		"full":       {checkBreaker, responder.Senses{Breaker: waits(0)}, true, []string{"2 extensions had a new password, a lock or registrations removed within 1h; the limit is 2"}},
		"two wait": {checkBreaker, responder.Senses{Breaker: waits(2)}, false, []string{
			"waiting for a person: 1003, 1004. 2 extensions had a password change or a lock within 1h (1001, 1002)", "`tollwarden rotate 1003 --expire` (and likewise for the others)", "`tollwarden resume`",
		}},
		"many wait": {checkBreaker, responder.Senses{Breaker: waits(30)}, false, []string{"1022 and 10 more. "}},
	})
}

// One message for all accounts that wait, and at most one an hour if others join them.
func TestBreakerAlarms(t *testing.T) {
	var got []alarm
	a := &breakerAlarms{alarm: func(a alarm) { got = append(got, a) }}
	for _, step := range []struct {
		minute, waiting, alarms int
	}{
		{0, 0, 0}, {1, 1, 1}, {2, 40, 1}, {59, 40, 1}, {62, 40, 2}, {200, 40, 2}, {201, 0, 2}, {202, 1, 3},
	} {
		a.look(effectAt.Add(time.Duration(step.minute)*time.Minute), waits(step.waiting))
		if len(got) != step.alarms {
			t.Errorf("minute %d, %d wait: %d alarms, want %d", step.minute, step.waiting, len(got), step.alarms)
		}
	}
	if len(got) == 0 || got[0].Event != alarmWaiting || !strings.Contains(got[0].Checks[0].Detail, "1003") {
		t.Errorf("%+v", got)
	}
}

// A pause is no alarm, since a person asked for it, nor are accounts that wait, which have
// their own; what else fails meanwhile is one.
func TestNoAlarmAboutAPause(t *testing.T) {
	var s healthState
	for second := range 60 {
		checks := []control.Check{{Name: checkPauseName}, {Name: checkBreakerName}, {Name: "events", OK: second < 30}}
		change := s.update(effectAt.Add(time.Duration(second)*time.Second), checks)
		if change.alarm != nil && (second < 30 || strings.Contains(change.alarm.Text, checkPauseName)) {
			t.Errorf("after %d s: %+v", second, change.alarm)
		}
	}
	if !s.alarmed {
		t.Error("no alarm about the rest")
	}
}

// A pause begins and ends by hand, and status shows it.
func TestPauseByHand(t *testing.T) {
	s := newSite(t, "")
	s.start()
	s.listening()
	for _, tt := range []struct{ within, want string }{
		{"soon", "want a duration above zero"}, {"25h", "at most 24h"}, {"1h", "PAUSED until "},
	} {
		done, err := s.api.Pause(t.Context(), control.PauseOrder{For: tt.within, Reason: "phones move"})
		answered(t, tt.within, done.Message, err, tt.want)
	}
	status, err := s.api.Status(t.Context())
	if err != nil || status.Health != control.Degraded || status.Pause == nil || status.Pause.Reason != "phones move" {
		t.Errorf("status during a pause: %v %+v", err, status.Pause)
	}
	done, err := s.api.Resume(t.Context())
	answered(t, "resume", done.Message, err, "resumed, after a pause of ")
	done, err = s.api.Resume(t.Context())
	answered(t, "resume twice", done.Message, err, "not paused")
	if status, err = s.api.Status(t.Context()); err != nil || status.Pause != nil {
		t.Errorf("status afterwards: %v %+v", err, status.Pause)
	}
}
