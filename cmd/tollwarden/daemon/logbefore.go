package daemon

import (
	"context"
	"net/netip"
	"time"

	"github.com/tollwarden/tollwarden/ami/event"
	"github.com/tollwarden/tollwarden/ami/logfile"
	"github.com/tollwarden/tollwarden/responder/intake"
	"github.com/tollwarden/tollwarden/responder/judge"
)

// The log of the time before the start is read twice: once to learn who guessed, before
// Asterisk's registrations are taken, and then, when it is known who lives where, to have
// each line judged as of when it happened.

const (
	// beforeWithin bounds the first reading.
	beforeWithin = 3 * time.Second
	// reportAfter is when the lines are judged at the latest, though Asterisk cannot be
	// asked.
	reportAfter = 5 * time.Second
	// maxGuesses bounds the addresses and accounts of the first reading: those of the
	// newest lines beyond it are not counted.
	maxGuesses = 1 << 16
)

// logBefore is what the log says of the time before the start.
type logBefore struct {
	readC   chan struct{} // closed once guesses and successes are known
	askedC  chan struct{} // gets a value when the lines may be judged
	guesses map[guessed]*judge.Guess
	secured bool // it has lines of the security log, so also those of successes
}

// guessed is an account at an address.
type guessed struct {
	account string
	source  netip.Addr
}

func newLogBefore() logBefore {
	return logBefore{readC: make(chan struct{}), askedC: make(chan struct{}, 1), guesses: map[guessed]*judge.Guess{}}
}

// read is the first reading. missed reads the lines that were missed.
func (b *logBefore) read(ctx context.Context, now time.Time, missed *logfile.Follower) {
	defer close(b.readC)
	ctx, cancel := context.WithTimeout(ctx, beforeWithin)
	defer cancel()
	missed.Emit = func(rec *logfile.Record) { b.note(now, rec) }
	_ = missed.ReadMissed(ctx) // the check of the log says why it cannot be read
}

// note counts a wrong password.
func (b *logBefore) note(now time.Time, rec *logfile.Record) {
	e := &rec.Event
	b.secured = b.secured || rec.Security && !rec.Doubtful // whose successes do not count
	if rec.Finding != logfile.Seen || now.Sub(rec.At) > maxMissed || intake.Manager(e) {
		return
	}
	switch e.Kind {
	case event.InvalidPassword, event.ChallengeResponseFailed, event.InvalidAccountID:
	default:
		return
	}
	account := e.Account()
	if len(account) == 0 {
		account = e.AccountID // chan_sip's, of a REGISTER, and what a scanner tried
	}
	key := guessed{string(account), e.Remote.Addr().Unmap()}
	g := b.guesses[key]
	if g == nil {
		if len(b.guesses) >= maxGuesses {
			return
		}
		g = &judge.Guess{Source: key.source, Account: key.account, First: rec.At}
		b.guesses[key] = g
	}
	g.Failures, g.Last = g.Failures+1, rec.At
}

// Guesses waits for the first reading. It returns them once: later ones are seen as they
// happen.
func (s *logSensor) Guesses(ctx context.Context) (list []judge.Guess) {
	if s.follower == nil {
		return nil
	}
	select {
	case <-s.before.readC:
	case <-ctx.Done():
		return nil
	}
	for _, g := range s.before.guesses {
		list = append(list, *g)
	}
	s.before.guesses = nil
	return list
}

// Reported has the lines of the time before judged, and waits for what the log holds now.
func (s *logSensor) Reported(ctx context.Context) (all bool) {
	if s.follower == nil {
		return true
	}
	select {
	case s.before.askedC <- struct{}{}:
	default:
	}
	_ = s.follower.CatchUp(ctx) // the check of the log says why it cannot be read
	return ctx.Err() == nil
}

// Unknown says what the log does not know of the time before the start.
func (s *logSensor) Unknown() string {
	if s.follower == nil {
		return nothingBefore
	}
	select {
	case <-s.before.readC:
		if !s.before.secured {
			return failuresBefore
		}
	default:
	}
	return ""
}

const (
	nothingBefore  = "nothing is known of the time before the start, so whoever is signed in then counts as yours: set asterisk.log"
	failuresBefore = "of the time before the start only failures are known: for successes, add security to the log's line in logger.conf"
)
