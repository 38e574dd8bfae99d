package judge

import (
	"time"

	"github.com/tollwarden/tollwarden/ami/event"
	"github.com/tollwarden/tollwarden/responder/intake"
	"github.com/tollwarden/tollwarden/responder/score"
)

// revealed handles a response that shows an account's password to be known at an address
// where the account is not. It is a break-in if no phone of the account can have had
// the nonce there, or if the account was guessed at before.
func (j *Judge) revealed(now time.Time, a *intake.Answer) {
	stolen := a.Outcome == intake.Revealed && j.Intake.Nonces.Foreign(now, a.Account, a.To.Addr(), a.Nonce)
	o := j.Intake.Revealed(now, a)
	if broken, ok := j.breakIn.Revealed(&o, stolen); ok {
		j.observe(&broken, nil)
	}
}

// connected notes which accounts are used over connections, whose nonces the wire
// does not show. A challenge counts only at an address where the account is known:
// anybody can ask for one.
func (j *Judge) connected(now time.Time, e *event.Event, o *score.Observation) {
	if !o.Transport.Connected() {
		return
	}
	switch e.Kind {
	case event.SuccessfulAuth:
		j.Intake.Nonces.Connected(now, o.Account)
	case event.ChallengeSent:
		if j.Places.Known(string(o.Account), o.Source, now) {
			j.Intake.Nonces.Connected(now, o.Account)
		}
	}
}
