// Package intake turns what the sensors report into observations. It decides
// what counts as one attempt, which account it is about, and whether the address
// it came from is proven.
//
// It is pure: time is an argument, and nothing waits. It has no lock; its owner
// calls it from one goroutine at a time.
package intake

import (
	"bytes"
	"net/netip"
	"time"

	"github.com/tollwarden/tollwarden/ami/event"
	"github.com/tollwarden/tollwarden/responder/score"
)

// Intake is the first station of an event.
type Intake struct {
	Canaries Canaries
	Proof    *Proof
	Wire     *Wire
	Nonces   *Nonces
	Pings    *Pings

	username   string     // our own name on the manager interface
	own        netip.Addr // where our own manager sessions come from
	dedup      *dedup     // nil when there is only the event session
	attempts   *score.Attempts
	challenges *score.Challenges
	unasked    unasked
	failures   [sensors]time.Time // when each sensor last reported one
	blindedAt  time.Time
}

// New makes an Intake for a daemon that logs in with this name. others says that
// there are other sensors beside the event session.
func New(username string, others bool) *Intake {
	in := &Intake{
		Canaries: Canaries{username: username}, Proof: newProof(), Wire: newWire(), Nonces: newNonces(), Pings: newPings(), username: username,
		attempts: score.NewAttempts(0), challenges: score.NewChallenges(), unasked: unasked{},
	}
	if others {
		in.dedup = newDedup()
	}
	return in
}

// SetOwn sets where our own manager sessions come from, as Asterisk sees it.
func (in *Intake) SetOwn(addr netip.Addr) { in.own = addr }

// Take makes an observation of a security event. It borrows the event's memory.
// news is false when another sensor has reported the event before; ok is false
// when there is nothing to judge: a canary, one of our own sessions, a success without
// a password, or a failure that chan_sip may blame on the wrong address.
func (in *Intake) Take(now time.Time, s Sensor, e *event.Event) (o score.Observation, news, ok bool) {
	if isFailure(e.Kind) {
		in.failures[s] = now
	}
	if in.Canaries.heard(now, s, e) {
		return o, true, false
	}
	if s.Plain() && string(e.Service) == "PJSIP" && isFailure(e.Kind) {
		in.Pings.Logged(now, e)
	}
	if !in.dedup.first(now, s, e) {
		return o, false, false
	}
	in.complete(now, s, e)
	if isOwn(e, in.username, in.own) {
		return o, true, false
	}
	if isFailure(e.Kind) && string(e.Service) == "SIP" && e.Transport == event.UDP && in.Wire.accused(now, e.Remote.Addr()) {
		return o, true, false
	}
	o = translate(now, e)
	in.Proof.weigh(now, e, &o)
	if in.registers(e) {
		in.Wire.accepted.take(now, e.Remote)
	}
	in.nameAccount(e, &o)
	return o, true, !in.wasUnasked(now, e, o.Account)
}

// Unseen records that some packets on the wire were missed.
func (in *Intake) Unseen(now time.Time) {
	in.Proof.Unseen(now)
	in.Unwatched(now)
}

// Unwatched records that nothing on the wire was seen until now.
func (in *Intake) Unwatched(now time.Time) {
	in.Nonces.Missed(now)
	in.Wire.Unseen(now)
}

func isFailure(k event.Kind) bool {
	return k == event.ChallengeResponseFailed || k == event.InvalidPassword || k == event.InvalidAccountID
}

// Count joins the halves of an attempt that Asterisk reports in several events,
// and returns what is to be scored. ok is false for a half that is counted
// already, and for what is no attempt: a challenge, a ping, and the refusal of a login
// that had the right password.
func (in *Intake) Count(e *event.Event, o *score.Observation) (counted score.Observation, ok bool) {
	if e.Kind == event.FailedACL && bytes.HasPrefix(e.ACLName, registrar) {
		return counted, false
	}
	counted, ok = in.attempts.Count(o)
	if string(e.Service) == "PJSIP" {
		ok = in.Pings.weigh(o, counted.Signal, ok)
	}
	return counted, ok && counted.Signal != score.ChallengeSent
}

// Tampering makes an observation of lines that Asterisk did not write as they
// stand; e has the true source and transport, and the text. ok is false when no
// source is known, or another sensor reported it before. The observation is never
// proven: whoever forges lines may have forged the one that names the source, too.
func (in *Intake) Tampering(now time.Time, s Sensor, e *event.Event) (o score.Observation, ok bool) {
	if !e.Remote.IsValid() || !in.dedup.first(now, s, &event.Event{Remote: e.Remote}) {
		return o, false
	}
	return score.Observation{
		At: now, Signal: score.Tampering, Source: e.Remote.Addr(), Port: e.Remote.Port(), Transport: e.Transport, Raw: e.Raw,
	}, true
}

// Blinded records that Asterisk could not issue a security event: an attacker
// evades the events, and only the log shows it. news is false within a minute of
// the last time.
func (in *Intake) Blinded(now time.Time) (news bool) {
	news = now.Sub(in.blindedAt) > time.Minute
	in.blindedAt = now
	return news
}

// BlindedAt is when Asterisk last said so; the zero time when it never did.
func (in *Intake) BlindedAt() time.Time { return in.blindedAt }

// LastFailures is when the events, and when Asterisk's log, last reported a
// failed attempt: a log that stays behind does not hold them.
func (in *Intake) LastFailures() (events, log time.Time) {
	for _, at := range in.failures[SensorSecurityLog:SensorWire] {
		if at.After(log) {
			log = at
		}
	}
	return in.failures[SensorAMI], log
}

// complete adds what the log leaves out of a PJSIP attempt and the events
// report: the challenges, and that an account does not exist, for which the log
// gives the name that was tried.
func (in *Intake) complete(now time.Time, s Sensor, e *event.Event) {
	if !s.Plain() || string(e.Service) != "PJSIP" {
		return
	}
	o := score.Observation{At: now, Signal: signals[e.Kind], Source: e.Remote.Addr(), Session: e.SessionID}
	if in.attempts.InferChallenge(&o) {
		e.AccountID = unknownAccount
	}
}

var unknownAccount = []byte(event.Unknown)

// nameAccount finds the account where chan_sip's AccountID may be a dialled
// number instead: the challenge of an INVITE named who it was from; without such
// a challenge it was a REGISTER, and AccountID is its account.
func (in *Intake) nameAccount(e *event.Event, o *score.Observation) {
	switch e.AccountTrust() {
	case event.AccountURI:
		challenge := *o
		challenge.Account = e.AccountID
		in.challenges.Remember(&challenge)
	case event.AccountOrNumber:
		o.Account = e.AccountID
		if user, ok := in.challenges.From(o.Source, o.Session); ok {
			o.Account = user
		}
	}
}
