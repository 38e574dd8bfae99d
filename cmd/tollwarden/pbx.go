package main

import (
	"context"
	"errors"
	"fmt"
	"net/netip"

	"github.com/tollwarden/tollwarden/ami/pbx"
	"github.com/tollwarden/tollwarden/responder"
	"github.com/tollwarden/tollwarden/responder/incident"
)

// asterisk gives pbx.Manager the names of responder.PBX. It goes when that
// interface does.
type asterisk struct{ *pbx.Manager }

var _ responder.PBX = asterisk{}

func (a asterisk) Whence(ctx context.Context, channel string) (netip.AddrPort, error) {
	return a.CallSource(ctx, channel)
}

func (a asterisk) Agent(ctx context.Context, channel string) (string, error) {
	return a.CallUserAgent(ctx, channel)
}

func (a asterisk) Lift(ctx context.Context, account string, to []netip.Prefix) (string, error) {
	return a.Unrestrict(ctx, account, to)
}

func (a asterisk) Lock(ctx context.Context, account string) (was, detail string, err error) {
	was, detail, err = a.Manager.Lock(ctx, account)
	if errors.Is(err, incident.ErrRefused) {
		err = fmt.Errorf("%w: %w", responder.ErrRefused, err)
	}
	return was, detail, err
}

func (a asterisk) Contacts(ctx context.Context) ([]responder.Contact, error) {
	list, err := a.Manager.Contacts(ctx)
	contacts := make([]responder.Contact, 0, len(list))
	for _, c := range list {
		contacts = append(contacts, responder.Contact(c))
	}
	return contacts, err
}

func (a asterisk) Trusted(ctx context.Context) ([]responder.Protected, error) {
	list, err := a.Carriers(ctx)
	trusted := make([]responder.Protected, 0, len(list))
	for _, c := range list {
		trusted = append(trusted, responder.Protected(c))
	}
	return trusted, err
}
