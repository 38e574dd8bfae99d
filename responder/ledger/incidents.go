package ledger

import (
	"errors"
	"net/netip"
	"slices"
	"time"
)

// Incident is a verdict with what was done and what it rests on.
type Incident struct {
	ID        int64 // 1, 2, 3, …; given by PutIncident
	At        time.Time
	KeyKind   string // source, network or account
	KeyValue  string
	Threshold string
	Playbook  string
	Reason    string // in words
	Mode      string // enforce or observe
	Account   string
	Source    netip.Addr // invalid: none

	Steps    []Step     // ordered by N
	Evidence []Evidence // in the order written
	Calls    []Call     // ordered by their beginning; put by PutCall, told by Incident alone
}

// The states of a step.
const (
	StepIntended = "intended"
	StepDone     = "done"
	StepFailed   = "failed"
	StepSkipped  = "skipped"
)

// Step is one effect of an incident's playbook. (Incident, N) names it.
type Step struct {
	Incident  int64
	N         int
	Step      string // ban, rotate, expire-contacts, hangup, …
	Target    string
	State     string // StepIntended, StepDone, StepFailed or StepSkipped
	Detail    string // never a secret
	StartedAt time.Time
	Took      time.Duration // to the microsecond
}

// Evidence is one observation an incident rests on.
type Evidence struct {
	At        time.Time
	Signal    string
	Source    netip.Addr
	Port      uint16
	Transport string
	Proof     string
	Account   string
	Session   string
	Raw       string // what it was read from, any bytes; "": that is not known
}

// Bounds of the evidence one PutIncident may add: the newest stays.
const (
	maxEvidence = 100
	maxRaw      = 32 << 10 // bytes of Raw
)

// ErrNoIncident reports an incident that is not in the ledger.
var ErrNoIncident = errors.New("there is no such incident")

// PutIncident records an incident with the steps and the evidence it holds and
// returns its number: i.ID, or the next one where that is 0. Put again, the
// incident's own fields are replaced, its steps updated by N, its evidence added
// to. The Incident field of its steps is set here. It does not wait.
func (l *Ledger) PutIncident(i Incident) int64 {
	l.mu.Lock()
	if i.ID == 0 {
		i.ID = l.nextID
	}
	l.nextID = max(l.nextID, i.ID+1)
	l.mu.Unlock()

	i.At = moment(i.At)
	for _, s := range []*string{&i.KeyKind, &i.KeyValue, &i.Threshold, &i.Playbook, &i.Reason, &i.Mode, &i.Account} {
		*s = text(*s)
	}
	steps := make([]Step, len(i.Steps))
	for n, s := range i.Steps {
		s.Incident = i.ID
		steps[n] = storable(s)
	}
	evidence := l.numbered(i.Evidence)
	i.Steps, i.Evidence, i.Calls = nil, nil, nil
	l.put(putIncident{i, steps, evidence})
	return i.ID
}

// PutStep records the present state of a step. It does not wait.
func (l *Ledger) PutStep(s Step) { l.put(putStep{storable(s)}) }

// storable returns s as the file will hold it.
func storable(s Step) Step {
	s.Step, s.Target, s.State, s.Detail = text(s.Step), text(s.Target), text(s.State), text(s.Detail)
	s.StartedAt, s.Took = moment(s.StartedAt), s.Took.Truncate(time.Microsecond)
	return s
}

// numbered returns the rows as the file will hold them.
func (l *Ledger) numbered(rows []Evidence) []evidenceRow {
	rows = rows[max(0, len(rows)-maxEvidence):]
	out := make([]evidenceRow, len(rows))
	room := maxRaw
	for i := range slices.Backward(rows) {
		if room -= len(rows[i].Raw); room < 0 {
			rows = slices.Clone(rows)
			for j := range rows[:i+1] {
				rows[j].Raw = ""
			}
			break
		}
	}
	for i, e := range rows {
		e.At = moment(e.At)
		for _, s := range []*string{&e.Signal, &e.Transport, &e.Proof, &e.Account, &e.Session} {
			*s = text(*s)
		}
		out[i] = evidenceRow{l.nextRow(), e}
	}
	return out
}

// evidenceRow is evidence with its number.
type evidenceRow struct {
	n int64
	Evidence
}

// putIncident is one change, so that an incident is there whole or not at all.
type putIncident struct {
	Incident
	steps    []Step
	evidence []evidenceRow
}

func (putIncident) kind() kind  { return kindIncident }
func (c putIncident) key() any  { return c.ID }
func (c putIncident) rows() int { return 1 + len(c.steps) + len(c.evidence) }

// merge stops where one change would grow too large to give way as a whole.
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
	err := w.exec(`INSERT INTO incidents (id, at, key_kind, key_value, threshold, playbook, reason, mode, account, source)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT (id) DO UPDATE SET at = excluded.at, key_kind = excluded.key_kind, key_value = excluded.key_value,
		threshold = excluded.threshold, playbook = excluded.playbook, reason = excluded.reason, mode = excluded.mode,
		account = excluded.account, source = excluded.source`,
		c.ID, c.At.UnixMilli(), c.KeyKind, c.KeyValue, c.Threshold, c.Playbook, c.Reason, c.Mode, c.Account, address(c.Source))
	for _, s := range c.steps {
		if err == nil {
			err = putStep{s}.write(w)
		}
	}
	if err == nil {
		err = writeEvidence(w, c.ID, c.evidence)
	}
	return err
}

type stepKey struct {
	incident int64
	n        int
}

type putStep struct{ Step }

func (putStep) kind() kind { return kindStep }
func (c putStep) key() any { return stepKey{c.Incident, c.N} }
func (putStep) rows() int  { return 1 }

func (putStep) merge(newer change) (change, bool) { return newer, true }

func (c putStep) write(w *writer) error {
	return w.exec(`INSERT OR REPLACE INTO steps (incident, n, step, target, state, detail, started_at, took)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?)`,
		c.Incident, c.N, c.Step.Step, c.Target, c.State, c.Detail, millis(c.StartedAt), c.Took.Microseconds())
}

func writeEvidence(w *writer, incident int64, rows []evidenceRow) error {
	for _, e := range rows {
		err := w.exec(`INSERT OR REPLACE INTO evidence (incident, n, at, signal, source, port, transport, proof, account, session, raw)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
			incident, e.n, e.At.UnixMilli(), e.Signal, address(e.Source), e.Port, e.Transport, e.Proof, e.Account, e.Session, []byte(e.Raw))
		if err != nil {
			return err
		}
	}
	return nil
}
