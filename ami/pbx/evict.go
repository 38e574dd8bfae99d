package pbx

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
)

// evictions ends what is used of an account from some addresses, and leaves the rest alone.
type evictions struct {
	asterisk      asterisk
	inventory     inventory
	hangups       hangups
	registrations registrations
}

// Evict removes the registrations of an account that come from addresses which stranger
// picks, and ends the calls from there but those that spare names. It goes on after an
// error.
func (ev *evictions) Evict(ctx context.Context, account string, stranger func(netip.Addr) bool, spare func() []string) (removed int, channels []string, err error) {
	a, err := ev.asterisk.find(ctx, account)
	if err != nil {
		return 0, nil, fmt.Errorf("end what comes from unknown places: %w", err)
	}
	removed, err = ev.registered(ctx, a, stranger)
	channels, cerr := ev.calls(ctx, account, stranger, spare)
	if err = errors.Join(err, cerr); err != nil {
		err = fmt.Errorf("end what uses %s from unknown places: %w", account, err)
	}
	return removed, channels, err
}

func (ev *evictions) registered(ctx context.Context, a *account, stranger func(netip.Addr) bool) (removed int, err error) {
	if a.endpoint != nil {
		all, lerr := ev.inventory.pjsipRegistered(ctx)
		err = errors.Join(err, lerr)
		for _, c := range all {
			ours := c.account == a.name || slices.Contains(a.endpoint.aors, c.aor)
			if !ours || !c.via.IsValid() || !stranger(c.via.Addr()) {
				continue
			}
			if derr := ev.registrations.deleteContact(ctx, c); derr != nil {
				err = errors.Join(err, derr)
			} else {
				removed++
			}
		}
	}
	if a.peer != nil {
		if c, is := readSIPContact(a.name, a.peer); is && stranger(c.via.Addr()) {
			n, serr := ev.registrations.expireSIP(ctx, a.name)
			removed, err = removed+n, errors.Join(err, serr)
		}
	}
	if a.iax != nil && a.iax.dynamic && a.iax.at.IsValid() && stranger(a.iax.at.Addr()) {
		n, ierr := ev.registrations.expireIAX(ctx, a.name)
		removed, err = removed+n, errors.Join(err, ierr)
	}
	return removed, err
}

func (ev *evictions) calls(ctx context.Context, account string, stranger func(netip.Addr) bool, spare func() []string) (ended []string, err error) {
	all, err := ev.inventory.Channels(ctx)
	if err != nil {
		return nil, err
	}
	for _, c := range all {
		if c.Account != account || masqueraded(c.Name) {
			continue
		}
		at, serr := ev.inventory.CallSource(ctx, c.Name)
		if serr != nil || !stranger(at.Addr()) || slices.Contains(spare(), c.Name) {
			continue // a channel that has ended has no source
		}
		up, herr := ev.hangups.HangupChannel(ctx, c.Name)
		if up {
			ended = append(ended, c.Name)
		}
		err = errors.Join(err, herr)
	}
	return ended, err
}
