package daemon

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/tollwarden/tollwarden/responder/control"
	"github.com/tollwarden/tollwarden/responder/incident"
	"github.com/tollwarden/tollwarden/responder/ledger"
)

// readLedgerWithin bounds reading the ledger for an answer.
const readLedgerWithin = 10 * time.Second

// Incidents are the newest incidents.
func (b *apiBackend) Incidents(limit int) ([]incident.Incident, error) {
	ctx, cancel := context.WithTimeout(context.Background(), readLedgerWithin)
	defer cancel()
	list, err := b.ledger.Incidents(ctx, limit)
	if list == nil {
		list = []incident.Incident{}
	}
	for n := range list {
		list[n] = b.names.name(list[n])
	}
	return list, incomplete(err)
}

// Incident is one incident with its evidence.
func (b *apiBackend) Incident(id int64) (incident.Incident, error) {
	ctx, cancel := context.WithTimeout(context.Background(), readLedgerWithin)
	defer cancel()
	i, err := b.ledger.Incident(ctx, id)
	i = b.names.name(i)
	switch {
	case errors.Is(err, ledger.ErrNoIncident):
		return i, control.Refusal(fmt.Sprintf("there is no incident %d: `tollwarden incidents` lists them", id))
	case i.ID == 0:
		return i, err
	default:
		return i, incomplete(err)
	}
}

// incomplete makes an error of the ledger that came with an answer one that the
// commands print beside it.
func incomplete(err error) error {
	if errors.Is(err, ledger.ErrBehind) {
		return control.Incomplete(err.Error())
	}
	return err
}
