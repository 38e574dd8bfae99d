package peer

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/tollwarden/tollwarden/ami"
)

// Trusted is somebody whom Asterisk's own configuration speaks to: a carrier or
// another PBX.
type Trusted struct {
	Host string // an address, a prefix or a name
	Why  string // for people, such as `identify of carrier`
}

// Trusted lists whom Asterisk's configuration trusts, of both technologies:
// PJSIP's identify sections and outbound registrations, chan_sip's peers at a
// fixed address and its registrations. ErrManyTrunks comes with a list that is
// not complete.
func (m *Manager) Trusted(ctx context.Context) (out []Trusted, err error) {
	var ways []func(context.Context) ([]Trusted, error)
	on := m.loaded(ctx)
	if slices.Contains(on, PJSIP) {
		ways = append(ways, m.identifies, m.storedIdentifies, m.pjsipRegistrations)
	}
	if slices.Contains(on, ChanSIP) {
		ways = append(ways, m.fixedPeers, m.sipRegistrations)
	}
	for _, ask := range ways {
		list, aerr := ask(ctx)
		if aerr != nil && !errors.Is(aerr, ErrManyTrunks) {
			return nil, aerr
		}
		out, err = append(out, list...), join(err, aerr)
	}
	return out, err
}

// identifies reads `match` of the identify sections: addresses, prefixes (with
// a mask in either form) and names, separated by commas.
func (m *Manager) identifies(ctx context.Context) ([]Trusted, error) {
	r, err := m.do(ctx, ami.GetConfig("pjsip.conf", "", "type=identify"))
	if answered(err, "Config file not found") || answered(err, "No category") {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the identify sections of pjsip.conf: %w", err)
	}
	var out []Trusted
	for _, c := range readConfig(r.Fields) {
		if c.template || c.last("type") != "identify" {
			continue
		}
		why := "identify of " + c.last("endpoint")
		for _, line := range c.values("match") {
			for _, host := range list(line) {
				out = append(out, Trusted{hostOfMatch(host), why})
			}
		}
	}
	return out, nil
}

// maxTrunks bounds the endpoints that are asked about one by one.
const maxTrunks = 256

// ErrManyTrunks reports endpoints beyond those that are asked about.
var ErrManyTrunks = fmt.Errorf("more than %d PJSIP endpoints need no login: the addresses of the others, in a database, are not known: put them into firewall.allow", maxTrunks)

// storedIdentifies reads the identify objects that stand in a database. No action
// lists them, but each endpoint shows its own; those matter that need no login.
func (m *Manager) storedIdentifies(ctx context.Context) ([]Trusted, error) {
	conf, err := m.getConfig(ctx, "sorcery.conf")
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
	r, err := m.do(ctx, action("PJSIPShowEndpoints"))
	if unknownAction(err) || answered(err, "No endpoints found") || answered(err, "No Endpoints found") {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("list PJSIP endpoints: %w", err)
	}
	var out []Trusted
	asked := 0
	for _, e := range r.Events {
		name := e.Get("ObjectName")
		if e.Get("Event") != "EndpointList" || !once(e, "ObjectName") || len(list(e.Get("Auths"))) > 0 || checkName(name) != nil {
			continue
		}
		if asked++; asked > maxTrunks {
			return out, ErrManyTrunks
		}
		shown, err := m.do(ctx, ami.ShowEndpoint(name))
		if answered(err, "Unable to retrieve endpoint") {
			continue // it went meanwhile
		}
		if err != nil {
			return nil, fmt.Errorf("look up PJSIP endpoint %s: %w", name, err)
		}
		for _, i := range shown.Events {
			if i.Get("Event") != "IdentifyDetail" || !once(i, "Match") {
				continue
			}
			for _, host := range list(i.Get("Match")) {
				out = append(out, Trusted{hostOfMatch(host), "identify of " + name})
			}
		}
	}
	return out, nil
}

// hostOfMatch writes a match in the form of a prefix: Asterisk takes
// 192.0.2.0/255.255.255.0, too.
func hostOfMatch(s string) string {
	addr, mask, found := strings.Cut(s, "/")
	if !found {
		return s
	}
	if m, err := netip.ParseAddr(mask); err == nil && m.Is4() {
		bits := 0
		for _, b := range m.As4() {
			for ; b&0x80 != 0; b <<= 1 {
				bits++
			}
		}
		return fmt.Sprintf("%s/%d", addr, bits)
	}
	return s
}

// pjsipRegistrations are the servers that PJSIP registers with, and the
// proxies it goes through.
func (m *Manager) pjsipRegistrations(ctx context.Context) ([]Trusted, error) {
	r, err := m.do(ctx, action("PJSIPShowRegistrationsOutbound"))
	if unknownAction(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("list PJSIP's outbound registrations: %w", err)
	}
	var out []Trusted
	for _, e := range r.Events {
		if e.Get("Event") != "OutboundRegistrationDetail" || !once(e, "ObjectName", "ServerUri") {
			continue
		}
		why := "outbound registration " + e.Get("ObjectName")
		for _, uri := range []string{e.Get("ServerUri"), e.Get("OutboundProxy")} {
			if host := hostOfURI(uri); host != "" {
				out = append(out, Trusted{host, why})
			}
		}
	}
	return out, nil
}

// fixedPeers are chan_sip's peers that do not register: host=… in sip.conf.
func (m *Manager) fixedPeers(ctx context.Context) ([]Trusted, error) {
	r, err := m.do(ctx, action("SIPpeers"))
	if unknownAction(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("list chan_sip's peers: %w", err)
	}
	var out []Trusted
	for _, e := range r.Events {
		at := addrPort(e.Get("IPaddress"), e.Get("IPport"))
		if e.Get("Event") == "PeerEntry" && e.Get("Dynamic") == "no" && at.IsValid() && once(e, "ObjectName", "IPaddress", "IPport") {
			out = append(out, Trusted{at.Addr().String(), "peer " + e.Get("ObjectName")})
		}
	}
	return out, nil
}

// sipRegistrations are the servers that chan_sip registers with.
func (m *Manager) sipRegistrations(ctx context.Context) ([]Trusted, error) {
	r, err := m.do(ctx, action("SIPshowregistry"))
	if unknownAction(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("list chan_sip's registrations: %w", err)
	}
	var out []Trusted
	for _, e := range r.Events {
		if e.Get("Event") == "RegistryEntry" && e.Get("Host") != "" && once(e, "Host", "Username") {
			out = append(out, Trusted{strings.Trim(e.Get("Host"), "[]"), "registration as " + e.Get("Username")})
		}
	}
	return out, nil
}

// hostOfURI is the host of a SIP URI, without brackets.
func hostOfURI(uri string) string {
	_, rest, found := strings.Cut(uri, ":")
	if !found {
		return ""
	}
	if at := strings.LastIndexByte(rest, '@'); at >= 0 {
		rest = rest[at+1:]
	}
	if strings.HasPrefix(rest, "[") {
		host, _, _ := strings.Cut(rest[1:], "]")
		return host
	}
	if end := strings.IndexAny(rest, ":;?>"); end >= 0 {
		rest = rest[:end]
	}
	return rest
}
