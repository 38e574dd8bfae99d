package pbx

import (
	"context"
	"fmt"
	"slices"

	goami "github.com/heltonmarx/goami/ami"

	"github.com/tollwarden/tollwarden/responder/calls"
)

// inventory lists what Asterisk has: accounts, registrations and channels. It
// changes nothing.
type inventory struct{ asterisk asterisk }

// Accounts lists the accounts of all technologies; one name may be there once for each. What need not log in is
// known by its address: a trunk. Only PJSIP raises a SuccessfulAuth for every
// call, so only its accounts are Sure.
func (i inventory) Accounts(ctx context.Context) ([]calls.Account, error) {
	var out []calls.Account
	on := i.asterisk.loaded(ctx)
	if slices.Contains(on, PJSIP) {
		endpoints, err := i.endpoints(ctx)
		if err != nil {
			return nil, err
		}
		for _, e := range endpoints {
			in := list(e.Get("Auths"))
			out = append(out, calls.Account{Name: own(e, "ObjectName"), Login: len(in) > 0, Sure: true, Trunk: logsIn(list(e.Get("OutboundAuths")), in)})
		}
	}
	if slices.Contains(on, ChanSIP) {
		peers, err := i.sipPeers(ctx)
		if err != nil {
			return nil, err
		}
		for _, p := range peers {
			out = append(out, calls.Account{Name: own(p, "ObjectName"), Login: p.Get("Dynamic") == "yes"})
		}
	}
	if slices.Contains(on, IAX2) {
		accounts, err := i.iaxAccounts(ctx)
		if err != nil {
			return nil, err
		}
		out = append(out, accounts...)
	}
	return out, nil
}

// logsIn reports whether Asterisk itself logs in to an endpoint. FreePBX gives phones their
// own login for that, too, so that says nothing.
func logsIn(outbound, inbound []string) bool {
	return slices.ContainsFunc(outbound, func(name string) bool { return !slices.Contains(inbound, name) })
}

// endpoints lists PJSIP's endpoints: ObjectName, Auths, OutboundAuths and more.
func (i inventory) endpoints(ctx context.Context) ([]goami.Response, error) {
	items, err := goami.PJSIPShowEndpoints(ctx, i.asterisk.session("ObjectName", "Auths", "OutboundAuths"), "")
	if unknownAction(err) || answered(err, "No endpoints found") || answered(err, "No Endpoints found") {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("list PJSIP endpoints: %w", err)
	}
	return named(items), nil
}

// sipPeers lists chan_sip's peers: ObjectName, Dynamic, IPaddress and more.
func (i inventory) sipPeers(ctx context.Context) ([]goami.Response, error) {
	items, err := goami.SIPPeers(ctx, i.asterisk.session("ObjectName", "Dynamic", "IPaddress", "IPport"), "")
	if unknownAction(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("list chan_sip peers: %w", err)
	}
	return named(items), nil
}
