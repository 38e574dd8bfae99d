package daemon

import (
	"context"
	"net/netip"
	"time"

	"github.com/tollwarden/tollwarden/responder/control"
)

// newestIncidents is how many incidents are looked at for those about break-ins.
const newestIncidents = 1000

// BreakIns are the break-ins that nobody has dealt with, with the newest incident about each.
func (b *apiBackend) BreakIns() []control.BreakIn {
	list := []control.BreakIn{}
	for _, x := range b.engine.BreakIns(time.Now()) {
		list = append(list, control.BreakIn{Account: x.Account, Name: b.names.of(x.Account), At: x.At, Addresses: append([]netip.Prefix{}, x.From...), Calls: x.Calls})
	}
	if len(list) == 0 {
		return list
	}
	ctx, cancel := context.WithTimeout(context.Background(), readLedgerWithin)
	defer cancel()
	incidents, _ := b.ledger.Incidents(ctx, newestIncidents) // their numbers are a help, no more
	for n := range list {
		for i := range incidents {
			if incidents[i].Account == list[n].Account {
				list[n].Incident = incidents[i].ID
				break
			}
		}
	}
	return list
}

// ActOn has the playbook of a break-in carried out that nobody has dealt with.
func (b *apiBackend) ActOn(uid uint32, o control.AccountOrder) (control.AccountDone, error) {
	detail, err := b.engine.ActOn(time.Now(), uid, o.Account)
	if err != nil {
		return control.AccountDone{}, refusal(err)
	}
	return b.beingContained(o.Account, detail), nil
}
