package calls

import (
	"strings"
	"time"
)

// isAnonymous reports whether calls under this name belong to no account: the name
// is PJSIP's endpoint for anonymous calls, or that of a chan_sip guest, whose
// channel has a name that Asterisk does not list.
func (d *Detector) isAnonymous(a *accountState) bool {
	if a.carrier || d.listed == nil {
		return false
	}
	if a.name == "anonymous" || strings.HasPrefix(a.name, "anonymous@") {
		return true
	}
	_, listed := d.listed[a.name]
	return !listed && len(a.logins) == 0
}

// checkAnonymous checks a call without a login. A foreign or shared-cost number may be
// one of the site's own, which a carrier without a login delivers calls to: a foreign one
// counts only with an international prefix.
func (a *accountState) checkAnonymous(s *signs) {
	n := s.number
	if !n.External {
		return
	}
	a.checkDestination(s)
	if n.Foreign && !n.Bare || n.Type == "premium" || n.Type == "satellite" || n.Country == "" {
		s.add(AnonymousCall, "dialled like an outgoing call, without a login")
	}
}

// End records the end of a channel and returns the channel and its signs. ok is
// false if the channel is no account's, or unknown; it may have signs all the same.
func (d *Detector) End(now time.Time, name string) (c Channel, s []Sign, ok bool) {
	s = d.ended(now, name)
	c, ok = d.Down(name)
	if !ok {
		return c, s, false
	}
	a := d.accounts[c.Account]
	if a == nil || !c.Calling || now.Sub(c.Since) > shortCall || !d.isAnonymous(a) {
		return c, s, true
	}
	for len(a.ended) > 0 && now.Sub(a.ended[0]) >= ProbeWithin {
		a.ended = a.ended[1:]
	}
	if a.ended = append(a.ended, now); len(a.ended) < shortCalls {
		return c, s, true
	}
	a.ended = a.ended[len(a.ended)-shortCalls:]
	return c, append(s, Sign{
		Kind: AnonymousCall, Account: a.name, Channel: name,
		Detail: c.Dialled + ": short calls one after another, without a login",
	}), true
}
