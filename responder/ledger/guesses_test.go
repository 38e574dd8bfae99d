package ledger

import (
	"testing"
	"time"

	"github.com/tollwarden/tollwarden/ami/event"
	"github.com/tollwarden/tollwarden/responder/score"
)

// guess is what an address failed for an account.
func guess(n int, at time.Time, proven int) Guess {
	return Guess{
		Account: "1002", Prefix: source(n), First: at.Add(-time.Hour), Last: at, Failures: 3, Proven: proven,
		Port: 5061, Transport: event.UDP, Signal: score.InvalidPassword,
	}
}

// The newest state of a guess counts, and one that no longer counts is gone.
func TestGuesses(t *testing.T) {
	first, own := guess(1, noon, 1), guess(3, noon, 0)
	own.Failures, own.Own = 0, true
	inEachMoment(t, func(_ *testing.T, l *Ledger) {
		older := guess(1, noon.Add(-time.Minute), 0)
		l.PutGuess(older)
		l.PutGuess(first)
		l.PutGuess(guess(2, noon, 0))
		forgiven := guess(2, noon, 0)
		forgiven.Failures = 0
		l.PutGuess(forgiven)
		l.PutGuess(own)
	}, func(t *testing.T, l *Ledger) {
		same(t, "guesses", must[[]Guess](t)(l.Guesses(t.Context())), []Guess{first, own})
	})
}

// Guesses go after a month; when they are too many, those that may be spoofed go
// first.
func TestPruneGuesses(t *testing.T) {
	l, err := Open(file(t), Options{MaxRows: 10})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	l.PutGuess(guess(0, noon.Add(-32*24*time.Hour), 1))
	for n := range 8 {
		l.PutGuess(guess(1+n, noon.Add(time.Duration(n-3600)*time.Second), 1))
	}
	for n := range 30 { // forged, and newer
		l.PutGuess(guess(100+n, noon.Add(time.Duration(n-100)*time.Second), 0))
	}
	pruneAll(t, l, noon)
	proven := 0
	left := must[[]Guess](t)(l.Guesses(t.Context()))
	for _, g := range left {
		proven += g.Proven
	}
	if len(left) != 10 || proven != 8 {
		t.Errorf("%d guesses are left, %d of them proven", len(left), proven)
	}
}
