package intake

import (
	"time"

	"github.com/tollwarden/tollwarden/ami/event"
)

// unasked are successes for which chan_sip asked for no password: it reports one when
// a REGISTER that ends a registration looks like one that is sent again
// (register_verify). The wire shows the response before the event is raised.
type unasked map[string]unaskedOf // by account; those of Asterisk's list alone

type unaskedOf struct {
	events int // to come
	at     time.Time
}

// unaskedLasts is how long after its response an event may come.
const unaskedLasts = 2 * time.Second

// Unasked records a response that accepts a REGISTER of a chan_sip account without
// a password. The event of that success is no login.
func (in *Intake) Unasked(now time.Time, account string) {
	u := in.unasked[account]
	if now.Sub(u.at) > unaskedLasts {
		u.events = 0
	}
	in.unasked[account] = unaskedOf{u.events + 1, now}
}

// wasUnasked says whether an event is one of a success without a password, and
// takes it off.
func (in *Intake) wasUnasked(now time.Time, e *event.Event, account []byte) bool {
	u, ok := in.unasked[string(account)]
	if !ok || e.Kind != event.SuccessfulAuth || string(e.Service) != "SIP" || e.Transport != event.UDP {
		return false
	}
	if u.events--; u.events <= 0 {
		delete(in.unasked, string(account))
	} else {
		in.unasked[string(account)] = u
	}
	return now.Sub(u.at) <= unaskedLasts
}
