package ledger

import (
	"context"
	"database/sql"
	"net/netip"
	"time"
)

// Place is a source from which an account has signed in.
type Place struct {
	Account     string
	Prefix      netip.Prefix // the source: /32 or /64
	LastSuccess time.Time    // to about a minute
}

const (
	// placeEvery is the shortest time between two writes of the same place.
	placeEvery = time.Minute
	// placesSeen bounds the places remembered for that.
	placesSeen = 65_536
)

// PutPlace records a success of an account. It may be called for every success: it
// writes each place about once a minute. It does not wait.
func (l *Ledger) PutPlace(p Place) {
	if !p.Prefix.IsValid() {
		l.refuse(kindPlace)
		return
	}
	p.Prefix, p.LastSuccess, p.Account = p.Prefix.Masked(), moment(p.LastSuccess), text(p.Account)
	l.mu.Lock()
	fresh := l.places.mark(placeKey{p.Account, p.Prefix}, p.LastSuccess)
	l.mu.Unlock()
	if fresh {
		l.put(putPlace{p})
	}
}

// Places returns the places with a success at since or later, ordered by account
// and the text of the prefix.
func (l *Ledger) Places(ctx context.Context, since time.Time) ([]Place, error) {
	return read(ctx, l, func(ctx context.Context, db *sql.DB) ([]Place, error) {
		rows, err := db.QueryContext(ctx, `SELECT account, prefix, last_success FROM places
			WHERE last_success >= ? ORDER BY account, prefix`, since.UnixMilli())
		return collect(rows, err, func(rows *sql.Rows) (p Place, err error) {
			var prefix string
			var last sql.NullInt64
			if err := rows.Scan(&p.Account, &prefix, &last); err != nil {
				return p, err
			}
			p.LastSuccess = fromMillis(last)
			p.Prefix, err = netip.ParsePrefix(prefix)
			return p, err
		})
	})
}

type placeKey struct {
	account string
	prefix  netip.Prefix
}

// seen remembers when a place was last queued, for one to two minutes: the
// newer map takes entries until it is full or a minute old, then becomes the
// older one.
type seen struct {
	newer, older map[placeKey]time.Time
	begun        time.Time
}

// mark reports whether a success at this time should be written, and if so
// remembers it.
func (s *seen) mark(key placeKey, at time.Time) bool {
	last, known := s.newer[key]
	if !known {
		last, known = s.older[key]
	}
	if known && at.Sub(last).Abs() < placeEvery { // Abs: the clock may be set back
		return false
	}
	if s.newer == nil || len(s.newer) >= placesSeen || at.Sub(s.begun) >= placeEvery {
		s.older, s.newer, s.begun = s.newer, make(map[placeKey]time.Time), at
	}
	s.newer[key] = at
	return true
}

type putPlace struct{ Place }

func (putPlace) kind() kind { return kindPlace }
func (c putPlace) key() any { return placeKey{c.Account, c.Prefix} }
func (putPlace) rows() int  { return 1 }

func (c putPlace) merge(newer change) (change, bool) {
	if n := newer.(putPlace); n.LastSuccess.After(c.LastSuccess) {
		return n, true
	}
	return c, true
}

func (c putPlace) write(w *writer) error {
	return w.exec(`INSERT INTO places (account, prefix, last_success) VALUES (?, ?, ?)
		ON CONFLICT (account, prefix) DO UPDATE SET last_success = max(last_success, excluded.last_success)`,
		c.Account, c.Prefix.String(), c.LastSuccess.UnixMilli())
}
