package main

import (
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	"github.com/tollwarden/tollwarden/firewall"
	"github.com/tollwarden/tollwarden/responder/control"
	"github.com/tollwarden/tollwarden/responder/notify"
)

// What an alarm is about. The words are part of what receivers get.
const (
	alarmDegraded = "degraded" // an attack might not be stopped now
	alarmHealthy  = "healthy"  // it would be, again
	alarmRepaired = "repaired" // the kernel's table was damaged and is restored
	alarmGap      = "gap"      // events of some time are lost
	alarmTest     = "test"     // somebody wants to see that messages arrive
)

// alarm is something a person should know of the daemon itself.
type alarm struct {
	Event  string          `json:"event"`
	At     time.Time       `json:"at"`
	Text   string          `json:"text"`
	Checks []control.Check `json:"checks,omitempty"` // those that fail
}

// repairAlarm is what a repair of the kernel's tables is worth telling.
func repairAlarm(e firewall.GuardEvent) alarm {
	return alarm{
		Event: alarmRepaired, At: e.At,
		Text: "the kernel's table was damaged by " + e.By.String() + " and is restored with every ban: " + strings.Join(e.Found, "; "),
	}
}

// messageOf is an alarm as the receivers get it.
func messageOf(host string, a alarm) *notify.Message {
	var text strings.Builder
	fmt.Fprintf(&text, "%s\n\nHost: %s\nTime: %s\n", a.Text, host, a.At.Format(time.RFC1123Z))
	for _, c := range a.Checks {
		fmt.Fprintf(&text, "%s: %s\n", c.Name, c.Detail)
	}
	return &notify.Message{
		Kind: a.Event, At: a.At, Subject: fmt.Sprintf("[tollwarden] %s (%s)", a.Event, host), Text: text.String(),
		Line: a.Event + ": " + a.Text, JSON: a, Brief: a,
	}
}

// herald tells the receivers of alarms.
type herald struct {
	notifier *notifier
	told     atomic.Uint64 // by a receiver at least
	failed   atomic.Uint64 // by none
}

// tell queues an alarm without waiting.
func (h *herald) tell(a alarm) {
	n := h.notifier
	n.post.Send(messageOf(n.host, a), func(o notify.Outcome) {
		switch {
		case !o.Final:
		case o.Delivered > 0:
			h.told.Add(1)
		case o.NoReceiver:
			// Whoever set no receiver up reads the log.
		default:
			h.failed.Add(1)
		}
	})
}
