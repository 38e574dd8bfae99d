package responder

import (
	"bytes"
	"net/netip"
	"time"

	"github.com/tollwarden/tollwarden/ami"
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
	ami.FailedACL:               score.FailedACL,
	ami.InvalidAccountID:        score.InvalidAccountID,
	ami.SessionLimit:            score.SessionLimit,
	ami.MemoryLimit:             score.MemoryLimit,
	ami.LoadAverageLimit:        score.LoadAverageLimit,
	ami.RequestNotSupported:     score.RequestNotSupported,
	ami.RequestNotAllowed:       score.RequestNotAllowed,
	ami.AuthMethodNotAllowed:    score.AuthMethodNotAllowed,
	ami.RequestBadFormat:        score.RequestBadFormat,
	ami.SuccessfulAuth:          score.SuccessfulAuth,
	ami.UnexpectedAddress:       score.UnexpectedAddress,
	ami.ChallengeResponseFailed: score.ChallengeResponseFailed,
	ami.InvalidPassword:         score.InvalidPassword,
	ami.ChallengeSent:           score.ChallengeSent,
	ami.InvalidTransport:        score.InvalidTransport,
}

// derived are the signals that no event of Asterisk carries by name and that
// this version raises.
var derived = []score.Signal{score.SuccessAfterFailures, score.Tampering}

// Raises says whether this version ever raises a signal, so that a threshold
// may count it.
func Raises(s score.Signal) bool {
	for _, sign := range signOf {
		if s == sign {
			return true
		}
	}
	for _, raised := range append(signals[:], derived...) {
		if s == raised && s != score.ChallengeSent {
			return true
		}
	}
	return false
}

// translate makes an observation of a security event. The observation borrows
// the event's memory. False means that the event says nothing of a stranger.
func translate(now time.Time, e *ami.Event, o *score.Observation) bool {
	*o = score.Observation{
		At: now, Signal: signals[e.Kind],
		Source: e.Remote.Addr(), Port: e.Remote.Port(), Transport: transports[e.Transport],
		Service: e.Service, Account: e.Account(), Session: e.SessionID, Raw: e.Raw,
	}
	if e.Proven() {
		o.Proof = score.Proven
	}
	return !(e.Kind == ami.FailedACL && bytes.HasPrefix(e.ACLName, registrar))
}

var transports = [...]score.Transport{
	ami.TransportUnknown: score.Unknown, ami.UDP: score.UDP, ami.TCP: score.TCP,
	ami.TLS: score.TLS, ami.WS: score.WS, ami.WSS: score.WSS,
}

// tampering makes an observation of the forged lines that the parser has just
// refused; e tells the source that Asterisk itself wrote. It is never proven:
// who forges lines may have forged the one that names the source, too.
func tampering(now time.Time, e *ami.Event) score.Observation {
	return score.Observation{
		At: now, Signal: score.Tampering, Source: e.Remote.Addr(), Port: e.Remote.Port(), Transport: transports[e.Transport], Raw: e.Raw,
	}
}

// isOwn says whether the event comes from our own manager sessions: their
// logins are Asterisk's only AMI events that no stranger raises. A canary of
// theirs may be of a process before this one.
func isOwn(e *ami.Event, username string, own netip.Addr) bool {
	return bytes.Equal(e.Service, serviceAMI) && e.Remote.Addr() == own &&
		(string(e.AccountID) == username || bytes.HasPrefix(e.AccountID, canaryPrefix))
}
