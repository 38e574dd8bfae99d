package intake

import (
	"net/netip"
	"strings"
	"time"

	"github.com/tollwarden/tollwarden/ami/event"
	"github.com/tollwarden/tollwarden/responder/score"
	"github.com/tollwarden/tollwarden/responder/sip"
)

// Outcome is what a response says of the credentials that it answers.
type Outcome uint8

const (
	// Unknown: the response says nothing of credentials.
	Unknown Outcome = iota
	// Refused: they were wrong. Whoever sent them has guessed.
	Refused
	// Accepted: they were right, or they were not looked at.
	Accepted
	// Revealed: the password was right, and the request failed because its nonce was
	// old or invented (stale=true). Whoever received this knows the password.
	Revealed
	// Unasked: a REGISTER was accepted without credentials, or without a look at them.
	Unasked
)

// Answer is a response joined with its request.
type Answer struct {
	Outcome Outcome
	Hidden  bool // no request was seen that it answers, or not all of it
	Status  int
	Method  string         // of the request, or of CSeq if it is hidden: one of those below, or ""
	To      netip.AddrPort // that the response was really sent to
	From    netip.AddrPort // that the request came from; To if it is hidden
	// First says that this is the first challenge in its dialog. chan_sip sends that
	// without a look at credentials, such as those that a phone keeps from its last call
	// (check_auth).
	First bool
	// Misdirected says that the response went to another address than the request
	// came from: the request's sender asked for that, by a Via with maddr.
	Misdirected bool
	Names       Names
	Account     string // that they belong to; for the caller to fill in
	Nonce       string // that the credentials answer; "" when they name none
	Session     []byte // the Call-ID; borrowed from the response
	Message     []byte // the response; borrowed
}

// Blind is the answer to a request whose response is not let out, where the request wants
// it sent to: it counts as a refusal. It borrows r. Nothing is quoted of the request,
// since its digest would let others test passwords.
func Blind(from netip.AddrPort, r *sip.Request) Answer {
	return Answer{
		Outcome: Refused, Method: methodOf(r.Method), To: netip.AddrPortFrom(r.AnswerTo, from.Port()), From: from, Misdirected: true,
		Names: Names{User: string(event.UnescapeUser(r.User))}, Nonce: string(r.Nonce), Session: r.ID.CallID,
	}
}

// SignedIn says that nonce and password were right. Other methods and statuses may be
// answered before Asterisk checks them, but not a call to a number that does not exist.
func (a *Answer) SignedIn() bool {
	success := a.Status/100 == 2 && a.Method != ""
	return a.Outcome == Accepted && (success || a.Status == 404 && a.Method == Invite)
}

// Names are the accounts that a request may be for; "" where it names none. Which one
// counts depends on the channel driver. From and To are from the response, as Asterisk
// read them, and User from the credentials.
type Names struct{ From, To, User string }

// The methods that are distinguished.
const Register, Invite, Subscribe = "REGISTER", "INVITE", "SUBSCRIBE"

// methodOf is one of these, or "" for any other.
func methodOf(method []byte) string {
	for _, m := range [...]string{Register, Invite, Subscribe} {
		if strings.EqualFold(m, string(method)) {
			return m
		}
	}
	return ""
}

func outcome(r *sip.Response) Outcome {
	if r.Policy() {
		return Accepted
	}
	switch r.Status {
	case 401, 407:
		if r.Stale() {
			return Revealed
		}
		return Refused
	case 403:
		return Refused
	}
	return Accepted
}

// Refused makes an observation of a guess that the wire shows. Its source is where the
// request came from: the receiver of a misdirected refusal need not have asked for it.
// pjsip says which channel driver answered. news is false when another sensor has
// reported the attempt before. It borrows a.
func (in *Intake) Refused(now time.Time, a *Answer, pjsip bool) (o score.Observation, news bool) {
	e := event.Event{
		Kind: event.ChallengeResponseFailed, Service: serviceSIP, SessionID: a.Session,
		Remote: netip.AddrPortFrom(a.From.Addr().Unmap(), a.From.Port()), Transport: event.UDP,
	}
	if pjsip {
		e.Service = servicePJSIP
	}
	in.failures[SensorWire] = now
	if !in.dedup.first(now, SensorWire, &e) {
		return o, false
	}
	return in.fromWire(now, a, a.From, score.ChallengeResponseFailed, e.Service), true
}

// Revealed makes an observation of a response that shows its receiver to know the
// password. It borrows a.
func (in *Intake) Revealed(now time.Time, a *Answer) score.Observation {
	return in.fromWire(now, a, a.To, score.SuccessfulAuth, servicePJSIP)
}

func (in *Intake) fromWire(now time.Time, a *Answer, by netip.AddrPort, s score.Signal, service []byte) score.Observation {
	o := score.Observation{
		At: now, Signal: s, Source: by.Addr().Unmap(), Port: by.Port(), Transport: event.UDP,
		Service: service, Account: []byte(a.Account), Session: a.Session, Raw: a.Message,
	}
	if !a.Misdirected && !in.Proof.suspended(now) && in.Proof.answered(now, o.Source, []byte(a.Nonce)) {
		o.Proof = score.Proven
	}
	return o
}
