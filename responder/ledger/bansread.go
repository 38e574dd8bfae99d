package ledger

import (
	"context"
	"database/sql"
	"net/netip"
	"time"

	"github.com/tollwarden/tollwarden/responder/incident"
)

// banQuery asks for bans in force. Its columns are those that banScanner reads.
const banQuery = `SELECT prefix, since, until, reason, origin, offence, incident, scope FROM bans
	WHERE released_at IS NULL AND (until IS NULL OR until > ?)`

// Bans returns every ban in force at now, in no particular order. Their Step is
// StepUnknown.
func (l *Ledger) Bans(ctx context.Context, now time.Time) ([]incident.Ban, error) {
	return read(ctx, l, func(ctx context.Context, db *sql.DB) ([]incident.Ban, error) {
		var count int
		const counting = `SELECT count(*) FROM bans WHERE released_at IS NULL AND (until IS NULL OR until > ?)`
		if err := db.QueryRowContext(ctx, counting, now.UnixMilli()).Scan(&count); err != nil {
			return nil, err
		}
		rows, err := db.QueryContext(ctx, banQuery, now.UnixMilli())
		if err != nil {
			return nil, err
		}
		defer rows.Close()
		bans := make([]incident.Ban, 0, count)
		var scanner banScanner
		for rows.Next() {
			ban, err := scanner.scan(rows)
			if err != nil {
				return bans, err
			}
			bans = append(bans, ban)
		}
		return bans, rows.Err()
	})
}

// banScanner reads rows of banQuery. It is made for a million of them, whose
// reasons are few: it keeps each distinct text once.
type banScanner struct {
	texts map[string]string
}

// maxTexts bounds the distinct texts that are looked up.
const maxTexts = 1 << 16

func (s *banScanner) scan(rows *sql.Rows) (incident.Ban, error) {
	b := incident.Ban{Step: incident.StepUnknown}
	var prefix, reason, origin, scope string
	var since, until sql.NullInt64
	if err := rows.Scan(&prefix, &since, &until, &reason, &origin, &b.Offence, &b.Incident, &scope); err != nil {
		return b, err
	}
	var err error
	b.Prefix, err = netip.ParsePrefix(prefix)
	b.Since, b.Until = fromMillis(since), fromMillis(until)
	b.Reason, b.Origin, b.Scope = s.once(reason), s.once(origin), incident.Scope(s.once(scope))
	return b, err
}

// once is the one copy of a text that is kept.
func (s *banScanner) once(text string) string {
	if known, ok := s.texts[text]; ok {
		return known
	}
	if s.texts == nil {
		s.texts = map[string]string{}
	}
	if len(s.texts) < maxTexts {
		s.texts[text] = text
	}
	return text
}
