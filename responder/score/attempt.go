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
// all with the account "<unknown>" but for InvalidAccountID, which gives the
// name tried, and all with the Call-ID as session. An attacker may go on with
// the same Call-ID for ever, leave out the answer, or answer with a nonce it
// already has, so that "once per session" would count one guess of thousands.
//
// What is counted, for a source and session:
//
//	state     InvalidAccountID    ChallengeSent      ChallengeResponseFailed
//	idle      count → probed      –                  count
//	probed    count               → challenged       absorbed → idle
//	challenged  defer → answering  → idle            count → idle
//	answering  count → probed     count → challenged  absorbed → idle
//
// probed: the response to a counted request is still to come. challenged: it
// was a challenge. answering: a request followed which is either the answer
// to it, as the failed response will show, or another one without an answer,
// as a challenge will show.
//
// Why no attacker is counted too little. Only an InvalidAccountID that follows
// a counted one and its challenge is ever left out, and the state is left with
// it: of the requests of a session at least every other one counts, which is
// exactly one for each attempt with its two requests. Events that name an
// account, which are guesses at a real password, touch no state and all count.
// Lost events only lead to states that count more: a lost response leaves
// probed or answering, where the next request counts; a lost request makes
// its response count.
//
// The table is of fixed size, with one place for a session, by a hash that
// nobody outside can compute. A session takes the place of another one unless
// that one is answering, that is, has a count outstanding; then the newcomer
// goes untracked, as if idle. Both lead to the state idle, where everything
// counts. So a flood of sessions can make attempts count twice; it cannot make
// anything count less, unless Asterisk takes answerLasts to raise a challenge.
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

// slot is the place of a session. Sessions are told apart by 64 bits of a
// seeded hash.
type slot struct {
	session uint64
	at      uint32 // seconds since 1970, of its last event
	stage   stage
}

const (
	// attemptLasts is how long an attempt may take: the lifetime of PJSIP's
	// nonces by default, and of a SIP transaction (RFC 3261, timer B).
	attemptLasts = 32
	// answerLasts is how long a count may be outstanding. Asterisk raises both
	// events of a request within milliseconds.
	answerLasts = 5
)

// NewAttempts makes a table with room for about so many sessions at once; 0
// means 65,536, which take 1 MB.
func NewAttempts(sessions int) *Attempts {
	size := 1
	for size < cmp.Or(max(sessions, 0), 1<<16) {
		size *= 2
	}
	return &Attempts{seed: maphash.MakeSeed(), slots: make([]slot, size)}
}

// Count says how an observation counts: not at all (ok is false), or as the
// observation returned, which is o itself but for a ChallengeSent that shows
// that an InvalidAccountID held back before it was a probe of its own: it is
// returned as that InvalidAccountID, without the name that was tried. Signals
// other than the three of an attempt count as they are; a ChallengeSent that
// shows nothing is returned as it is too, for it carries no points.
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

// Expect is called before Count by a sensor that shows no challenges. A
// request after a counted one tells that there was a challenge to that one,
// unless it was outstanding already: then Count may leave out every other
// request, but no more. unknown says that a failed response belongs to the
// request before it, and so to an account that does not exist, which such a
// sensor does not tell either.
func (a *Attempts) Expect(o *Observation) (unknown bool) {
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
			return challenged, true // of probed: nothing, with no points
		default:
			return idle, true
		}
	default: // ChallengeResponseFailed
		return idle, s == idle || s == challenged
	}
}

// slot is the place of a session, made idle when it was another's or has gone
// stale; nil when it cannot be had.
func (a *Attempts) slot(source netip.Addr, session []byte, now uint32) *slot {
	h := hashSession(a.seed, source, session)
	s := &a.slots[h&uint64(len(a.slots)-1)]
	age := int64(now) - int64(s.at) // a little below 0 when sensors disagree
	switch {
	case s.session == h:
		if age > attemptLasts {
			s.stage = idle
		}
	case s.stage == answering && age <= answerLasts && age >= -answerLasts:
		return nil
	default:
		*s = slot{session: h}
	}
	return s
}

func unknownAccount(name []byte) bool { return len(name) == 0 || string(name) == event.Unknown }
