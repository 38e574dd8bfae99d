package calls

import (
	"net/netip"
	"time"

	"github.com/tollwarden/tollwarden/ami/event"
)

// maxLogins bounds the sources of one account that are told apart at once.
const maxLogins = 8

// Login takes a login of an account that succeeded. In the ordinary case, a
// phone that is where it always was, it allocates nothing.
func (d *Detector) Login(now time.Time, name []byte, from Login) []Sign {
	a := d.accounts[string(name)]
	if a == nil {
		if a = d.account(now, string(name)); a == nil {
			return nil
		}
	}
	a.used, a.login = now, now
	d.logins = true
	d.seen(now, a)
	if a.carrier || !from.Source.IsValid() {
		return nil
	}
	s := signs{account: a, from: from}
	young := d.network(now, a, from.Source, &s)
	a.logins = keep(a.logins, now, from)
	if young && a.alternates(now, from) && now.Sub(a.alternate) >= hour {
		a.alternate = now
		s.add(TwoNetworks, "used from two networks by turns")
	}
	return s.list
}

// network records from where an account is used, and says whether it is not yet
// at home there.
func (d *Detector) network(now time.Time, a *account, source netip.Addr, s *signs) (young bool) {
	first, young := d.places.UseNetwork(now, a.name, source)
	if first && d.learned(now) {
		s.add(NewNetwork, "used from %s for the first time", event.NetworkPrefix(source))
	}
	return young
}

// keep remembers a login in the place of its source, or of the oldest one.
func keep(logins []login, now time.Time, from Login) []login {
	at := -1
	for i := range logins {
		if logins[i].Source == from.Source {
			at = i
			break
		}
		if at < 0 || logins[i].at.Before(logins[at].at) {
			at = i
		}
	}
	if at < 0 || logins[at].Source != from.Source && len(logins) < maxLogins {
		return append(logins, login{Login: from, at: now})
	}
	l := &logins[at]
	if l.Source != from.Source {
		*l = login{Login: from, at: now}
		return logins
	}
	l.Login, l.prev, l.at = from, l.at, now
	return logins
}

// alternates says whether the account is used from this network and from
// another one by turns: here, there, and here again. One phone that changes its
// network does not come back at once.
func (a *account) alternates(now time.Time, from Login) bool {
	here := event.NetworkPrefix(from.Source)
	var before time.Time
	for i := range a.logins {
		if a.logins[i].Source == from.Source {
			before = a.logins[i].prev
		}
	}
	if before.IsZero() || now.Sub(before) > ProbeWithin {
		return false
	}
	for i := range a.logins {
		if l := &a.logins[i]; event.NetworkPrefix(l.Source) != here && l.at.After(before) {
			return true
		}
	}
	return false
}

// Invited takes that somebody was challenged who wants to call as an account:
// all that chan_sip tells of a call before it is a channel.
func (d *Detector) Invited(now time.Time, name []byte, from Login) {
	a := d.accounts[string(name)]
	if a == nil {
		if _, listed := d.listed[string(name)]; !listed {
			return
		}
		if a = d.account(now, string(name)); a == nil {
			return
		}
	}
	a.invites = keep(a.invites, now, from)
}

// where is where a call comes from, by the login that has just come. Nothing is
// said when there is none, as with chan_sip, or when two sources could be meant.
func (a *account) where(now time.Time) Login { return only(a.logins, now) }

// hint is where a call claims to come from, by the challenge that it has just
// been sent: the caller chooses that (event.Event.Proven).
func (a *account) hint(now time.Time) Login { return only(a.invites, now) }

// only is the one source of the last moment; nothing when there are two.
func only(logins []login, now time.Time) Login {
	var found Login
	just := 0
	for i := range logins {
		if now.Sub(logins[i].at) < together {
			just++
			found = logins[i].Login
		}
	}
	if just != 1 {
		return Login{}
	}
	return found
}
