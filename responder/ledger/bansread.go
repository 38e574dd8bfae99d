package ledger

import (
	"context"
	"database/sql"
	"net/netip"
	"slices"
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
		rows, err := db.QueryContext(ctx, banQuery, now.UnixMilli())
		if err != nil {
			return nil, err
		}
		defer rows.Close()
		var bans []incident.Ban
		var scanner banScanner
		for rows.Next() {
			ban, err := scanner.scan(rows)
			if err != nil {
				return bans, err
			}
			if len(bans) == cap(bans) {
				bans = slices.Grow(bans, max(1024, len(bans))) // append itself would copy them far more often
			}
			bans = append(bans, ban)
		}
		return bans, rows.Err()
	})
}

// banScanner reads rows of banQuery, of which there may be a million: it scans into
// fields that are allocated once, and keeps one copy of each distinct text, since
// there are few different reasons.
type banScanner struct {
	prefix, reason, origin, scope string
	since, until                  sql.NullInt64
	offence                       int
	incident                      int64
	texts                         map[string]string
}

// maxTexts bounds the number of distinct texts kept.
const maxTexts = 1 << 16

func (s *banScanner) scan(rows *sql.Rows) (incident.Ban, error) {
	if err := rows.Scan(&s.prefix, &s.since, &s.until, &s.reason, &s.origin, &s.offence, &s.incident, &s.scope); err != nil {
		return incident.Ban{}, err
	}
	prefix, err := netip.ParsePrefix(s.prefix)
	return incident.Ban{
		Prefix: prefix, Since: fromMillis(s.since), Until: fromMillis(s.until),
		Reason: s.once(s.reason), Origin: s.once(s.origin), Scope: incident.Scope(s.once(s.scope)),
		Offence: s.offence, Incident: s.incident, Step: incident.StepUnknown,
	}, err
}

// once returns the shared copy of a text.
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
