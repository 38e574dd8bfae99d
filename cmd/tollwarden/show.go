package main

import (
	"context"
	"time"

	"github.com/tollwarden/tollwarden/responder/incident"
	"github.com/tollwarden/tollwarden/responder/ledger"
)

// recordWithin bounds the question for an incident that somebody is told of: they
// hear less then, and not later.
const recordWithin = 2 * time.Second

// onRecord is an incident as it is on record, with its calls and with Asterisk's
// own lines, or without where the ledger has not got all of it.
func onRecord(l *ledger.Ledger, i incident.Incident) incident.Incident {
	ctx, cancel := context.WithTimeout(context.Background(), recordWithin)
	defer cancel()
	recorded, err := l.Incident(ctx, i.ID)
	if err != nil {
		i.Bare = true
		return i
	}
	return recorded
}
