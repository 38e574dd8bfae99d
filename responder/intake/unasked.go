package intake

import (
	"net/netip"
	"slices"
	"time"

	"github.com/tollwarden/tollwarden/ami/event"
)

// unasked holds, by account, the successes for which chan_sip asked for no password. It
// reports one when a REGISTER that ends a registration looks like one that is sent
// again (register_verify). The wire shows the response before the event is raised. All
// accounts are on Asterisk's list, which bounds it.
type unasked map[string]unaskedOf

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

// registers says whether an event is a success of chan_sip's for a REGISTER: before one
// for an INVITE, an event has reported a challenge with a name.
func (in *Intake) registers(e *event.Event) bool {
	if e.Kind != event.SuccessfulAuth || string(e.Service) != "SIP" || e.Transport != event.UDP {
		return false
	}
	_, invited := in.challenges.From(e.Remote.Addr(), e.SessionID)
	return !invited
}

// accepted is a ring of the last responses that accepted a REGISTER. Each explains one
// event.
type accepted struct {
	list [64]acceptance
	next int
}

// acceptance is where such a response went, and when.
type acceptance struct {
	to netip.AddrPort
	at time.Time
}

func (a *accepted) add(now time.Time, to netip.AddrPort) {
	a.list[a.next] = acceptance{netip.AddrPortFrom(to.Addr().Unmap(), to.Port()), now}
	a.next = (a.next + 1) % len(a.list)
}

func (a *accepted) has(now time.Time, at netip.AddrPort) bool { return a.find(now, at) >= 0 }

// take removes one.
func (a *accepted) take(now time.Time, at netip.AddrPort) {
	if i := a.find(now, at); i >= 0 {
		a.list[i] = acceptance{}
	}
}

func (a *accepted) find(now time.Time, at netip.AddrPort) int {
	at = netip.AddrPortFrom(at.Addr().Unmap(), at.Port())
	return slices.IndexFunc(a.list[:], func(one acceptance) bool { return one.to == at && now.Sub(one.at) <= unaskedLasts })
}

// wasUnasked says whether an event is that of a success without a password, and counts
// it off.
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
