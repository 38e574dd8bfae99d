package ledger

import (
	"context"
	"database/sql"

	"github.com/tollwarden/tollwarden/responder/incident"
)

// maxHold bounds the value of a hold, in bytes. A restriction names up to 64
// networks, and must not lose one.
const maxHold = 8 << 10

// PutHold records a lock or a restriction of an account. It replaces a hold of the
// same account and kind. It does not wait.
func (l *Ledger) PutHold(h incident.Hold) {
	h.Account, h.Kind, h.Value, h.Since = text(h.Account), text(h.Kind), bounded(h.Value, maxHold), moment(h.Since)
	l.put(putHold{h})
}

// DropHold records that a lock or a restriction was lifted. It does not wait.
func (l *Ledger) DropHold(account string, kind incident.HoldKind) {
	l.put(dropHold{holdKey{text(account), text(kind)}})
}

// Holds returns all holds, ordered by account and kind.
func (l *Ledger) Holds(ctx context.Context) ([]incident.Hold, error) {
	return read(ctx, l, func(ctx context.Context, db *sql.DB) ([]incident.Hold, error) {
		var version int
		if err := db.QueryRowContext(ctx, "PRAGMA user_version").Scan(&version); err != nil {
			return nil, err
		}
		query := `SELECT account, kind, value, since FROM holds ORDER BY account, kind`
		if version < holdsVersion {
			query = oldHolds + ` ORDER BY 1, 2, last` // the newest comes last, and counts
		}
		rows, err := db.QueryContext(ctx, query)
		return collect(rows, err, func(rows *sql.Rows) (h incident.Hold, err error) {
			var since sql.NullInt64
			err = rows.Scan(&h.Account, &h.Kind, &h.Value, &since)
			h.Since = fromMillis(since)
			return h, err
		})
	})
}

// holdsVersion is the first schema version with holds. A file of an older version
// is read as it is while it cannot be written and therefore not migrated.
const holdsVersion = 5

type holdKey struct {
	account string
	hold    incident.HoldKind
}

type putHold struct{ incident.Hold }

func (putHold) kind() kind { return kindHold }
func (c putHold) key() any { return holdKey{c.Account, c.Kind} }
func (putHold) rows() int  { return 1 }

func (putHold) merge(newer change) (change, bool) { return newer, true }

func (c putHold) write(w *writer) error {
	return w.exec(`INSERT OR REPLACE INTO holds (account, kind, value, since) VALUES (?, ?, ?, ?)`,
		c.Account, c.Kind, c.Value, c.Since.UnixMilli())
}

type dropHold struct{ holdKey }

func (dropHold) kind() kind { return kindHold }
func (c dropHold) key() any { return c.holdKey }
func (dropHold) rows() int  { return 1 }

func (dropHold) merge(newer change) (change, bool) { return newer, true }

func (c dropHold) write(w *writer) error {
	return w.exec(`DELETE FROM holds WHERE account = ? AND kind = ?`, c.account, c.hold)
}
