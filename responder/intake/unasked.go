package intake

import (
	"net/netip"
	"slices"
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

// Unexplained says whether an event is a success of chan_sip's for a REGISTER whose
// response was not seen yet.
func (in *Intake) Unexplained(now time.Time, e *event.Event) bool {
	return in.registers(e) && !in.Wire.accepted.has(now, e.Remote)
}

// registers says whether an event is a success of chan_sip's for a REGISTER: an INVITE
// is challenged with a name before.
func (in *Intake) registers(e *event.Event) bool {
	if e.Kind != event.SuccessfulAuth || string(e.Service) != "SIP" || e.Transport != event.UDP {
		return false
	}
	_, invited := in.challenges.From(e.Remote.Addr(), e.SessionID)
	return !invited
}

// accepted are where the last REGISTERs came from that were answered with success, and
// when. Each explains one event.
type accepted struct {
	list [64]acceptedOne
	next int
}

type acceptedOne struct {
	to netip.AddrPort
	at time.Time
}

func (a *accepted) add(now time.Time, to netip.AddrPort) {
	a.list[a.next] = acceptedOne{netip.AddrPortFrom(to.Addr().Unmap(), to.Port()), now}
	a.next = (a.next + 1) % len(a.list)
}

func (a *accepted) has(now time.Time, at netip.AddrPort) bool { return a.find(now, at) >= 0 }

// take takes one off.
func (a *accepted) take(now time.Time, at netip.AddrPort) {
	if i := a.find(now, at); i >= 0 {
		a.list[i] = acceptedOne{}
	}
}

func (a *accepted) find(now time.Time, at netip.AddrPort) int {
	at = netip.AddrPortFrom(at.Addr().Unmap(), at.Port())
	return slices.IndexFunc(a.list[:], func(one acceptedOne) bool { return one.to == at && now.Sub(one.at) <= unaskedLasts })
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
