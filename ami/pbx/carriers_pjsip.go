package pbx

import (
	"context"
	"fmt"
	"slices"
	"strings"

	goami "github.com/heltonmarx/goami/ami"

	"github.com/tollwarden/tollwarden/ami"
)

// identifies reads match of the identify sections: addresses, prefixes and
// names, separated by commas.
func (cs *carriers) identifies(ctx context.Context) ([]correspondent, error) {
	sections, err := cs.sections(ctx, "pjsip.conf", "type=identify")
	if err != nil {
		return nil, err
	}
	var out []correspondent
	for _, c := range sections {
		if c.last("type") != "identify" {
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
		if len(list(e.Get("Auths"))) > 0 || checkAccount(name) != nil {
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

// matches are the matches of an endpoint's identify objects, and its outbound proxy.
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
		switch {
		case item.Get("Event") == "IdentifyDetail" && once(item, "Match"):
			out = append(out, list(item.Get("Match"))...)
		case item.Get("Event") == "EndpointDetail" && once(item, "OutboundProxy"):
			if host := hostOf(item.Get("OutboundProxy")); host != "" {
				out = append(out, host)
			}
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
			out = addHosts(out, uri, why)
		}
	}
	return out, nil
}

// staticContacts are the contacts that the configuration gives an AOR, wherever it is
// kept. An AOR that can be registered is left out, since its list holds what phones
// registered, too, and they write that themselves: pjsipAddresses reads its section.
func (cs *carriers) staticContacts(ctx context.Context) ([]correspondent, error) {
	r, err := cs.asterisk.do(ctx, ami.ShowAors())
	if unknownAction(err) || answered(err, "No AORs found") || answered(err, "No Aors found") {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("list PJSIP's AORs: %w", err)
	}
	var out []correspondent
	for _, e := range r.Events {
		item := responseOf(e)
		if item.Get("Event") != "AorList" || !once(item, "ObjectName", "MaxContacts", "Contacts") {
			continue
		}
		name := item.Get("ObjectName")
		if item.Get("MaxContacts") == "0" {
			for _, contact := range list(item.Get("Contacts")) {
				out = addHosts(out, strings.TrimPrefix(contact, name+"/"), "contact of "+name)
			}
		}
		if once(item, "OutboundProxy") {
			out = addHosts(out, item.Get("OutboundProxy"), "outbound proxy of "+name)
		}
	}
	return out, nil
}

// pjsipAddresses are the static contacts and outbound proxies in pjsip.conf.
func (cs *carriers) pjsipAddresses(ctx context.Context) ([]correspondent, error) {
	sections, err := cs.sections(ctx, "pjsip.conf", "^(contact|outbound_proxy)$=.+")
	if err != nil {
		return nil, err
	}
	var out []correspondent
	for _, c := range sections {
		if c.is("aor") {
			for _, contact := range c.values("contact") {
				out = addHosts(out, contact, "contact of "+c.name)
			}
		}
		out = addHosts(out, c.last("outbound_proxy"), "outbound proxy of "+c.name)
	}
	return out, nil
}

// wizards are the remote hosts and outbound proxies in pjsip_wizard.conf.
func (cs *carriers) wizards(ctx context.Context) ([]correspondent, error) {
	sections, err := cs.sections(ctx, "pjsip_wizard.conf", "")
	if err != nil {
		return nil, err
	}
	var out []correspondent
	for _, c := range sections {
		for _, v := range c.vars {
			switch name := strings.ToLower(v.Name); {
			case name == "remote_hosts", name == "identify/match", name == "aor/contact":
				out = addHosts(out, v.Value, "remote host of "+c.name)
			case strings.HasSuffix(name, "outbound_proxy"):
				out = addHosts(out, v.Value, "outbound proxy of "+c.name)
			}
		}
	}
	return out, nil
}

// sections are the sections of a file that match a filter, without templates.
func (cs *carriers) sections(ctx context.Context, file, filter string) (config, error) {
	r, err := cs.asterisk.do(ctx, ami.GetConfig(file, filter))
	if answered(err, "Config file not found") || answered(err, "No category") {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read %s through Asterisk: %w", file, err)
	}
	return slices.DeleteFunc(readConfig(r.Fields), func(c category) bool { return c.template }), nil
}
