package calls

import (
	"iter"
	"net/netip"
	"time"

	"github.com/tollwarden/tollwarden/ami/event"
)

// maxLogins bounds the sources kept for an account.
const maxLogins = 8

// Login records a successful login of an account and returns its signs. It does not
// allocate for a phone at a known address.
func (d *Detector) Login(now time.Time, name []byte, from Login) []Sign {
	a := d.accounts[string(name)]
	if a == nil {
		if a = d.state(now, string(name)); a == nil {
			return nil
		}
	}
	a.used, a.lastLogin = now, now
	d.sawLogin = true
	d.loginSeen(now, a)
	return d.usedFrom(now, a, from)
}

// Used records a login of an account that no event reports, and returns its signs.
func (d *Detector) Used(now time.Time, name string, from Login) []Sign {
	a := d.state(now, name)
	if a == nil {
		return nil
	}
	return d.usedFrom(now, a, from)
}

// usedFrom records where an account was used from.
func (d *Detector) usedFrom(now time.Time, a *accountState, from Login) []Sign {
	if a.carrier || !from.Source.IsValid() {
		return nil
	}
	s := signs{account: a, from: from}
	young := d.checkNetwork(now, a, from.Source, &s)
	a.logins = keep(a.logins, now, from)
	if young && a.alternates(now, from) && now.Sub(a.lastTwoNetworks) >= hour {
		a.lastTwoNetworks = now
		s.add(TwoNetworks, "used from two networks alternately")
	}
	return s.list
}

// checkNetwork records the network that an account is used from. It returns whether that
// is not one of the account's home networks yet.
func (d *Detector) checkNetwork(now time.Time, a *accountState, source netip.Addr, s *signs) (young bool) {
	first, young := d.places.UseNetwork(now, a.name, source)
	if first && d.learningDone(now) {
		a.newNetwork = newNetwork{event.NetworkPrefix(source), now}
		s.add(NewNetwork, "used from %s for the first time", event.NetworkPrefix(source))
	}
	return young
}

// keep stores a login in place of the last one from the same source, or else of the
// oldest one.
func keep(logins []loginRecord, now time.Time, from Login) []loginRecord {
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
		return append(logins, loginRecord{Login: from, at: now})
	}
	l := &logins[at]
	if l.Source != from.Source {
		*l = loginRecord{Login: from, at: now}
		return logins
	}
	l.Login, l.prev, l.at = from, l.at, now
	return logins
}

// alternates reports whether the account is used from this network and another one
// alternately: here, there, and here again. A single phone that changes networks
// does not return so soon.
func (a *accountState) alternates(now time.Time, from Login) bool {
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

// InviteChallenged records that an INVITE for an account was challenged. chan_sip
// raises no other event about a call before its channel exists.
func (d *Detector) InviteChallenged(now time.Time, name []byte, from Login) {
	a := d.accounts[string(name)]
	if a == nil {
		if _, listed := d.listed[string(name)]; !listed {
			return
		}
		if a = d.state(now, string(name)); a == nil {
			return
		}
	}
	a.invites = keep(a.invites, now, from)
}

// Callers yields where INVITEs for an account were challenged from just now: one of them
// made a call that begins. Their senders can spoof it (event.Event.Proven).
func (d *Detector) Callers(now time.Time, name string) iter.Seq[Login] {
	return func(yield func(Login) bool) {
		a := d.accounts[name]
		if a == nil {
			return
		}
		for i := range a.invites {
			if now.Sub(a.invites[i].at) < together && !yield(a.invites[i].Login) {
				return
			}
		}
	}
}

// where returns the source of a call according to the login just before it. It
// returns the zero Login if there is none, as with chan_sip, or if two sources are
// possible.
func (a *accountState) where(now time.Time) Login { return only(a.logins, now) }

// hint returns the probable source of a call according to the challenge just before
// it. The caller can spoof it (event.Event.Proven).
func (a *accountState) hint(now time.Time) Login { return only(a.invites, now) }

// only returns the login within the last moments if there is exactly one.
func only(logins []loginRecord, now time.Time) Login {
	var found Login
	recent := 0
	for i := range logins {
		if now.Sub(logins[i].at) < together {
			recent++
			found = logins[i].Login
		}
	}
	if recent != 1 {
		return Login{}
	}
	return found
}
