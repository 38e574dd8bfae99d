package ledger

import (
	"context"
	"database/sql"
	"slices"

	"github.com/tollwarden/tollwarden/ami/event"
	"github.com/tollwarden/tollwarden/responder/incident"
	"github.com/tollwarden/tollwarden/responder/score"
)

// Bounds of the evidence that one PutIncident may add; the first and the newest are kept.
const (
	maxEvidence = 100
	maxRaw      = 32 << 10 // bytes of Raw
)

// evidenceRow is evidence with its number, which orders what happened in the same
// millisecond.
type evidenceRow struct {
	n int64
	incident.Evidence
}

// evidenceRows converts evidence to rows.
func (l *Ledger) evidenceRows(list []incident.Evidence) []evidenceRow {
	if skip := len(list) - maxEvidence; skip > 0 {
		list = slices.Delete(slices.Clone(list), 1, 1+skip)
	}
	rows := make([]evidenceRow, len(list))
	for i, e := range list {
		n := l.nextRow() | int64(e.At.Nanosecond()/1000%1000)<<microsAt
		e.At = moment(e.At)
		e.Account, e.Session = text(e.Account), text(e.Session)
		rows[i] = evidenceRow{n, e}
	}
	room := maxRaw
	for i := range slices.Backward(rows) {
		if room -= len(rows[i].Raw); room < 0 {
			for j := range rows[:i+1] {
				rows[j].Raw = ""
			}
			break
		}
	}
	return rows
}

// microsAt is the bit of an evidence row's number from which on it has the microseconds
// that its time, in milliseconds, lacks. Below is the order of writing, which microseconds
// since 1970 fit in until 2112.
const microsAt = 52

func writeEvidence(w *writer, incidentID int64, rows []evidenceRow) error {
	for _, e := range rows {
		err := w.exec(`INSERT OR REPLACE INTO evidence (incident, n, at, signal, source, port, transport, proof, account, session, raw)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
			incidentID, e.n, e.At.UnixMilli(), e.Signal.String(), address(e.Source), e.Port, e.Transport.String(), e.Proof.String(),
			e.Account, e.Session, []byte(e.Raw))
		if err != nil {
			return err
		}
	}
	return nil
}

func readEvidence(ctx context.Context, db *sql.DB, incidentID int64) ([]incident.Evidence, error) {
	rows, err := db.QueryContext(ctx, `SELECT at, signal, source, port, transport, proof, account, session, raw FROM evidence
		WHERE incident = ? ORDER BY at, n`, incidentID)
	return collect(rows, err, scanEvidence)
}

// scanEvidence reads names that this version does not know as the zero value.
func scanEvidence(rows *sql.Rows) (e incident.Evidence, err error) {
	var at sql.NullInt64
	var signal, source, transport, proof string
	err = rows.Scan(&at, &signal, &source, &e.Port, &transport, &proof, &e.Account, &e.Session, &e.Raw)
	e.At, e.Source = fromMillis(at), fromAddress(source)
	e.Signal, _ = score.ParseSignal(signal)
	e.Transport, _ = event.ParseTransport(transport)
	e.Proof, _ = score.ParseProof(proof)
	return e, err
}
