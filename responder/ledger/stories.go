package ledger

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"time"
)

// Incidents returns the newest incidents with their steps, without evidence, the
// highest number first; at most limit, or 100 for 0.
func (l *Ledger) Incidents(ctx context.Context, limit int) ([]Incident, error) {
	if limit <= 0 {
		limit = 100
	}
	changes := l.queued(kindIncident, kindStep)
	found := make(stories)
	err := l.reading(ctx, func(ctx context.Context, db *sql.DB) error {
		rows, err := db.QueryContext(ctx, incidentQuery+`ORDER BY id DESC LIMIT ?`, limit)
		incidents, err := collect(rows, err, scanIncident)
		for _, i := range incidents {
			if err != nil {
				break
			}
			err = found.story(i).readSteps(ctx, db)
		}
		return err
	})
	for _, c := range changes {
		if i, ok := c.(putIncident); ok {
			found.story(i.Incident)
		}
	}
	found.play(changes)
	incidents := found.incidents()
	for i := range incidents {
		incidents[i].Evidence = nil // what is queued of it, while the file's was not read
	}
	slices.SortFunc(incidents, func(a, b Incident) int { return cmp.Compare(b.ID, a.ID) })
	return first(incidents, limit), err
}

// Incident returns one incident with its steps, evidence and calls. ErrNoIncident:
// there is none; another error: it cannot be told.
func (l *Ledger) Incident(ctx context.Context, id int64) (Incident, error) {
	changes := l.queued(kindIncident, kindStep, kindCall)
	found := make(stories)
	var calls []Call
	err := l.reading(ctx, func(ctx context.Context, db *sql.DB) error {
		rows, err := db.QueryContext(ctx, incidentQuery+`WHERE id = ?`, id)
		incidents, err := collect(rows, err, scanIncident)
		if err != nil || len(incidents) == 0 {
			return err
		}
		s := found.story(incidents[0])
		if err := s.readSteps(ctx, db); err != nil {
			return err
		}
		if calls, err = readCalls(ctx, db, id); err != nil {
			return err
		}
		return s.readEvidence(ctx, db)
	})
	for _, c := range changes {
		if i, ok := c.(putIncident); ok && i.ID == id {
			found.story(i.Incident)
		}
	}
	found.play(changes)
	for _, i := range found.incidents() {
		i.addCalls(calls, changes)
		return i, err
	}
	if err != nil {
		return Incident{}, err
	}
	return Incident{}, fmt.Errorf("incident %d: %w", id, ErrNoIncident)
}

// OpenSteps returns the steps that were intended and have no outcome: after a
// crash, what is to be finished or reported. They are ordered by incident and N.
func (l *Ledger) OpenSteps(ctx context.Context) ([]Step, error) {
	changes := l.queued(kindIncident, kindStep)
	known := make(map[stepKey]Step)
	err := l.reading(ctx, func(ctx context.Context, db *sql.DB) error {
		rows, err := db.QueryContext(ctx, stepQuery+`WHERE state = 'intended'`)
		steps, err := collect(rows, err, scanStep)
		for _, s := range steps {
			known[stepKey{s.Incident, s.N}] = s
		}
		return err
	})
	for _, s := range queuedSteps(changes) {
		known[stepKey{s.Incident, s.N}] = s
	}
	var open []Step
	for _, s := range known {
		if s.State == StepIntended {
			open = append(open, s)
		}
	}
	slices.SortFunc(open, func(a, b Step) int {
		return cmp.Or(cmp.Compare(a.Incident, b.Incident), cmp.Compare(a.N, b.N))
	})
	return open, err
}

// Rotations returns when each account last got another secret from us, at since
// or later: by a playbook's step that is done or by an operator's order that was
// not a failure.
func (l *Ledger) Rotations(ctx context.Context, since time.Time) (map[string]time.Time, error) {
	last := make(map[string]time.Time)
	note := func(account string, at time.Time) {
		if !at.Before(since) && at.After(last[account]) {
			last[account] = at
		}
	}
	changes := l.queued(kindIncident, kindStep)
	err := l.reading(ctx, func(ctx context.Context, db *sql.DB) error {
		rows, err := db.QueryContext(ctx, stepQuery+`WHERE step = 'rotate' AND state = 'done'
			AND incident >= (SELECT coalesce(min(id), 1 << 62) FROM incidents WHERE at >= ?)`, since.UnixMilli())
		steps, err := collect(rows, err, scanStep)
		for _, s := range steps {
			note(s.Target, s.StartedAt.Add(s.Took))
		}
		return err
	})
	for _, s := range queuedSteps(changes) {
		if s.Step == "rotate" && s.State == StepDone {
			note(s.Target, s.StartedAt.Add(s.Took))
		}
	}
	actions, errActions := l.Actions(ctx, since, 0)
	for _, a := range actions {
		if a.Action == "rotate" {
			note(a.Target, a.At)
		}
	}
	return last, errors.Join(err, errActions)
}

func queuedSteps(changes []change) (steps []Step) {
	for _, c := range changes {
		switch c := c.(type) {
		case putIncident:
			steps = append(steps, c.steps...)
		case putStep:
			steps = append(steps, c.Step)
		}
	}
	return steps
}

// stories are incidents being put together from the file and the queue.
type stories map[int64]*story

type story struct {
	Incident
	steps    map[int]Step
	evidence map[int64]Evidence
}

// story returns the one of this incident, begun where there is none.
func (s stories) story(i Incident) *story {
	if s[i.ID] == nil {
		s[i.ID] = &story{i, make(map[int]Step), make(map[int64]Evidence)}
	}
	return s[i.ID]
}

// play applies queued changes to the incidents that are there.
func (s stories) play(changes []change) {
	for _, c := range changes {
		if c, ok := c.(putIncident); ok && s[c.ID] != nil {
			s[c.ID].Incident = c.Incident
			s[c.ID].add(c.evidence)
		}
	}
	for _, step := range queuedSteps(changes) {
		if story := s[step.Incident]; story != nil {
			story.steps[step.N] = step
		}
	}
}

func (s *story) add(rows []evidenceRow) {
	for _, r := range rows {
		s.evidence[r.n] = r.Evidence
	}
}

func (s stories) incidents() []Incident {
	var all []Incident
	for _, story := range s {
		i := story.Incident
		for _, n := range sortedKeys(story.steps) {
			i.Steps = append(i.Steps, story.steps[n])
		}
		for _, n := range sortedKeys(story.evidence) {
			i.Evidence = append(i.Evidence, story.evidence[n])
		}
		all = append(all, i)
	}
	return all
}

const (
	incidentQuery = `SELECT id, at, key_kind, key_value, threshold, playbook, reason, mode, account, source FROM incidents `
	stepQuery     = `SELECT incident, n, step, target, state, detail, started_at, took FROM steps `
	evidenceQuery = `SELECT n, at, signal, source, port, transport, proof, account, session, raw FROM evidence `
)

func scanIncident(rows *sql.Rows) (i Incident, err error) {
	var at sql.NullInt64
	var source string
	err = rows.Scan(&i.ID, &at, &i.KeyKind, &i.KeyValue, &i.Threshold, &i.Playbook, &i.Reason, &i.Mode, &i.Account, &source)
	i.At, i.Source = fromMillis(at), fromAddress(source)
	return i, err
}

func (s *story) readSteps(ctx context.Context, db *sql.DB) error {
	rows, err := db.QueryContext(ctx, stepQuery+`WHERE incident = ?`, s.ID)
	steps, err := collect(rows, err, scanStep)
	for _, step := range steps {
		s.steps[step.N] = step
	}
	return err
}

func scanStep(rows *sql.Rows) (s Step, err error) {
	var started sql.NullInt64
	var took int64
	err = rows.Scan(&s.Incident, &s.N, &s.Step, &s.Target, &s.State, &s.Detail, &started, &took)
	s.StartedAt, s.Took = fromMillis(started), time.Duration(took)*time.Microsecond
	return s, err
}

func (s *story) readEvidence(ctx context.Context, db *sql.DB) error {
	rows, err := db.QueryContext(ctx, evidenceQuery+`WHERE incident = ?`, s.ID)
	evidence, err := collect(rows, err, scanEvidence)
	s.add(evidence)
	return err
}

func scanEvidence(rows *sql.Rows) (e evidenceRow, err error) {
	var at sql.NullInt64
	var source string
	err = rows.Scan(&e.n, &at, &e.Signal, &source, &e.Port, &e.Transport, &e.Proof, &e.Account, &e.Session, &e.Raw)
	e.At, e.Source = fromMillis(at), fromAddress(source)
	return e, err
}
