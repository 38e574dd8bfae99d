package score

import (
	"cmp"
	"hash/maphash"
	"net/netip"

	"github.com/tollwarden/tollwarden/ami/event"
)

// Attempts pairs the security events of one SIP attempt on an account that
// Asterisk does not know, so that the attempt counts once. PJSIP raises, for
// one request and its answer to the challenge,
//
//	InvalidAccountID, ChallengeSent, InvalidAccountID, ChallengeResponseFailed
//
// all with the Call-ID as session. The account is "<unknown>", except in
// InvalidAccountID, which contains the name tried. "Once per session" would not
// work: an attacker can reuse a Call-ID indefinitely, skip the answer, or answer
// with an old nonce, and would then get thousands of guesses for one.
//
// The state machine for a source and session:
//
//	state       InvalidAccountID   ChallengeSent       ChallengeResponseFailed
//	idle        count → probed     –                   count
//	probed      count              → challenged        absorbed → idle
//	challenged  defer → answering  → idle              count → idle
//	answering   count → probed     count → challenged  absorbed → idle
//
// probed: a request was counted and its response is outstanding. challenged: the
// response was a challenge. answering: another request followed. It either answers
// the challenge, in which case a failure follows, or it is a new request, in which
// case another challenge follows.
//
// An attacker cannot evade the count. Only an InvalidAccountID after a counted one
// and its challenge is skipped, and skipping it changes the state. So at least every
// other request of a session counts, which is exactly one for each attempt of two
// requests. Events that name an account are guesses at a real password: they do not
// affect the state and always count. Lost events only lead to states that count
// more: after a lost response, the state is probed or answering, where the next
// request counts; after a lost request, its response counts.
//
// The table has a fixed size and one slot per session, chosen by a seeded hash that
// attackers cannot compute. A session replaces another one in its slot, unless that
// one is answering, that is, has a count outstanding; then the new session is not
// tracked and treated as idle. In both cases everything counts. So a flood of
// sessions can make attempts count twice, but not less, unless Asterisk takes longer
// than answerTimeout to send a challenge.
//
// Attempts has no lock: its owner calls it from one goroutine at a time.
type Attempts struct {
	seed  maphash.Seed
	slots []slot
	clock clock
}

type stage uint8

const (
	idle stage = iota
	probed
	challenged
	answering
)

// slot holds the state of a session. Sessions are identified by 64 bits of a seeded
// hash.
type slot struct {
	session uint64
	at      uint32 // time of the last event, in seconds since 1970
	stage   stage
}

const (
	// attemptTimeout is how long an attempt may take, in seconds: the default
	// lifetime of PJSIP's nonces, and of a SIP transaction (RFC 3261, timer B).
	attemptTimeout = 32
	// answerTimeout is how long a count may be outstanding, in seconds. Asterisk
	// raises both events of a request within milliseconds.
	answerTimeout = 5
)

// NewAttempts returns a table for about that many concurrent sessions; 0 means
// 65,536, which take 1 MB.
func NewAttempts(sessions int) *Attempts {
	size := 1
	for size < cmp.Or(max(sessions, 0), 1<<16) {
		size *= 2
	}
	return &Attempts{seed: maphash.MakeSeed(), slots: make([]slot, size)}
}

// Count returns the observation to score in place of o; ok is false if o does not
// count. The result is o itself, with one exception: a ChallengeSent can show that an
// InvalidAccountID held back earlier was a separate attempt. It is then returned as
// an InvalidAccountID without the name tried. Signals that are not part of an attempt
// are returned unchanged, and so is any other ChallengeSent, which carries no points.
func (a *Attempts) Count(o *Observation) (counted Observation, ok bool) {
	switch o.Signal {
	case InvalidAccountID:
	case ChallengeSent, ChallengeResponseFailed:
		if !unknownAccount(o.Account) {
			return *o, true
		}
	default:
		return *o, true
	}
	now := uint32(a.clock.micros(o.At) / 1_000_000)
	s := a.slot(o.Source, o.Session, now)
	if s == nil {
		return *o, true
	}
	next, counts := s.stage.after(o.Signal)
	probe := s.stage == answering && o.Signal == ChallengeSent
	s.stage, s.at = next, now
	counted = *o
	if probe {
		counted.Signal = InvalidAccountID
	}
	return counted, counts
}

// InferChallenge is called before Count for sensors that do not report challenges. It
// takes a request after a counted one as proof that the counted one was challenged.
// Count may then skip every other request, but not more. unknown is true for a failed
// response that belongs to the request before it, and so to an account that does not
// exist, which such a sensor does not report either.
func (a *Attempts) InferChallenge(o *Observation) (unknown bool) {
	if o.Signal != InvalidAccountID && o.Signal != ChallengeResponseFailed {
		return false
	}
	s := a.slot(o.Source, o.Session, uint32(a.clock.micros(o.At)/1_000_000))
	if s == nil {
		return false
	}
	if o.Signal == ChallengeResponseFailed {
		return s.stage == probed || s.stage == answering
	}
	if s.stage == probed {
		s.stage = challenged
	}
	return false
}

// after is the table above.
func (s stage) after(e Signal) (next stage, counts bool) {
	switch e {
	case InvalidAccountID:
		if s == challenged {
			return answering, false
		}
		return probed, true
	case ChallengeSent:
		switch s {
		case probed, answering:
			return challenged, true // after probed, it carries no points
		default:
			return idle, true
		}
	default: // ChallengeResponseFailed
		return idle, s == idle || s == challenged
	}
}

// slot returns the slot of a session. It resets the slot if the slot belonged to
// another session or has expired. It returns nil if the slot is not available.
func (a *Attempts) slot(source netip.Addr, session []byte, now uint32) *slot {
	h := hashSession(a.seed, source, session)
	s := &a.slots[h&uint64(len(a.slots)-1)]
	age := int64(now) - int64(s.at) // slightly negative if sensors disagree
	switch {
	case s.session == h:
		if age > attemptTimeout {
			s.stage = idle
		}
	case s.stage == answering && age <= answerTimeout && age >= -answerTimeout:
		return nil
	default:
		*s = slot{session: h}
	}
	return s
}

func unknownAccount(name []byte) bool { return len(name) == 0 || string(name) == event.Unknown }
