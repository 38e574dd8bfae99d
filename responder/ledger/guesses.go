package ledger

import (
	"context"
	"database/sql"
	"net/netip"
	"time"

	"github.com/tollwarden/tollwarden/ami/event"
	"github.com/tollwarden/tollwarden/responder/score"
)

// Guess is what one address failed for one account. It counts for days, so that a
// restart must not forget it.
type Guess struct {
	Account     string
	Prefix      netip.Prefix // the source: /32 or /64
	First, Last time.Time
	Failures    int // 0: it no longer counts
	Proven      int // of them
	Port        uint16
	Transport   event.Transport
	Signal      score.Signal // of the newest failure
	Own         bool         // by a phone of the account with an old password
}

const (
	// keepGuesses is how long a guess is kept after its last failure.
	keepGuesses = 31 * 24 * time.Hour
	// maxGuesses bounds their table. Beyond it those without a proven failure, and
	// then the oldest, go first.
	maxGuesses = 50_000
)

// PutGuess records a guess in place of an earlier one of the same address and account.
// It does not wait.
func (l *Ledger) PutGuess(g Guess) {
	if !g.Prefix.IsValid() {
		l.refuse(kindGuess)
		return
	}
	g.Account, g.Prefix, g.First, g.Last = text(g.Account), g.Prefix.Masked(), moment(g.First), moment(g.Last)
	l.put(putGuess{g})
}

// Guesses returns all guesses that count, the oldest first.
func (l *Ledger) Guesses(ctx context.Context) ([]Guess, error) {
	return read(ctx, l, func(ctx context.Context, db *sql.DB) ([]Guess, error) {
		var version int
		if err := db.QueryRowContext(ctx, "PRAGMA user_version").Scan(&version); err != nil || version < guessesVersion {
			return nil, err
		}
		rows, err := db.QueryContext(ctx, `SELECT account, prefix, first, last, failures, proven, port, transport, signal, own
			FROM guesses WHERE failures > 0 OR own ORDER BY last, account, prefix`)
		return collect(rows, err, scanGuess)
	})
}

// guessesVersion is the first schema version with guesses.
const guessesVersion = 6

func scanGuess(rows *sql.Rows) (g Guess, err error) {
	var prefix, transport, signal string
	var first, last sql.NullInt64
	if err := rows.Scan(&g.Account, &prefix, &first, &last, &g.Failures, &g.Proven, &g.Port, &transport, &signal, &g.Own); err != nil {
		return g, err
	}
	g.First, g.Last = fromMillis(first), fromMillis(last)
	g.Transport, _ = event.ParseTransport(transport) // "" is unknown
	if err := g.Signal.UnmarshalText([]byte(signal)); err != nil {
		return g, err
	}
	g.Prefix, err = netip.ParsePrefix(prefix)
	return g, err
}

type putGuess struct{ Guess }

type guessKey struct {
	account string
	prefix  netip.Prefix
}

func (putGuess) kind() kind { return kindGuess }
func (c putGuess) key() any { return guessKey{c.Account, c.Prefix} }
func (putGuess) rows() int  { return 1 }

func (putGuess) merge(newer change) (change, bool) { return newer, true }

func (c putGuess) write(w *writer) error {
	return w.exec(`INSERT OR REPLACE INTO guesses (account, prefix, first, last, failures, proven, port, transport, signal, own)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		c.Account, c.Prefix.String(), c.First.UnixMilli(), c.Last.UnixMilli(), c.Failures, c.Proven, c.Port, c.Transport.String(), c.Signal.String(), c.Own)
}
