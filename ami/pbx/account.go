package pbx

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	goami "github.com/heltonmarx/goami/ami"
)

// account is everything of one name in Asterisk.
type account struct {
	name     string
	endpoint *endpoint      // nil: no PJSIP endpoint of that name
	peer     goami.Response // nil: no chan_sip peer; otherwise SIPshowpeer's headers
	iax      *iaxAccount    // nil: no account of chan_iax2
}

// endpoint is a PJSIP endpoint with its objects.
type endpoint struct {
	inbound   []string // names of the auth objects callers must satisfy
	outbound  []string // names of the auth objects Asterisk itself uses
	auths     []auth   // the inbound ones, as live in Asterisk
	aors      []string
	context   string   // of its calls
	acl       string   // what it says of its address rules
	permanent []string // URIs of contacts in the configuration
}

// auth is one live PJSIP auth object. It holds secrets: never print it.
type auth struct {
	name, kind, username, realm    string
	password, md5cred, digestLists string
}

// find asks Asterisk what the account is.
func (ast asterisk) find(ctx context.Context, name string) (*account, error) {
	if err := checkAccount(name); err != nil {
		return nil, err
	}
	a := &account{name: name}
	var err error
	if a.endpoint, err = ast.endpoint(ctx, name); err != nil {
		return nil, fmt.Errorf("look up PJSIP endpoint %s: %w", name, err)
	}
	if a.peer, err = ast.sipPeer(ctx, name); err != nil {
		return nil, fmt.Errorf("look up chan_sip peer %s: %w", name, err)
	}
	if a.iax, err = ast.iaxAccount(ctx, name); err != nil {
		return nil, fmt.Errorf("look up IAX2 user %s: %w", name, err)
	}
	if a.endpoint == nil && a.peer == nil && a.iax == nil {
		return nil, fmt.Errorf("%w: %s is neither a PJSIP endpoint nor a chan_sip peer nor an IAX2 user", ErrNoAccount, name)
	}
	return a, nil
}

// endpoint reads a PJSIP endpoint; nil when Asterisk has none of that name.
func (ast asterisk) endpoint(ctx context.Context, name string) (*endpoint, error) {
	items, err := goami.PJSIPShowEndpoint(ctx, ast.session(), "", name)
	if unknownAction(err) || answered(err, "Unable to retrieve endpoint") {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return readEndpoint(items)
}

func readEndpoint(items []goami.Response) (*endpoint, error) {
	e := &endpoint{}
	for _, item := range items {
		if item.Get("Event") == "EndpointDetail" {
			e.inbound, e.outbound = list(item.Get("Auth")), list(item.Get("OutboundAuth"))
			e.context, e.acl = item.Get("Context"), item.Get("Acl")
		}
	}
	for _, item := range items {
		switch name := item.Get("ObjectName"); item.Get("Event") {
		case "AuthDetail":
			// Outbound auth objects are listed too.
			if slices.Contains(e.inbound, name) && !slices.ContainsFunc(e.auths, func(a auth) bool { return a.name == name }) {
				e.auths = append(e.auths, readAuth(item))
			}
		case "AorDetail":
			if !slices.Contains(e.aors, name) {
				e.aors = append(e.aors, name)
			}
		case "ContactStatusDetail":
			// ID is <aor>@@<hash> for a contact of the configuration and
			// <aor>;@<hash> for a registered one (res_pjsip/location.c).
			if strings.Contains(item.Get("ID"), "@@") {
				e.permanent = append(e.permanent, item.Get("URI"))
			}
		}
	}
	if len(e.inbound) != len(e.auths) {
		return nil, errors.New("an auth object of the endpoint does not exist; see `pjsip show auths`")
	}
	return e, nil
}

func readAuth(item goami.Response) auth {
	return auth{
		name: item.Get("ObjectName"), kind: item.Get("AuthType"), username: item.Get("Username"), realm: item.Get("Realm"),
		password: item.Get("Password"), md5cred: item.Get("Md5Cred"), digestLists: item.Get("PasswordDigest"),
	}
}

// sipPeer reads a chan_sip peer; nil when Asterisk has none of that name.
func (ast asterisk) sipPeer(ctx context.Context, name string) (goami.Response, error) {
	r, err := goami.SIPShowPeer(ctx, ast.session(), "", name)
	if unknownAction(err) || answered(err, "Peer "+name+" not found") {
		return nil, nil
	}
	return r, err
}

// technologies says what the account is, for a person.
func (a *account) technologies() string {
	var is []string
	for _, t := range []struct {
		there bool
		name  string
	}{{a.endpoint != nil, "a PJSIP endpoint"}, {a.peer != nil, "a chan_sip peer"}, {a.iax != nil, "an IAX2 user"}} {
		if t.there {
			is = append(is, t.name)
		}
	}
	return strings.Join(is, " and ")
}
