package responder

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/tollwarden/tollwarden/responder/contain"
	"github.com/tollwarden/tollwarden/responder/decide"
	"github.com/tollwarden/tollwarden/responder/incident"
)

// Pause begins a pause of everything automatic, or changes the one that is on. It refuses
// one that is too long, and one in mode observe.
func (e *Engine) Pause(now time.Time, within time.Duration, reason string, uid uint32) (decide.Pause, error) {
	switch {
	case e.observes():
		return decide.Pause{}, fmt.Errorf("%w: mode is observe, nothing is done automatically anyway", incident.ErrRefused)
	case within <= 0 || within > decide.MaxPause:
		return decide.Pause{}, fmt.Errorf("%w: a pause lasts at most %s: repeat the command before it ends", incident.ErrRefused, "24h")
	}
	p := decide.Pause{Since: now, Until: now.Add(within), UID: uid, Reason: reason}
	e.with(func() {
		e.judge.Pause(p)
		e.parts.Ledger.PutHold(incident.Hold{Kind: incident.HoldPause, Value: pauseText(p), Since: now})
	})
	e.Acted(now, uid, "pause", "automatic steps", detailOf("until "+p.Until.UTC().Format(time.RFC3339), reason))
	return p, nil
}

// Resume ends the pause that is on, and lets the breaker go on. It returns that pause, and
// the accounts that wait for a person.
func (e *Engine) Resume(now time.Time, uid uint32) (was decide.Pause, paused bool, waiting []contain.Waiting) {
	e.with(func() {
		was, paused = e.judge.Resume(now)
		waiting = e.judge.Contain.Breaker.State(now).Waiting
		e.parts.Ledger.DropHold("", incident.HoldPause)
		e.parts.Ledger.PutHold(incident.Hold{Kind: incident.HoldResumed, Since: now})
	})
	detail := "the limit of breaker.accounts counts from now"
	if paused {
		detail = "paused since " + was.Since.UTC().Format(time.RFC3339) + "; " + detail
	}
	e.Acted(now, uid, "resume", "automatic steps", detail)
	return was, paused, waiting
}

// endPause records that a pause has ended by itself.
func (e *Engine) endPause(now time.Time) {
	var was decide.Pause
	var over bool
	e.with(func() {
		if was, over = e.judge.PauseOver(now); over {
			e.parts.Ledger.DropHold("", incident.HoldPause) // under the lock: another pause may begin
		}
	})
	if !over {
		return
	}
	e.parts.Log.Info().Time("since", was.Since).Msg("the pause is over: automatic steps are carried out again")
}

// storedPause is a Pause in the ledger.
type storedPause struct {
	Until  time.Time `json:"until"`
	UID    uint32    `json:"uid"`
	Reason string    `json:"reason,omitempty"`
}

func pauseText(p decide.Pause) string {
	text, err := json.Marshal(storedPause{p.Until, p.UID, p.Reason})
	if err != nil {
		panic("responder: " + err.Error()) // no value of these types cannot be encoded
	}
	return string(text)
}

// restorePause takes over the pause of a former run, if it is still on.
func (e *Engine) restorePause(now time.Time, h incident.Hold) {
	var s storedPause
	if err := json.Unmarshal([]byte(h.Value), &s); err != nil {
		e.doubt(err, "a pause")
		return
	}
	if p := (decide.Pause{Since: h.Since, Until: s.Until, UID: s.UID, Reason: s.Reason}); !e.judge.Observes() && p.Active(now) {
		e.judge.Pause(p)
		e.parts.Log.Warn().Time("until", p.Until).Str("reason", p.Reason).Msg("still paused: automatic steps are recorded, but not carried out")
		return
	}
	e.parts.Ledger.DropHold("", incident.HoldPause)
}

// pausedStep skips an unfinished step of a former run during a pause: what it changes may be
// what a person works on.
func (e *Engine) pausedStep(now time.Time, s *incident.Step) bool {
	if _, paused := e.judge.Paused(now); !paused || s.Step == incident.StepNotify {
		return false
	}
	s.State, s.Detail = incident.Skipped, "paused: the daemon stopped before this was finished: check it"
	return true
}

func detailOf(what, reason string) string {
	if reason == "" {
		return what
	}
	return what + "; " + reason
}
