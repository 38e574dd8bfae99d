package judge

import (
	"net/netip"
	"time"

	"github.com/tollwarden/tollwarden/ami/event"
	"github.com/tollwarden/tollwarden/responder/bans"
)

// wireFresh is how long after the last message the wire counts as showing every
// response. A request is enough: an attacker may have the response sent to an address
// that answers are kept from.
const wireFresh = time.Minute

func (j *Judge) wireIsFresh(now time.Time) bool { return now.Sub(j.wireAt) < wireFresh }

// Answered records that a SIP response left over UDP for an address, past the bans.
func (j *Judge) Answered(now time.Time, to netip.Addr) {
	j.wireAt = now
	j.Effect.GotThrough(now, to.Unmap(), event.UDP, bans.Sign{At: now, Answered: true})
}

// heard records that a security event names an address, at the event's own time, since
// Asterisk may report late.
//
// chan_sip takes the address from the Via, where a sender can write any. So its events
// count only if the wire shows no responses, which go to the real address.
func (j *Judge) heard(now time.Time, e *event.Event) {
	if string(e.Service) == "SIP" && j.wireIsFresh(now) {
		return
	}
	at := now
	if !e.At.IsZero() && e.At.Before(now) {
		at = e.At
	}
	over := e.Transport
	if string(e.Service) == "IAX2" {
		over = event.UDP // its lines do not say so, but there is no other
	}
	j.Effect.GotThrough(now, e.Remote.Addr().Unmap(), over, bans.Sign{At: at})
}
