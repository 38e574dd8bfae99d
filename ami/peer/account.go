package peer

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/tollwarden/tollwarden/ami"
)

// account is what Asterisk has under one name.
type account struct {
	name     string
	endpoint *endpoint   // nil: no PJSIP endpoint of that name
	peer     ami.Message // nil: no chan_sip peer; otherwise SIPshowpeer's headers
}

// endpoint is a PJSIP endpoint with the objects it stands on.
type endpoint struct {
	inbound   []string // names of the auth objects callers must satisfy
	outbound  []string // names of the auth objects Asterisk itself uses
	auths     []auth   // the inbound ones, as live in Asterisk
	aors      []string
	context   string   // of its calls
	acl       string   // what it says of its address rules
	permanent []string // URIs of contacts that stand in the configuration
}

// auth is one live PJSIP auth object. It holds secrets: never print it.
type auth struct {
	name, kind, username, realm    string
	password, md5cred, digestLists string
}

// find asks Asterisk what the account is.
func (m *Manager) find(ctx context.Context, name string) (*account, error) {
	if err := checkName(name); err != nil {
		return nil, err
	}
	a := &account{name: name}
	var err error
	if a.endpoint, err = m.endpoint(ctx, name); err != nil {
		return nil, fmt.Errorf("look up PJSIP endpoint %s: %w", name, err)
	}
	if a.peer, err = m.sipPeer(ctx, name); err != nil {
		return nil, fmt.Errorf("look up chan_sip peer %s: %w", name, err)
	}
	if a.endpoint == nil && a.peer == nil {
		return nil, fmt.Errorf("%w: %s is neither a PJSIP endpoint nor a chan_sip peer", ErrNoAccount, name)
	}
	return a, nil
}

// endpoint reads a PJSIP endpoint; nil when Asterisk has none of that name.
func (m *Manager) endpoint(ctx context.Context, name string) (*endpoint, error) {
	r, err := m.do(ctx, ami.ShowEndpoint(name))
	if unknownAction(err) || answered(err, "Unable to retrieve endpoint") {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return readEndpoint(r.Events)
}

func readEndpoint(events []ami.Message) (*endpoint, error) {
	e := &endpoint{}
	for _, ev := range events {
		if ev.Get("Event") == "EndpointDetail" {
			e.inbound, e.outbound = list(ev.Get("Auth")), list(ev.Get("OutboundAuth"))
			e.context, e.acl = ev.Get("Context"), ev.Get("Acl")
		}
	}
	for _, ev := range events {
		switch name := ev.Get("ObjectName"); ev.Get("Event") {
		case "AuthDetail":
			// Outbound auth objects are listed too.
			if slices.Contains(e.inbound, name) && !slices.ContainsFunc(e.auths, func(a auth) bool { return a.name == name }) {
				e.auths = append(e.auths, readAuth(ev))
			}
		case "AorDetail":
			if !slices.Contains(e.aors, name) {
				e.aors = append(e.aors, name)
			}
		case "ContactStatusDetail":
			// ID is <aor>@@<hash> for a contact of the configuration and
			// <aor>;@<hash> for a registered one (res_pjsip/location.c).
			if strings.Contains(ev.Get("ID"), "@@") {
				e.permanent = append(e.permanent, ev.Get("URI"))
			}
		}
	}
	if len(e.inbound) != len(e.auths) {
		return nil, errors.New("an auth object of the endpoint does not exist; see `pjsip show auths`")
	}
	return e, nil
}

func readAuth(ev ami.Message) auth {
	return auth{
		name: ev.Get("ObjectName"), kind: ev.Get("AuthType"), username: ev.Get("Username"), realm: ev.Get("Realm"),
		password: ev.Get("Password"), md5cred: ev.Get("Md5Cred"), digestLists: ev.Get("PasswordDigest"),
	}
}

// sipPeer reads a chan_sip peer; nil when Asterisk has none of that name.
func (m *Manager) sipPeer(ctx context.Context, name string) (ami.Message, error) {
	r, err := m.do(ctx, action("SIPshowpeer", "Peer", name))
	if unknownAction(err) || answered(err, "Peer "+name+" not found") {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return ami.Message(r.Fields), nil
}

// action is one with the given headers, names and values in turn.
func action(name string, headers ...string) ami.Action {
	a := ami.Action{Name: name}
	for i := 0; i < len(headers); i += 2 {
		a.Fields = append(a.Fields, ami.Field{Name: headers[i], Value: headers[i+1]})
	}
	return a
}

// list splits a comma separated list of names.
func list(s string) []string {
	var out []string
	for part := range strings.SplitSeq(s, ",") {
		if part = strings.TrimSpace(part); part != "" {
			out = append(out, part)
		}
	}
	return out
}
