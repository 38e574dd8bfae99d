package judge

import (
	"bytes"
	"net/netip"
	"time"

	"github.com/tollwarden/tollwarden/ami/event"
	"github.com/tollwarden/tollwarden/responder/calls"
	"github.com/tollwarden/tollwarden/responder/intake"
	"github.com/tollwarden/tollwarden/responder/score"
)

// Event takes one event that is what it says. It borrows the event's memory. news
// is false when another sensor has reported it before.
func (j *Judge) Event(now time.Time, s intake.Sensor, e *event.Event) (news bool) {
	if s.Plain() && intake.Misdialled(e) {
		return false
	}
	j.counters.Events++
	if s != intake.SensorAMI {
		j.counters.Logged++
	}
	j.meters.event(e.Kind)
	j.raise(now, j.Calls.MissingLogins(now), nil)
	switch e.Kind {
	case event.Newchannel:
		j.channelUp(now, e)
	case event.Newstate:
		j.channelState(now, e)
	case event.Hangup:
		j.channelDown(now, e)
	case event.DialBegin:
		j.dialled(now, e)
	case event.DialEnd:
		j.forwarded(e)
	case event.BlindTransfer:
		j.transferred(now, e)
	default:
		return j.security(now, s, e)
	}
	return true
}

// security judges one security event: a failure by itself, a success for what
// went before it.
func (j *Judge) security(now time.Time, s intake.Sensor, e *event.Event) (news bool) {
	if !e.Kind.Security() {
		return true
	}
	if j.hold(now, s, e) {
		return true
	}
	return j.judgeSecurity(now, s, e)
}

func (j *Judge) judgeSecurity(now time.Time, s intake.Sensor, e *event.Event) (news bool) {
	o, news, ok := j.Intake.Take(now, s, e)
	if !ok {
		return news
	}
	j.heard(now, e)
	j.loggedIn(now, e, &o)
	if counted, ok := j.Intake.Count(e, &o); ok && !j.familiar(&counted) {
		j.attempt(now, &counted)
	}
	return true
}

// familiar says whether an account that does not exist was named by somebody who belongs
// here: a carrier, whose pings and calls may name anything, or a phone that keeps its
// connection alive.
func (j *Judge) familiar(o *score.Observation) bool {
	if o.Signal != score.InvalidAccountID {
		return false
	}
	if j.Places.Carrier(event.SourcePrefix(o.Source)) || j.Places.Speaks(netip.AddrPortFrom(o.Source, o.Port)) && j.Intake.Pings.KeepAlive(o) {
		j.counters.Pings++
		return true
	}
	return false
}

// graced says whether a failure is the rightful owner's phone, which still has
// the password that we changed.
func (j *Judge) graced(now time.Time, o *score.Observation) bool {
	return j.Contain.Rotations.InGrace(now, o.Account) && j.Places.Known(string(o.Account), o.Source, now)
}

// loggedIn handles what a security event says about an account in use.
func (j *Judge) loggedIn(now time.Time, e *event.Event, o *score.Observation) {
	if len(o.Account) == 0 || intake.Manager(e) {
		return
	}
	j.connected(now, e, o)
	switch {
	case e.Kind == event.ChallengeSent && e.AccountTrust() == event.AccountURI:
		j.Calls.InviteChallenged(now, o.Account, loginOf(o))
	case e.Kind == event.SuccessfulAuth:
		j.raise(now, j.Calls.Login(now, o.Account, loginOf(o)), e.Raw)
	case e.Kind == event.FailedACL && bytes.Equal(e.ACLName, tooManyContacts):
		j.raise(now, j.Calls.ContactLimitReached(now, o.Account, loginOf(o)), e.Raw)
	}
}

// tooManyContacts is the ACLName of a login that was right and came to one
// registration too many (res_pjsip_registrar.c).
var tooManyContacts = []byte("registrar_attempt_exceeds_maximum_configured_contacts")

func loginOf(o *score.Observation) calls.Login {
	return calls.Login{Source: o.Source, Port: o.Port, Transport: o.Transport, Proven: o.Proof == score.Proven}
}

// Ignored counts an event that is none of those a Judge knows.
func (j *Judge) Ignored() { j.counters.Events++ }

// Tampered takes something that Asterisk did not write as it stands: of e the
// true source with its transport, and the text.
func (j *Judge) Tampered(now time.Time, s intake.Sensor, e *event.Event) {
	j.counters.Events++
	j.counters.Tampered++
	if o, ok := j.Intake.Tampering(now, s, e); ok {
		j.observe(&o, nil)
	}
}

// Blinded records that Asterisk could not issue a security event.
// news is false within a minute of the last time.
func (j *Judge) Blinded(now time.Time) (news bool) {
	j.counters.NotIssued++
	return j.Intake.Blinded(now)
}

// Challenged takes a nonce that left for an address, in the answer to a request
// that Asterisk had from one of these. It borrows of and nonce.
func (j *Judge) Challenged(now time.Time, to netip.Addr, of []netip.Addr, nonce []byte) {
	if j.Intake.Proof.Challenged(now, to, of, nonce) {
		j.counters.Challenges++
	} else {
		j.counters.Misdirected++
	}
}

// evidence is what is known against accounts and addresses.
type evidence struct {
	breakIn *score.BreakIn
	table   *score.Table
}

// Guessed says whether others failed for an account.
func (e *evidence) Guessed(account string) bool { return e.breakIn.HasFailures(account) }

// Failed says whether an account failed at an address, by evidence as good as
// least at least.
func (e *evidence) Failed(account string, source netip.Addr, least score.Proof) bool {
	for _, r := range e.table.Evidence(score.SourceKey(source)) {
		if r.Signal.Failure() && r.Proof >= least && r.Account == account {
			return true
		}
	}
	return false
}
