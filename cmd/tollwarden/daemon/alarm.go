package daemon

import (
	"os"
	"strings"
	"sync/atomic"
	"time"

	"github.com/tollwarden/tollwarden/firewall"
	"github.com/tollwarden/tollwarden/responder/control"
	"github.com/tollwarden/tollwarden/responder/notify"
	"github.com/tollwarden/tollwarden/responder/report"
)

// What an alarm is about. Receivers get these words.
const (
	alarmDegraded = "degraded" // an attack might not be stopped now
	alarmHealthy  = "healthy"  // it would be again
	alarmRepaired = "repaired" // the kernel's table was damaged and is repaired
	alarmGap      = "gap"      // events are lost
	// A banned address still gets through.
	alarmIneffective = "ineffective"
	// Extensions wait for a person, since too many had their password changed.
	alarmWaiting = "waiting"
	// Another program undid a lock, a restriction or a changed password, or a person did.
	alarmOrder = "order"
	alarmTest  = "test" // a test by an administrator
)

// alarm is something about the daemon itself that a person should know.
type alarm struct {
	Event  string          `json:"event"`
	At     time.Time       `json:"at"`
	Text   string          `json:"text"`
	Checks []control.Check `json:"checks,omitempty"` // those that fail
}

// repairAlarm reports a repair of the kernel's tables.
func repairAlarm(e firewall.GuardEvent) alarm {
	return alarm{
		Event: alarmRepaired, At: e.At,
		Text: "the kernel's table was damaged by " + e.By.String() + " and has been repaired, with every ban: " + strings.Join(e.Found, "; "),
	}
}

// testMessage is the alarm that `tollwarden check --notify` sends.
func testMessage(style report.Style, now time.Time) *notify.Message {
	return alarmMessage(style, alarm{Event: alarmTest, At: now, Text: "This is a test of `tollwarden check --notify`: messages from this machine arrive."})
}

// alarmMessage is an alarm as the receivers get it.
func alarmMessage(style report.Style, a alarm) *notify.Message {
	of := report.Alarm{Event: a.Event, At: a.At, Text: a.Text}
	for _, c := range a.Checks {
		of.Checks = append(of.Checks, report.Check{Name: c.Title(), Detail: c.Detail})
	}
	m := notify.OfPage(style.Alarm(of), a.Event, a.At)
	m.Line, m.JSON, m.Brief = a.Event+": "+a.Text, a, a
	return m
}

// hostName is what messages call this machine.
func hostName() string {
	if name, err := os.Hostname(); err == nil {
		return name
	}
	return "this machine"
}

// alarmNotifier sends alarms to the receivers.
type alarmNotifier struct {
	notifier  *notifier
	delivered atomic.Uint64 // to one receiver at least
	failed    atomic.Uint64 // to none
}

// notify queues an alarm without waiting.
func (n *alarmNotifier) notify(a alarm) {
	n.notifier.post.Send(alarmMessage(n.notifier.config.Load().style, a), func(o notify.Outcome) {
		switch {
		case !o.Final:
		case o.Delivered > 0:
			n.delivered.Add(1)
		case o.NoReceiver:
			// No receiver is configured: the log has it.
		default:
			n.failed.Add(1)
		}
	})
}
