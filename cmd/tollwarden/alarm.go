package main

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"

	"github.com/tollwarden/tollwarden/responder/control"
)

// What an alarm is about. The words are part of what receivers get.
const (
	alarmDegraded = "degraded" // an attack might not be stopped now
	alarmHealthy  = "healthy"  // it would be, again
	alarmRepaired = "repaired" // the kernel's table was damaged and is restored
	alarmGap      = "gap"      // events of some time are lost
)

// alarm is something a person should know of the daemon itself.
type alarm struct {
	Event  string          `json:"event"`
	At     time.Time       `json:"at"`
	Text   string          `json:"text"`
	Checks []control.Check `json:"checks,omitempty"` // those that fail
}

// maxAlarms bounds the alarms that wait for a slow receiver.
const maxAlarms = 64

// herald tells a receiver of alarms, one after the other, in order.
type herald struct {
	deliver func(ctx context.Context, body any) (receiver string, err error)
	log     zerolog.Logger
	alarms  chan alarm
	told    atomic.Uint64
	failed  atomic.Uint64 // not delivered, or no room to wait
}

func newHerald(deliver func(context.Context, any) (string, error), log zerolog.Logger) *herald {
	return &herald{deliver: deliver, log: log, alarms: make(chan alarm, maxAlarms)}
}

// tell queues an alarm without waiting.
func (h *herald) tell(a alarm) {
	select {
	case h.alarms <- a:
	default:
		h.failed.Add(1)
	}
}

// run delivers until ctx ends.
func (h *herald) run(ctx context.Context) error {
	for {
		select {
		case a := <-h.alarms:
			receiver, err := h.deliver(ctx, a)
			switch {
			case err != nil && ctx.Err() == nil:
				h.failed.Add(1)
				h.log.Error().Err(err).Str("alarm", a.Event).Msg("nobody could be told")
			case err == nil && receiver != "":
				h.told.Add(1)
				h.log.Info().Str("alarm", a.Event).Str("told", receiver).Msg("alarm")
			}
		case <-ctx.Done():
			return nil
		}
	}
}
