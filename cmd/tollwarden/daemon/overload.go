package daemon

import (
	"time"

	"github.com/rs/zerolog"

	"github.com/tollwarden/tollwarden/ami"
)

// logOverloadEvery is how often an overload that goes on is logged.
const logOverloadEvery = time.Minute

// overload logs that events were skipped because they arrived faster than they
// were handled.
type overload struct {
	shed *ami.Shed
	log  zerolog.Logger

	total  uint64    // skipped when last looked
	logged time.Time // when it was last logged
}

// look is called every second.
func (o *overload) look(now time.Time) {
	total := o.shed.Total()
	grew := total > o.total
	o.total = total
	if !grew || now.Sub(o.logged) < logOverloadEvery {
		return
	}
	o.logged = now
	o.log.Warn().Uint64("ChallengeSent", o.shed.ChallengeSent.Load()).Uint64("InvalidAccountID", o.shed.InvalidAccountID.Load()).
		Msg("events arrive faster than they are handled: challenges and guesses at extensions that do not exist are skipped, while wrong passwords, logins and calls are all handled; if packets on the wire were missed, too, a break-in over UDP may only put its address on probation")
}
