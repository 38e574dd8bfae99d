package judge

import (
	"net/netip"
	"time"

	"github.com/tollwarden/tollwarden/ami/event"
	"github.com/tollwarden/tollwarden/responder/calls"
	"github.com/tollwarden/tollwarden/responder/places"
	"github.com/tollwarden/tollwarden/responder/score"
)

// chan_iax2 raises no event about a login. So Asterisk is asked where each call over IAX2
// comes from before the call is judged, and its list of registrations is read often. Either
// shows a login: the channel has an account's name only if the caller gave the password.

var serviceIAX = []byte(event.IAX2)

// unannouncedAgain is how often a registration that stays counts as a login: a phone
// renews it all the time.
const unannouncedAgain = time.Hour

// calledOverIAX handles a call over IAX2 that begins. It reports false if the call is to be
// judged at once: nobody logged in, all calls of the account are being ended, or nobody can
// be asked.
func (j *Judge) calledOverIAX(now time.Time, c calls.Channel, raw []byte) bool {
	if event.IsGuest([]byte(c.Account)) {
		from, _ := netip.ParseAddrPort(c.Account)
		if !j.Places.Carrier(event.SourcePrefix(from.Addr())) {
			return false
		}
		j.Calls.Up(c)
		return true
	}
	if j.contains(now, c.Account) {
		return false
	}
	c.Calling, c.Outgoing = true, j.policy.Calls.Dialling.Read(c.Dialled).External
	j.Calls.Up(c)
	return j.effects.AskSource(calls.Sign{Kind: calls.Unannounced, Account: c.Account, Channel: c.Name}, raw)
}

// locatedOverIAX judges a call over IAX2 that was asked about; from is the zero AddrPort
// when it is unknown. A carrier's call is none of an account's.
func (j *Judge) locatedOverIAX(now time.Time, s calls.Sign, from netip.AddrPort, raw []byte) {
	if from.IsValid() {
		carrier := j.Places.Carrier(event.SourcePrefix(from.Addr()))
		if _, listed := j.Calls.Named(s.Account); carrier && !listed {
			return
		}
		if !carrier {
			j.loggedInOverIAX(now, s.Account, from, raw)
		}
	}
	if c, up := j.Calls.Channel(s.Channel); up {
		j.called(now, c, raw)
	}
}

// loggedInOverIAX takes that an account was used, as SuccessfulAuth says of SIP.
func (j *Judge) loggedInOverIAX(now time.Time, account string, from netip.AddrPort, raw []byte) {
	o := score.Observation{
		At: now, Signal: score.SuccessfulAuth, Source: from.Addr(), Port: from.Port(), Transport: event.UDP,
		Service: serviceIAX, Account: []byte(account), Raw: raw,
	}
	j.raise(now, j.Calls.Used(now, account, loginOf(&o)), raw)
	j.attempt(now, &o)
}

// unannounced is a registration that no event reports.
type unannounced struct {
	account string
	source  netip.Addr
}

// unannouncedSet are those that Asterisk holds, and when each last counted as a login.
type unannouncedSet map[unannounced]time.Time

// has says whether a registration is one of them.
func (s unannouncedSet) has(c places.Contact) bool {
	_, is := s[unannounced{c.Account, c.Source}]
	return is
}

// ExpectUnannounced says which registrations no event reports, before SetContacts takes all.
func (j *Judge) ExpectUnannounced(list []places.Contact) {
	for _, c := range list {
		if !j.unannounced.has(c) {
			if j.unannounced == nil {
				j.unannounced = unannouncedSet{}
			}
			j.unannounced[unannounced{c.Account, c.Source}] = time.Time{}
		}
	}
}

// SetUnannounced takes the registrations that no event reports, which Asterisk holds now.
func (j *Judge) SetUnannounced(now time.Time, list []places.Contact) {
	known := j.unannounced
	j.unannounced = make(unannouncedSet, len(list))
	for _, c := range list {
		at := unannounced{c.Account, c.Source}
		last, seen := known[at]
		if seen && now.Sub(last) < unannouncedAgain {
			j.unannounced[at] = last
			continue
		}
		j.unannounced[at] = now
		j.loggedInOverIAX(now, c.Account, netip.AddrPortFrom(c.Source, c.Port), nil)
	}
}
