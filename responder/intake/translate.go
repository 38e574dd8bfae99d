package intake

import (
	"bytes"
	"net/netip"
	"time"

	"github.com/tollwarden/tollwarden/ami/event"
	"github.com/tollwarden/tollwarden/responder/score"
)

var (
	serviceAMI = []byte("AMI")
	// registrar begins the ACLName of a FailedACL that an account with the
	// right password raised, by a contact too many for instance
	// (res_pjsip_registrar.c): no sign of an attack by itself.
	registrar = []byte("registrar_")
)

// signals gives the signal of each security event.
var signals = [...]score.Signal{
	event.FailedACL:               score.FailedACL,
	event.InvalidAccountID:        score.InvalidAccountID,
	event.SessionLimit:            score.SessionLimit,
	event.MemoryLimit:             score.MemoryLimit,
	event.LoadAverageLimit:        score.LoadAverageLimit,
	event.RequestNotSupported:     score.RequestNotSupported,
	event.RequestNotAllowed:       score.RequestNotAllowed,
	event.AuthMethodNotAllowed:    score.AuthMethodNotAllowed,
	event.RequestBadFormat:        score.RequestBadFormat,
	event.SuccessfulAuth:          score.SuccessfulAuth,
	event.UnexpectedAddress:       score.UnexpectedAddress,
	event.ChallengeResponseFailed: score.ChallengeResponseFailed,
	event.InvalidPassword:         score.InvalidPassword,
	event.ChallengeSent:           score.ChallengeSent,
	event.InvalidTransport:        score.InvalidTransport,
}

// derived are the signals that no event of Asterisk carries by name and that
// come from this package and from score.
var derived = []score.Signal{score.SuccessAfterFailures, score.NewPlaceAfterFailures, score.Tampering}

// Raises says whether security events ever raise a signal, so that a threshold
// may count it.
func Raises(s score.Signal) bool {
	for _, raised := range append(signals[:], derived...) {
		if s == raised && s != score.ChallengeSent {
			return true
		}
	}
	return false
}

// translate makes an observation of a security event.
func translate(now time.Time, e *event.Event) score.Observation {
	o := score.Observation{
		At: now, Signal: signals[e.Kind],
		Source: e.Remote.Addr(), Port: e.Remote.Port(), Transport: e.Transport,
		Service: e.Service, Account: e.Account(), Session: e.SessionID, Raw: e.Raw,
	}
	if e.Proven() {
		o.Proof = score.Proven
	}
	return o
}

// isOwn says whether the event comes from our own manager sessions: their
// logins are Asterisk's only AMI events that nobody else raises. A canary of
// theirs may be of a process before this one.
func isOwn(e *event.Event, username string, own netip.Addr) bool {
	return bytes.Equal(e.Service, serviceAMI) && e.Remote.Addr() == own &&
		(string(e.AccountID) == username || bytes.HasPrefix(e.AccountID, canaryPrefix))
}

// Manager says whether the event is one of the manager interface.
func Manager(e *event.Event) bool { return bytes.Equal(e.Service, serviceAMI) }
