package ledger

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"

	"github.com/tollwarden/tollwarden/responder/incident"
	"github.com/tollwarden/tollwarden/responder/score"
)

// ErrNoIncident reports an incident that is not in the ledger.
var ErrNoIncident = errors.New("there is no such incident")

// PutIncident records an incident with its steps, begun at i.At, and its evidence.
// It returns the incident's number, and sets i.ID to it if that is 0. When put
// again, the incident's own fields and its steps are replaced, and its evidence is
// added. Calls are recorded by PutCall only. It does not wait and does not retain
// i.
func (l *Ledger) PutIncident(i *incident.Incident) (id int64) {
	l.mu.Lock()
	if i.ID == 0 {
		i.ID = l.nextID
	}
	l.nextID = max(l.nextID, i.ID+1)
	l.mu.Unlock()

	l.put(l.incidentChange(i, 0, i.Evidence))
	return i.ID
}

// ExtendIncident records what is new of an incident that PutIncident has recorded: its own
// fields, its steps from number step on, and more evidence. It does not wait and does not
// retain i.
func (l *Ledger) ExtendIncident(i *incident.Incident, step int, more []incident.Evidence) {
	l.put(l.incidentChange(i, step, more))
}

func (l *Ledger) incidentChange(i *incident.Incident, step int, evidence []incident.Evidence) putIncident {
	c := putIncident{row: *i, evidence: l.evidenceRows(evidence)}
	for n := step; n < len(i.Steps); n++ {
		c.steps = append(c.steps, newPutStep(i.ID, n, i.Started(n), i.Steps[n]))
	}
	row := &c.row
	row.Steps, row.Evidence, row.Calls = nil, nil, nil
	row.At = moment(row.At)
	for _, s := range []*string{&row.Threshold, &row.Playbook, &row.Reason, &row.Account} {
		*s = text(*s)
	}
	return c
}

// Incidents returns the newest incidents with their steps, without evidence and
// calls, the highest number first; at most limit, or 100 for 0.
func (l *Ledger) Incidents(ctx context.Context, limit int) ([]incident.Incident, error) {
	if limit <= 0 {
		limit = 100
	}
	return read(ctx, l, func(ctx context.Context, db *sql.DB) ([]incident.Incident, error) {
		rows, err := db.QueryContext(ctx, incidentQuery+`ORDER BY id DESC LIMIT ?`, limit)
		list, err := collect(rows, err, scanIncident)
		for n := range list {
			if err == nil {
				list[n].Steps, err = readSteps(ctx, db, &list[n])
			}
			if err == nil {
				list[n].Cost, err = readCost(ctx, db, list[n].ID)
			}
		}
		return list, err
	})
}

// Incident returns one incident with its steps, evidence and calls. ErrNoIncident
// means that there is none; with any other error that is unknown.
func (l *Ledger) Incident(ctx context.Context, id int64) (incident.Incident, error) {
	found, err := read(ctx, l, func(ctx context.Context, db *sql.DB) ([]incident.Incident, error) {
		rows, err := db.QueryContext(ctx, incidentQuery+`WHERE id = ?`, id)
		list, err := collect(rows, err, scanIncident)
		if err != nil || len(list) == 0 {
			return nil, err
		}
		i := &list[0]
		if i.Steps, err = readSteps(ctx, db, i); err != nil {
			return nil, err
		}
		if i.Calls, err = readCalls(ctx, db, id); err != nil {
			return nil, err
		}
		if i.Cost, err = readCost(ctx, db, id); err != nil {
			return nil, err
		}
		i.Evidence, err = readEvidence(ctx, db, id)
		return list, err
	})
	switch {
	case len(found) > 0:
		return found[0], err
	case err != nil:
		return incident.Incident{}, err
	default:
		return incident.Incident{}, fmt.Errorf("incident %d: %w", id, ErrNoIncident)
	}
}

const incidentQuery = `SELECT id, at, key_kind, key_value, threshold, playbook, reason, mode, account, source FROM incidents `

func scanIncident(rows *sql.Rows) (i incident.Incident, err error) {
	var at sql.NullInt64
	var kind, value, source string
	err = rows.Scan(&i.ID, &at, &kind, &value, &i.Threshold, &i.Playbook, &i.Reason, &i.Mode, &i.Account, &source)
	i.At, i.Source = fromMillis(at), fromAddress(source)
	i.Key, _ = score.ParseKey(kind, value) // the zero Key if it cannot be parsed
	return i, err
}

// putIncident is a single change, so that an incident is in the file whole or not
// at all.
type putIncident struct {
	row      incident.Incident // without steps, evidence and calls
	steps    []putStep
	evidence []evidenceRow
}

func (putIncident) kind() kind  { return kindIncident }
func (c putIncident) key() any  { return c.row.ID }
func (c putIncident) rows() int { return 1 + len(c.steps) + len(c.evidence) }

// merge stops where one change would become too large to be dropped as a whole.
func (c putIncident) merge(newer change) (change, bool) {
	n := newer.(putIncident)
	if c.rows()+n.rows() > 2*maxEvidence {
		return nil, false
	}
	n.steps = slices.Concat(c.steps, n.steps)
	n.evidence = slices.Concat(c.evidence, n.evidence)
	return n, true
}

func (c putIncident) write(w *writer) error {
	i := &c.row
	kind, value := i.Key.Kind(), text(i.Key.Value())
	err := w.exec(`INSERT INTO incidents (id, at, key_kind, key_value, threshold, playbook, reason, mode, account, source)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT (id) DO UPDATE SET at = excluded.at, key_kind = excluded.key_kind, key_value = excluded.key_value,
		threshold = excluded.threshold, playbook = excluded.playbook, reason = excluded.reason, mode = excluded.mode,
		account = excluded.account, source = excluded.source`,
		i.ID, i.At.UnixMilli(), kind, value, i.Threshold, i.Playbook, i.Reason, i.Mode, i.Account, address(i.Source))
	for _, s := range c.steps {
		if err == nil {
			err = s.write(w)
		}
	}
	if err == nil {
		err = writeEvidence(w, i.ID, c.evidence)
	}
	return err
}
