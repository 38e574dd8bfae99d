package judge

import (
	"net/netip"
	"time"

	"github.com/tollwarden/tollwarden/ami/event"
	"github.com/tollwarden/tollwarden/responder/calls"
	"github.com/tollwarden/tollwarden/responder/intake"
	"github.com/tollwarden/tollwarden/responder/score"
	"github.com/tollwarden/tollwarden/responder/sip"
)

// Received takes a SIP request that arrived over UDP. It borrows r.
func (j *Judge) Received(now time.Time, from netip.AddrPort, r *sip.Request) {
	j.wireAt = now
	j.Intake.Pings.Requested(now, from.Addr(), r)
	if j.Intake.Wire.Request(now, from, r) && j.unanswered(now, from, r) {
		a := intake.Blind(from, r)
		login, _ := j.Calls.Named(a.Names.User)
		a.Account = login.Name
		j.guess(now, &a, login)
	}
}

// unanswered says whether the response to a request will not be seen: it is to be sent
// somewhere else, where none can be sent to or answers are kept from. chan_sip sends more
// to whoever it takes for registered, so that such a guess is not made for nothing.
func (j *Judge) unanswered(now time.Time, from netip.AddrPort, r *sip.Request) bool {
	to, at := r.AnswerTo, from.Addr().Unmap()
	if !to.IsValid() || to == at {
		return r.AnswerToName
	}
	return to.Is4() != at.Is4() || j.silenced(now, to)
}

// silenced says whether answers may be kept from an address, or cannot be sent to it (RFC
// 1112 section 4, RFC 1122 section 3.2.1.3).
func (j *Judge) silenced(now time.Time, to netip.Addr) bool {
	if first := to.AsSlice(); !to.IsGlobalUnicast() && !to.IsLoopback() || to.Is4() && (first[0] == 0 || first[0] >= 240) {
		return true
	}
	if _, _, banned := j.Bans.Dropping(now, to); banned {
		return true
	}
	return j.Partial.Suspected(now, event.SourcePrefix(to))
}

// Sent takes a SIP response that leaves over UDP, for the address that it is
// really sent to. It borrows r.
func (j *Judge) Sent(now time.Time, to netip.AddrPort, r *sip.Response) {
	j.Intake.Nonces.Issued(now, to.Addr(), r)
	a := j.Intake.Wire.Response(now, to, r)
	if a.Method == intake.Register && a.Status/100 == 2 {
		defer j.explained(now, to)
	}
	if a.Outcome == intake.Unknown {
		return
	}
	login, listed := j.guessed(&a)
	a.Account = login.Name
	if a.Misdirected && a.Status >= 400 && a.Status < 500 {
		j.misdirected(now, &a)
	}
	if listed && !login.Login {
		return // it needs no password
	}
	if listed && a.SignedIn() {
		j.Intake.Nonces.Used(a.Account, a.Nonce)
	}
	switch {
	case a.Outcome == intake.Unasked:
		if listed && !login.Sure {
			j.Intake.Unasked(now, a.Account)
			if testsPassword(&a, r) && !j.Places.Known(a.Account, a.From.Addr(), now) {
				j.guess(now, &a, login)
			}
		}
	case a.Outcome == intake.Refused && a.First && !a.Hidden && !r.OfPJSIP() &&
		(j.Places.Known(a.Account, a.From.Addr(), now) || j.Intake.Wire.Registered(now, a.From)):
		// A phone that did not wait for the challenge. Its password was not looked at.
	case a.Outcome == intake.Refused && isGuess(&a, r, login, listed):
		j.guess(now, &a, login)
	case listed && knows(&a, login) && !j.Places.Known(a.Account, to.Addr(), now):
		j.revealed(now, &a)
	}
}

// guess judges an answer as one to a wrong password.
func (j *Judge) guess(now time.Time, a *intake.Answer, login calls.Account) {
	if o, news := j.Intake.Refused(now, a, login.Sure); news {
		j.counters.Wire++
		j.attempt(now, &o)
	}
}

// guessed is the account whose password a request tries. PJSIP finds it by From,
// chan_sip by From or, for a REGISTER, by To (register_verify). An account of PJSIP's
// is Sure.
func (j *Judge) guessed(a *intake.Answer) (calls.Account, bool) {
	from, ok := j.Calls.Named(a.Names.From)
	if ok && from.Sure {
		return from, true
	}
	if a.Method == intake.Register {
		if to, ok := j.Calls.Named(a.Names.To); ok && !to.Sure {
			return to, true
		}
	}
	if ok {
		return from, true
	}
	return j.Calls.Named(a.Names.User)
}

// isGuess says whether a refusal is that of a wrong password.
func isGuess(a *intake.Answer, r *sip.Response, login calls.Account, listed bool) bool {
	if a.Hidden {
		return !a.Misdirected // no phone sent its request
	}
	if !listed {
		// A name that does not exist, which the events report, or one of chan_sip's
		// from a database, which they do not report for every method.
		return a.Status == 403 && a.Method != intake.Invite || a.Status == 401 && !r.OfPJSIP()
	}
	// PJSIP refuses with 403 what had the right password, such as one registration
	// too many.
	return a.Status != 403 || !login.Sure
}

// knows says whether a response shows that its receiver knows the password. For a
// SUBSCRIBE to chan_sip only the response shows it: 403 means a wrong password, 404 and
// success a right one. For other methods 404 may come before the password is checked.
func knows(a *intake.Answer, login calls.Account) bool {
	if a.Outcome == intake.Revealed {
		return true
	}
	ok := a.Status == 404 || a.Status/100 == 2
	return ok && !login.Sure && a.Method == intake.Subscribe
}

// testsPassword says whether the success of chan_sip's that no password was asked for may
// tell a guesser that one is right: the REGISTER had credentials and ends a registration.
func testsPassword(a *intake.Answer, r *sip.Response) bool {
	seconds, told := r.Expires()
	return a.Names.User != "" && told && seconds == 0
}

// attempt judges one attempt: a failure by itself, a success for what went before
// it.
func (j *Judge) attempt(now time.Time, o *score.Observation) {
	if j.Contain.Restrictions.Refused(o) {
		return
	}
	j.counters.Observations++
	j.meters.observed(o.Proof)
	if o.Signal.Failure() && j.graced(now, o) {
		j.counters.GracePeriod++
		return
	}
	old, moved := false, o.Signal == score.SuccessfulAuth && j.phones.MovedHere(o)
	o.Own = moved
	if o.Signal.Failure() {
		j.Contain.Costs.Failed(now, o.Account, o.Source)
		o.Own = j.phones.OwnPhone(o)
		old = o.Own || j.Contain.Rotations.InGrace(now, o.Account)
		if o.Own && o.Proof == score.Proven {
			j.Places.OwnFailed(o.Account, event.SourcePrefix(o.Source), now)
		}
	}
	var broken score.Observation
	brokenIn := false
	switch {
	case old: // an old password in one of the account's phones is no guess
	case j.phones.Excused(o):
		broken, brokenIn = j.breakIn.Doubtful(o)
	default:
		broken, brokenIn = j.breakIn.Observe(o)
	}
	if moved {
		j.arrived(o)
	}
	j.observe(o, nil)
	if brokenIn {
		j.observe(&broken, nil)
	}
	j.observeSlow(o)
	if !brokenIn && o.Signal == score.SuccessfulAuth && o.Proof == score.Proven && j.Places.Known(string(o.Account), o.Source, now) {
		j.phones.SignedIn(o)
		j.Places.Protect(o, j.against)
		if o.Transport.Connected() {
			j.Places.Connected(o)
		}
	}
	if !brokenIn && o.Signal == score.SuccessfulAuth {
		j.Partial.PhoneAt(o.At, o)
	}
	j.weigh(o)
	j.takeTurns(o)
}
