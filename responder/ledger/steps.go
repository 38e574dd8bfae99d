package ledger

import (
	"context"
	"database/sql"
	"time"

	"github.com/tollwarden/tollwarden/responder/incident"
)

// PutStep records the current state of step n of an incident, counted from 0, that
// began at started. It does not wait.
func (l *Ledger) PutStep(incidentID int64, n int, started time.Time, s incident.Step) {
	l.put(newPutStep(incidentID, n, started, s))
}

// PutStepOf records the state of the step of an incident of the kind and target of s,
// whose number is unknown. If the incident does not list it, nothing happens. It does not
// wait.
func (l *Ledger) PutStepOf(incidentID int64, s incident.Step) {
	l.put(putStepOf{newPutStep(incidentID, 0, time.Time{}, s)})
}

// OpenStep is a step without an outcome.
type OpenStep struct {
	Incident int64
	N        int // its number in the incident, from 0
	Started  time.Time
	incident.Step
}

// OpenSteps returns the steps without an outcome, which have to be finished or
// reported after a crash. They are ordered by incident and N.
func (l *Ledger) OpenSteps(ctx context.Context) ([]OpenStep, error) {
	return read(ctx, l, func(ctx context.Context, db *sql.DB) ([]OpenStep, error) {
		rows, err := db.QueryContext(ctx, stepQuery+`WHERE state = 'intended' ORDER BY incident, n`)
		return collect(rows, err, scanStep)
	})
}

// Rotations returns when the password of each account was last changed at since or
// later, by a playbook's step that is done or an operator's order that did not
// fail.
func (l *Ledger) Rotations(ctx context.Context, since time.Time) (map[string]time.Time, error) {
	return read(ctx, l, func(ctx context.Context, db *sql.DB) (map[string]time.Time, error) {
		rows, err := db.QueryContext(ctx, `SELECT account, max(at) FROM (
			SELECT target AS account, started_at * 1000 + took AS at FROM steps WHERE step = 'rotate' AND state = 'done'
				AND incident >= (SELECT coalesce(min(id), 1 << 62) FROM incidents WHERE at >= ?1)
			UNION ALL SELECT target, at * 1000 FROM actions WHERE action = 'rotate' AND at >= ?1
			) WHERE at >= ?1 * 1000 GROUP BY account`, since.UnixMilli())
		last := make(map[string]time.Time)
		_, err = collect(rows, err, func(rows *sql.Rows) (_ struct{}, err error) {
			var account string
			var micros int64
			err = rows.Scan(&account, &micros)
			last[account] = time.UnixMicro(micros).UTC()
			return struct{}{}, err
		})
		return last, err
	})
}

const stepQuery = `SELECT incident, n, step, target, state, detail, started_at, took FROM steps `

func readSteps(ctx context.Context, db *sql.DB, i *incident.Incident) ([]incident.Step, error) {
	rows, err := db.QueryContext(ctx, stepQuery+`WHERE incident = ? ORDER BY n`, i.ID)
	return collect(rows, err, func(rows *sql.Rows) (incident.Step, error) {
		s, err := scanStep(rows)
		if !s.Started.Equal(i.At) {
			s.Began = s.Started
		}
		return s.Step, err
	})
}

func scanStep(rows *sql.Rows) (s OpenStep, err error) {
	var started sql.NullInt64
	var took int64
	var name string
	err = rows.Scan(&s.Incident, &s.N, &name, &s.Target, &s.State, &s.Detail, &started, &took)
	s.Step.Step = incident.StepNamed(name)
	s.Started, s.Took = fromMillis(started), incident.Elapsed(time.Duration(took)*time.Microsecond)
	return s, err
}

type stepKey struct {
	incident int64
	n        int
}

type putStep struct {
	stepKey
	started time.Time
	step    incident.Step
}

// newPutStep converts a step to a row.
func newPutStep(incidentID int64, n int, started time.Time, s incident.Step) putStep {
	return putStep{stepKey{incidentID, n}, moment(started), incident.Step{
		Step: text(s.Step), Target: text(s.Target), State: text(s.State), Detail: text(s.Detail), Took: s.Took,
	}}
}

func (putStep) kind() kind { return kindStep }
func (c putStep) key() any { return c.stepKey }
func (putStep) rows() int  { return 1 }

func (putStep) merge(newer change) (change, bool) { return newer, true }

func (c putStep) write(w *writer) error {
	return w.exec(`INSERT OR REPLACE INTO steps (incident, n, step, target, state, detail, started_at, took)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?)`,
		c.incident, c.n, c.step.Step, c.step.Target, c.step.State, c.step.Detail, millis(c.started), time.Duration(c.step.Took).Microseconds())
}

// putStepOf is the outcome of a step that is found by its kind and target.
type putStepOf struct{ putStep }

// stepOfKey keeps such a change apart from those of a step with a number.
type stepOfKey struct {
	incident int64
	step     incident.StepKind
	target   string
}

func (c putStepOf) key() any { return stepOfKey{c.incident, c.step.Step, c.step.Target} }

func (c putStepOf) write(w *writer) error {
	return w.exec(`UPDATE steps SET state = ?3, detail = ?4, took = ?5 WHERE incident = ?1 AND step = ?6 AND target = ?2`,
		c.incident, c.step.Target, c.step.State, c.step.Detail, time.Duration(c.step.Took).Microseconds(), c.step.Step)
}
