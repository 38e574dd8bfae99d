package judge

import (
	"net/netip"
	"time"

	"github.com/tollwarden/tollwarden/ami/event"
	"github.com/tollwarden/tollwarden/responder/incident"
	"github.com/tollwarden/tollwarden/responder/intake"
)

// misdirectedFor is how long an address is throttled that was sent somebody else's refusal.
const misdirectedFor = 10 * time.Minute

// misdirected takes a refusal that went to another address than the request came from.
// Its sender may spoof that address, and receive the refusals of its guesses. But it may
// as well have them sent to somebody who has nothing to do with it, so the receiver is
// no more than throttled, which keeps from it what it did not ask for. Carriers are left
// alone, and so is a phone that sends from another address than it registers from.
func (j *Judge) misdirected(now time.Time, a *intake.Answer) {
	to := a.To.Addr().Unmap()
	prefix := event.SourcePrefix(to)
	if !j.Partial.Throttles() || !prefix.IsValid() || j.Places.Allowed(prefix) || j.Places.Carrier(prefix) || j.Places.Registered(a.Account, a.To) {
		return
	}
	why := incident.PartialBlock{Address: prefix, Reason: "Asterisk was made to send it responses to the requests of others", Origin: incident.OriginMisdirected}
	j.Partial.Suspect(now, why, misdirectedFor, []netip.AddrPort{netip.AddrPortFrom(to, a.To.Port())}, false)
}
