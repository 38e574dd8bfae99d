package pbx

import (
	"context"
	"fmt"
	"strings"

	goami "github.com/heltonmarx/goami/ami"

	"github.com/tollwarden/tollwarden/ami"
)

// fixedPeers are chan_sip's peers that do not register: host=… in sip.conf.
func (cs *carriers) fixedPeers(ctx context.Context) ([]correspondent, error) {
	peers, err := cs.inventory.sipPeers(ctx)
	if err != nil {
		return nil, err
	}
	var out []correspondent
	for _, p := range peers {
		if p.Get("Dynamic") != "no" || !once(p, "IPaddress", "IPport") {
			continue
		}
		name := p.Get("ObjectName")
		if at := addrPort(p.Get("IPaddress"), p.Get("IPport")); at.IsValid() {
			out = append(out, correspondent{at.Addr().String(), "peer " + name})
			continue
		}
		peer, err := cs.asterisk.sipPeer(ctx, name) // whose name Asterisk could not resolve
		if err != nil {
			return nil, fmt.Errorf("peer %s: %w", name, err)
		}
		if once(peer, "ToHost") {
			out = addHosts(out, peer.Get("ToHost"), "peer "+name)
		}
	}
	return out, nil
}

// sipRegistrations are the servers that chan_sip registers with.
func (cs *carriers) sipRegistrations(ctx context.Context) ([]correspondent, error) {
	return cs.registry(ctx, ami.ShowRegistry(), "registration as ")
}

// registry reads a list of outgoing registrations.
func (cs *carriers) registry(ctx context.Context, a ami.Action, why string) ([]correspondent, error) {
	r, err := cs.asterisk.do(ctx, a)
	if unknownAction(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("list outgoing registrations (%s): %w", a.Name, err)
	}
	var out []correspondent
	for _, e := range r.Events {
		item := responseOf(e)
		if item.Get("Event") == "RegistryEntry" && once(item, "Host", "Username") {
			out = addHosts(out, item.Get("Host"), why+item.Get("Username"))
		}
	}
	return out, nil
}

// sipProxies are chan_sip's outbound proxies.
func (cs *carriers) sipProxies(ctx context.Context) ([]correspondent, error) {
	sections, err := cs.sections(ctx, "sip.conf", "^outboundproxy$=.+")
	if err != nil {
		return nil, err
	}
	var out []correspondent
	for _, c := range sections {
		host, _, _ := strings.Cut(c.last("outboundproxy"), ",") // an option may follow
		out = addHosts(out, host, "outbound proxy of "+c.name)
	}
	return out, nil
}

// iaxPeers are chan_iax2's peers at a fixed address.
func (cs *carriers) iaxPeers(ctx context.Context) ([]correspondent, error) {
	peers, err := goami.IAXpeerlist(ctx, cs.asterisk.session("ObjectName", "Dynamic", "IPaddress"), "")
	if unknownAction(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("list IAX2 peers: %w", err)
	}
	var out []correspondent
	for _, p := range named(peers) {
		if p.Get("Dynamic") == "no" && once(p, "IPaddress") {
			out = addHosts(out, p.Get("IPaddress"), "IAX2 peer "+p.Get("ObjectName"))
		}
	}
	return out, nil
}

// iaxRegistrations are the servers that chan_iax2 registers with.
func (cs *carriers) iaxRegistrations(ctx context.Context) ([]correspondent, error) {
	return cs.registry(ctx, ami.ShowIAXRegistry(), "IAX2 registration as ")
}
