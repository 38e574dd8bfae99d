package peer

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/tollwarden/tollwarden/ami"
	"github.com/tollwarden/tollwarden/ami/event"
)

// Account is one account of Asterisk.
type Account struct {
	Technology Technology
	Name       string
	// Login says that it must log in: a PJSIP endpoint with an auth object, or a
	// chan_sip peer that registers. What need not is told by its address: a trunk.
	Login bool
}

// Accounts lists the accounts of both technologies.
func (m *Manager) Accounts(ctx context.Context) ([]Account, error) {
	var out []Account
	on := m.loaded(ctx)
	if slices.Contains(on, PJSIP) {
		r, err := m.do(ctx, action("PJSIPShowEndpoints"))
		if err != nil && !unknownAction(err) && !answered(err, "No endpoints found") && !answered(err, "No Endpoints found") {
			return nil, fmt.Errorf("list PJSIP endpoints: %w", err)
		}
		if err == nil {
			for _, e := range r.Events {
				if e.Get("Event") == "EndpointList" && once(e, "ObjectName") {
					out = append(out, Account{PJSIP, e.Get("ObjectName"), len(list(e.Get("Auths"))) > 0})
				}
			}
		}
	}
	if slices.Contains(on, ChanSIP) {
		r, err := m.do(ctx, action("SIPpeers"))
		if err != nil && !unknownAction(err) {
			return nil, fmt.Errorf("list chan_sip peers: %w", err)
		}
		if err == nil {
			for _, e := range r.Events {
				if e.Get("Event") == "PeerEntry" && once(e, "ObjectName") {
					out = append(out, Account{ChanSIP, e.Get("ObjectName"), e.Get("Dynamic") == "yes"})
				}
			}
		}
	}
	return out, nil
}

// HangupChannel ends the one channel of that name; ended is false when there is
// none any more.
func (m *Manager) HangupChannel(ctx context.Context, channel string) (ended bool, err error) {
	if tech, _, ok := strings.Cut(channel, "/"); !ok || tech == "" { // "/…/" is a pattern
		return false, fmt.Errorf("hang up %q: that is no channel", channel)
	}
	_, err = m.do(ctx, ami.HangupChannel(channel, 0))
	if answered(err, "No such channel") {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("hang up %s: %w", channel, err)
	}
	return true, nil
}

// Whence is the address that the call of a channel comes from, as Asterisk saw
// it: a lone UDP packet can forge it.
func (m *Manager) Whence(ctx context.Context, channel string) (netip.AddrPort, error) {
	value, err := m.variable(ctx, channel, "CHANNEL(pjsip,remote_addr)", "CHANNEL(recvip)")
	if err != nil {
		return netip.AddrPort{}, err
	}
	if ap, err := netip.ParseAddrPort(value); err == nil {
		return netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port()), nil
	}
	addr, err := netip.ParseAddr(value)
	if err != nil {
		return netip.AddrPort{}, fmt.Errorf("look up %s: Asterisk tells no address", channel)
	}
	return netip.AddrPortFrom(addr.Unmap(), 0), nil
}

// Agent is the User-Agent that the call of a channel was set up with, in the
// caller's own words; "" when it named none.
func (m *Manager) Agent(ctx context.Context, channel string) (string, error) {
	return m.variable(ctx, channel, "PJSIP_HEADER(read,User-Agent)", "CHANNEL(useragent)")
}

// variable reads a variable of a channel, which each technology names its way.
func (m *Manager) variable(ctx context.Context, channel, pjsip, chanSIP string) (string, error) {
	tech, _, ok := event.SplitChannel([]byte(channel))
	if !ok {
		return "", fmt.Errorf("look up %q: that is no phone's channel", channel)
	}
	name := pjsip
	if Technology(tech) == ChanSIP {
		name = chanSIP
	}
	r, err := m.do(ctx, ami.Getvar(channel, name))
	if err != nil {
		return "", fmt.Errorf("look up %s: %w", channel, err)
	}
	return r.Get("Value"), nil
}
