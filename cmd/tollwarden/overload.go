package main

import (
	"fmt"
	"time"
)

// overload tells of events that were passed over because they came faster than
// they were handled.
type overload struct {
	passed uint64    // in all, when last looked at
	said   time.Time // when the log was last told
}

// sayAgain is how long an overload goes on until the log is told once more.
const sayAgain = time.Minute

// look is called every second.
func (o *overload) look(now time.Time, d *daemon) {
	shed := &d.events.Counters().Shed
	total := shed.Total()
	grew := total > o.passed
	o.passed = total
	if !grew || now.Sub(o.said) < sayAgain {
		return
	}
	o.said = now
	d.log.Warn().Uint64("ChallengeSent", shed.ChallengeSent.Load()).Uint64("InvalidAccountID", shed.InvalidAccountID.Load()).
		Msg("events come faster than they are handled: the cheapest are passed over, what tells of a break-in is not")
}

// passedOver says so for status; "" when nothing was.
func (d *daemon) passedOver() string {
	n := d.events.Counters().Shed.Total()
	if n == 0 {
		return ""
	}
	return fmt.Sprintf("; %d events were passed over because they came too fast, none that tells of a break-in", n)
}
