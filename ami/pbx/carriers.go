package pbx

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/bits"
	"net/netip"
	"slices"
	"strings"

	goami "github.com/heltonmarx/goami/ami"

	"github.com/tollwarden/tollwarden/ami"
	"github.com/tollwarden/tollwarden/ami/event"
	"github.com/tollwarden/tollwarden/responder/places"
)

// carriers finds the addresses that Asterisk's configuration names. It changes
// nothing.
type carriers struct {
	asterisk  asterisk
	inventory inventory
	names     resolver
}

// correspondent is one host that Asterisk's configuration speaks to.
type correspondent struct {
	host string // an address, a prefix or a name
	why  string
}

// Carriers lists the addresses that Asterisk's configuration names, of both drivers:
// PJSIP's identify sections and outbound registrations, chan_sip's peers at a
// fixed address and its registrations. Names are resolved. ErrManyTrunks comes
// with a list that is not complete.
func (cs *carriers) Carriers(ctx context.Context) ([]places.Carrier, error) {
	all, err := cs.correspondents(ctx)
	var out []places.Carrier
	for _, c := range all {
		if prefix, ok := parsePrefix(c.host); ok {
			out = append(out, places.Carrier{Prefix: prefix, Why: c.why})
			continue
		}
		for _, addr := range cs.names.resolve(ctx, c.host) {
			out = append(out, places.Carrier{Prefix: netip.PrefixFrom(addr, addr.BitLen()), Why: c.why + " (" + c.host + ")"})
		}
	}
	return out, err
}

func (cs *carriers) correspondents(ctx context.Context) (out []correspondent, err error) {
	var sources []func(context.Context) ([]correspondent, error)
	on := cs.asterisk.loaded(ctx)
	if slices.Contains(on, PJSIP) {
		sources = append(sources, cs.identifies, cs.storedIdentifies, cs.pjsipRegistrations)
	}
	if slices.Contains(on, ChanSIP) {
		sources = append(sources, cs.fixedPeers, cs.sipRegistrations)
	}
	for _, ask := range sources {
		list, aerr := ask(ctx)
		if aerr != nil && !errors.Is(aerr, ErrManyTrunks) {
			return nil, aerr
		}
		out, err = append(out, list...), join(err, aerr)
	}
	return out, err
}

// parsePrefix reads an address or a prefix; ok is false for a name. Asterisk
// takes a mask in either form: 192.0.2.0/24 and 192.0.2.0/255.255.255.0.
func parsePrefix(s string) (p netip.Prefix, ok bool) {
	host, mask, masked := strings.Cut(s, "/")
	addr, err := netip.ParseAddr(host)
	if err != nil || addr.Zone() != "" {
		return netip.Prefix{}, false
	}
	if !masked {
		addr = addr.Unmap()
		return netip.PrefixFrom(addr, addr.BitLen()), true
	}
	if m, err := netip.ParseAddr(mask); err == nil && m.Is4() {
		p, err := addr.Prefix(leadingOnes(m))
		return p, err == nil
	}
	p, err = netip.ParsePrefix(s)
	if err != nil {
		return netip.Prefix{}, false
	}
	if addr.Is4In6() && p.Bits() >= 96 {
		p = netip.PrefixFrom(addr.Unmap(), p.Bits()-96)
	}
	return p.Masked(), true
}

// leadingOnes is the length of an IPv4 mask.
func leadingOnes(mask netip.Addr) int {
	b := mask.As4()
	return bits.LeadingZeros32(^binary.BigEndian.Uint32(b[:]))
}

// identifies reads match of the identify sections: addresses, prefixes and
// names, separated by commas.
func (cs *carriers) identifies(ctx context.Context) ([]correspondent, error) {
	r, err := cs.asterisk.do(ctx, ami.GetConfig("pjsip.conf", "type=identify"))
	if answered(err, "Config file not found") || answered(err, "No category") {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the identify sections of pjsip.conf: %w", err)
	}
	var out []correspondent
	for _, c := range readConfig(r.Fields) {
		if c.template || c.last("type") != "identify" {
			continue
		}
		why := "identify of " + c.last("endpoint")
		for _, line := range c.values("match") {
			for _, host := range list(line) {
				out = append(out, correspondent{host, why})
			}
		}
	}
	return out, nil
}

// maxTrunks bounds the endpoints that are asked about one by one.
const maxTrunks = 256

// ErrManyTrunks reports endpoints beyond those that are asked about.
var ErrManyTrunks = fmt.Errorf("more than %d PJSIP endpoints need no login, and the addresses of the rest are not known: add them to firewall.allow", maxTrunks)

// storedIdentifies reads the identify objects in a database. No action lists
// them, but each endpoint shows its own; only those without a login matter.
func (cs *carriers) storedIdentifies(ctx context.Context) ([]correspondent, error) {
	conf, err := cs.asterisk.getConfig(ctx, "sorcery.conf")
	if err != nil {
		return nil, err
	}
	stored := slices.ContainsFunc(conf, func(c category) bool {
		return c.name == "res_pjsip_endpoint_identifier_ip" && slices.ContainsFunc(c.values("identify"), func(v string) bool {
			return strings.HasPrefix(v, "realtime")
		})
	})
	if !stored {
		return nil, nil
	}
	endpoints, err := cs.inventory.endpoints(ctx)
	if err != nil {
		return nil, err
	}
	var out []correspondent
	asked := 0
	for _, e := range endpoints {
		name := e.Get("ObjectName")
		if len(list(e.Get("Auths"))) > 0 || checkName(name) != nil {
			continue
		}
		if asked++; asked > maxTrunks {
			return out, ErrManyTrunks
		}
		matches, err := cs.matches(ctx, name)
		if err != nil {
			return nil, err
		}
		for _, host := range matches {
			out = append(out, correspondent{host, "identify of " + name})
		}
	}
	return out, nil
}

// matches are the matches of an endpoint's identify objects.
func (cs *carriers) matches(ctx context.Context, endpoint string) ([]string, error) {
	items, err := goami.PJSIPShowEndpoint(ctx, cs.asterisk.session(), "", endpoint)
	if answered(err, "Unable to retrieve endpoint") {
		return nil, nil // it was removed meanwhile
	}
	if err != nil {
		return nil, fmt.Errorf("look up PJSIP endpoint %s: %w", endpoint, err)
	}
	var out []string
	for _, item := range items {
		if item.Get("Event") == "IdentifyDetail" && once(item, "Match") {
			out = append(out, list(item.Get("Match"))...)
		}
	}
	return out, nil
}

// pjsipRegistrations are the servers that PJSIP registers with, and the
// proxies it goes through.
func (cs *carriers) pjsipRegistrations(ctx context.Context) ([]correspondent, error) {
	items, err := goami.PJSIPShowRegistrationsOutbound(ctx, cs.asterisk.session(), "")
	if unknownAction(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("list PJSIP's outbound registrations: %w", err)
	}
	var out []correspondent
	for _, item := range items {
		if !once(item, "ObjectName", "ServerUri") {
			continue
		}
		why := "outbound registration " + item.Get("ObjectName")
		for _, uri := range []string{item.Get("ServerUri"), item.Get("OutboundProxy")} {
			if _, host, _ := event.SplitURI([]byte(uri)); len(host) > 0 {
				out = append(out, correspondent{string(host), why})
			}
		}
	}
	return out, nil
}

// fixedPeers are chan_sip's peers that do not register: host=… in sip.conf.
func (cs *carriers) fixedPeers(ctx context.Context) ([]correspondent, error) {
	peers, err := cs.inventory.sipPeers(ctx)
	if err != nil {
		return nil, err
	}
	var out []correspondent
	for _, p := range peers {
		at := addrPort(p.Get("IPaddress"), p.Get("IPport"))
		if p.Get("Dynamic") == "no" && at.IsValid() && once(p, "IPaddress", "IPport") {
			out = append(out, correspondent{at.Addr().String(), "peer " + p.Get("ObjectName")})
		}
	}
	return out, nil
}

// sipRegistrations are the servers that chan_sip registers with.
func (cs *carriers) sipRegistrations(ctx context.Context) ([]correspondent, error) {
	r, err := cs.asterisk.do(ctx, ami.ShowRegistry())
	if unknownAction(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("list chan_sip's registrations: %w", err)
	}
	var out []correspondent
	for _, e := range r.Events {
		item := responseOf(e)
		if item.Get("Event") == "RegistryEntry" && item.Get("Host") != "" && once(item, "Host", "Username") {
			out = append(out, correspondent{strings.Trim(item.Get("Host"), "[]"), "registration as " + item.Get("Username")})
		}
	}
	return out, nil
}
