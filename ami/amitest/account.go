package amitest

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/tollwarden/tollwarden/ami"
)

// Account is the account of a phone.
type Account struct {
	Technology string // "PJSIP" (the default) or "SIP"
	Name       string
	Secret     string
	Context    string // "internal" by default
}

// AddAccount adds an account to pjsip.conf or sip.conf and loads the file.
func (p *PBX) AddAccount(a Account) error {
	a.Context = cmp.Or(a.Context, "internal")
	file, sections := pjsipConf, fmt.Sprintf(`
[%[1]s]
type = endpoint
context = %[3]s
auth = %[1]s
aors = %[1]s

[%[1]s]
type = auth
auth_type = userpass
username = %[1]s
password = %[2]s

[%[1]s]
type = aor
max_contacts = 5
`, a.Name, a.Secret, a.Context)
	if a.Technology == "SIP" {
		file, sections = sipConf, fmt.Sprintf(`
[%[1]s]
type = friend
host = dynamic
context = %[3]s
secret = %[2]s
`, a.Name, a.Secret, a.Context)
	}
	return p.SetFile(file, p.File(file)+sections)
}

// Secret returns the secret that is currently in force: the loaded one, not the one in the
// file. It returns "" if the account does not exist.
func (p *PBX) Secret(account string) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	if e := p.endpoint(account); e != nil {
		for _, auth := range e.auths {
			return auth.value("password")
		}
	}
	if s := p.peer(account); s != nil {
		return s.value("secret")
	}
	return ""
}

// endpoint is a PJSIP endpoint with its objects.
type endpoint struct {
	*section
	auths, aors []*section
}

// object returns a loaded PJSIP object of a type. Files take precedence over realtime.
func (p *PBX) object(kind, name string) *section {
	for _, s := range p.loaded[pjsipConf].find(name, "") {
		if s.value("type") == kind {
			return s
		}
	}
	for _, row := range p.realtime["ps_"+kind+"s"] {
		if row["id"] == name {
			s := &section{name: name}
			for column, value := range row {
				s.vars = append(s.vars, variable{name: column, value: value})
			}
			return s
		}
	}
	return nil
}

func (p *PBX) endpoint(name string) *endpoint {
	s := p.object("endpoint", name)
	if s == nil || name == "" {
		return nil
	}
	e := &endpoint{section: s}
	for auth := range strings.SplitSeq(s.value("auth"), ",") {
		if o := p.object("auth", strings.TrimSpace(auth)); o != nil {
			e.auths = append(e.auths, o)
		}
	}
	for aor := range strings.SplitSeq(s.value("aors"), ",") {
		if o := p.object("aor", strings.TrimSpace(aor)); o != nil {
			e.aors = append(e.aors, o)
		}
	}
	return e
}

// endpoints returns all endpoints, in the order of the file and the table.
func (p *PBX) endpoints() (all []*endpoint) {
	for _, s := range p.loaded[pjsipConf].find("", "type=^endpoint$") {
		all = append(all, p.endpoint(s.name))
	}
	for _, row := range p.realtime["ps_endpoints"] {
		all = append(all, p.endpoint(row["id"]))
	}
	return all
}

// peer returns a loaded chan_sip peer.
func (p *PBX) peer(name string) *section {
	found := p.loaded[sipConf].find(name, "type=^(friend|peer|user)$")
	if len(found) == 0 || name == "" {
		return nil
	}
	return found[0]
}

// active returns the number of channels of an account.
func (p *PBX) active(technology, account string) (n int) {
	name := regexp.MustCompile("^" + regexp.QuoteMeta(technology+"/"+account) + "-[0-9a-f]{8}$")
	for _, c := range p.channels {
		if name.MatchString(c.Name) {
			n++
		}
	}
	return n
}

func (p *PBX) deviceState(technology, account string) string {
	switch {
	case p.active(technology, account) > 0:
		return "In use"
	case len(p.contactsOf(account)) == 0:
		return "Unavailable"
	}
	return "Not in use"
}

// authFields returns an auth object as sorcery prints it.
func authFields(s *section) []ami.Field {
	return []ami.Field{
		{Name: "ObjectType", Value: "auth"},
		{Name: "ObjectName", Value: s.name},
		{Name: "PasswordDigest", Value: s.value("password_digest")},
		{Name: "Username", Value: s.value("username")},
		{Name: "Md5Cred", Value: s.value("md5_cred")},
		{Name: "Realm", Value: s.value("realm")},
		{Name: "AuthType", Value: cmp.Or(s.value("auth_type"), "userpass")},
		{Name: "Password", Value: s.value("password")},
		{Name: "NonceLifetime", Value: cmp.Or(s.value("nonce_lifetime"), "32")},
	}
}

func doShowAuths(p *PBX, _ *session, _ request, a *reply) {
	found := p.loaded[pjsipConf].find("", "type=^auth$")
	for _, row := range p.realtime["ps_auths"] {
		found = append(found, p.object("auth", row["id"]))
	}
	if len(found) == 0 {
		a.refuse("No Auths found\n")
		return
	}
	a.list("A listing of Auths follows, presented as AuthList events")
	for _, s := range found {
		a.item("AuthList", authFields(s)...)
	}
	a.complete("AuthListComplete")
}

func doShowEndpoints(p *PBX, _ *session, _ request, a *reply) {
	all := p.endpoints()
	if len(all) == 0 {
		a.refuse("No endpoints found\n")
		return
	}
	a.list("A listing of Endpoints follows, presented as EndpointList events")
	for _, e := range all {
		contacts := ""
		for _, c := range p.contactsOf(e.name) {
			contacts += e.name + "/" + c["uri"] + ","
		}
		a.item(
			"EndpointList",
			ami.Field{Name: "ObjectType", Value: "endpoint"},
			ami.Field{Name: "ObjectName", Value: e.name},
			ami.Field{Name: "Transport", Value: e.value("transport")},
			ami.Field{Name: "Aor", Value: e.value("aors")},
			ami.Field{Name: "Auths", Value: e.value("auth")},
			ami.Field{Name: "OutboundAuths", Value: e.value("outbound_auth")},
			ami.Field{Name: "Contacts", Value: contacts},
			ami.Field{Name: "DeviceState", Value: p.deviceState("PJSIP", e.name)},
			ami.Field{Name: "ActiveChannels", Value: fmt.Sprint(p.active("PJSIP", e.name))},
		)
	}
	a.complete("EndpointListComplete")
}

func doShowEndpoint(p *PBX, _ *session, r request, a *reply) {
	name := r.get("Endpoint")
	if len(name) > 6 && strings.EqualFold(name[:6], "pjsip/") {
		name = name[6:]
	}
	e := p.endpoint(name)
	if e == nil {
		a.refuse("Unable to retrieve endpoint %s\n", name)
		return
	}
	a.list("Following are Events for each object associated with the Endpoint")
	a.item(
		"EndpointDetail",
		ami.Field{Name: "ObjectType", Value: "endpoint"},
		ami.Field{Name: "ObjectName", Value: e.name},
		ami.Field{Name: "Aors", Value: e.value("aors")},
		ami.Field{Name: "Context", Value: cmp.Or(e.value("context"), "default")},
		ami.Field{Name: "Transport", Value: e.value("transport")},
		ami.Field{Name: "Auth", Value: e.value("auth")},
		ami.Field{Name: "OutboundAuth", Value: e.value("outbound_auth")},
		ami.Field{Name: "DeviceState", Value: p.deviceState("PJSIP", e.name)},
		ami.Field{Name: "ActiveChannels", Value: fmt.Sprint(p.active("PJSIP", e.name))},
	)
	owner := ami.Field{Name: "EndpointName", Value: e.name}
	for _, s := range e.auths {
		a.item("AuthDetail", append(authFields(s), owner)...)
	}
	for _, s := range e.aors {
		n := fmt.Sprint(len(p.contactsOf(e.name)))
		a.item(
			"AorDetail",
			ami.Field{Name: "ObjectType", Value: "aor"},
			ami.Field{Name: "ObjectName", Value: s.name},
			ami.Field{Name: "MaxContacts", Value: cmp.Or(s.value("max_contacts"), "0")},
			ami.Field{Name: "RemoveExisting", Value: cmp.Or(s.value("remove_existing"), "false")},
			ami.Field{Name: "TotalContacts", Value: n},
			ami.Field{Name: "ContactsRegistered", Value: n},
			owner,
		)
	}
	for _, c := range p.contactsOf(e.name) {
		a.item(
			"ContactStatusDetail",
			ami.Field{Name: "AOR", Value: c.aor()},
			ami.Field{Name: "URI", Value: c["uri"]},
			ami.Field{Name: "UserAgent", Value: c["user_agent"]},
			ami.Field{Name: "RegExpire", Value: c["expiration_time"]},
			ami.Field{Name: "ViaAddress", Value: c["via_addr"] + ":" + c["via_port"]},
			ami.Field{Name: "CallID", Value: c["call_id"]},
			ami.Field{Name: "Status", Value: "NonQualified"},
			ami.Field{Name: "RoundtripUsec", Value: "N/A"},
			owner,
			ami.Field{Name: "ID", Value: c["id"]},
		)
	}
	a.complete("EndpointDetailComplete")
}

// peers returns the chan_sip peers in the order of the file.
func (p *PBX) peers() []*section { return p.loaded[sipConf].find("", "type=^(friend|peer|user)$") }

func yes(b bool, y, n string) string {
	if b {
		return y
	}
	return n
}

func doSIPPeers(p *PBX, _ *session, _ request, a *reply) {
	a.list("Peer status list will follow")
	for _, s := range p.peers() {
		r, registered := p.registration(s.name)
		address, port := "-none-", "0"
		if registered {
			address, port = r.address, r.port
		}
		a.item(
			"PeerEntry",
			ami.Field{Name: "Channeltype", Value: "SIP"},
			ami.Field{Name: "ObjectName", Value: s.name},
			ami.Field{Name: "ChanObjectType", Value: "peer"},
			ami.Field{Name: "IPaddress", Value: address},
			ami.Field{Name: "IPport", Value: port},
			ami.Field{Name: "Dynamic", Value: yes(s.value("host") == "dynamic", "yes", "no")},
			ami.Field{Name: "ACL", Value: "no"},
			ami.Field{Name: "Status", Value: "Unmonitored"},
			ami.Field{Name: "RealtimeDevice", Value: "no"},
			ami.Field{Name: "Description", Value: ""},
			ami.Field{Name: "Accountcode", Value: ""},
		)
	}
	a.complete("PeerlistComplete")
}

func doSIPShowPeer(p *PBX, _ *session, r request, a *reply) {
	name := r.get("Peer")
	s := p.peer(name)
	switch {
	case name == "":
		a.refuse("Peer: <name> missing.")
		return
	case s == nil:
		a.refuse("Peer %s not found.", name)
		return
	}
	reg, registered := p.registration(s.name)
	if !registered {
		reg = registration{address: "(null)", port: "0"}
	}
	a.ok(
		ami.Field{Name: "Channeltype", Value: "SIP"},
		ami.Field{Name: "ObjectName", Value: s.name},
		ami.Field{Name: "ChanObjectType", Value: "peer"},
		ami.Field{Name: "SecretExist", Value: yes(s.value("secret") != "", "Y", "N")},
		ami.Field{Name: "RemoteSecretExist", Value: yes(s.value("remotesecret") != "", "Y", "N")},
		ami.Field{Name: "MD5SecretExist", Value: yes(s.value("md5secret") != "", "Y", "N")},
		ami.Field{Name: "Context", Value: s.value("context")},
		ami.Field{Name: "Dynamic", Value: yes(s.value("host") == "dynamic", "Y", "N")},
		ami.Field{Name: "RegExpire", Value: yes(registered, reg.expires, "-1") + " seconds"},
		ami.Field{Name: "Address-IP", Value: reg.address},
		ami.Field{Name: "Address-Port", Value: reg.port},
		ami.Field{Name: "Default-Username", Value: s.name},
		ami.Field{Name: "Status", Value: "Unmonitored"},
		ami.Field{Name: "SIP-Useragent", Value: reg.agent},
		ami.Field{Name: "Reg-Contact", Value: reg.uri},
	)
}

// Accounts returns the names of all accounts, PJSIP accounts first.
func (p *PBX) Accounts() (names []string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, e := range p.endpoints() {
		names = append(names, e.name)
	}
	for _, s := range p.peers() {
		if !slices.Contains(names, s.name) {
			names = append(names, s.name)
		}
	}
	return names
}
