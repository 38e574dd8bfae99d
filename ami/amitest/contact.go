package amitest

import (
	"cmp"
	"crypto/md5"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"github.com/tollwarden/tollwarden/ami"
)

// Contact is one registration of a phone.
type Contact struct {
	Technology string // "PJSIP" (the default) or "SIP"
	Account    string
	Via        netip.AddrPort // source of the REGISTER
	URI        string         // derived from Account and Via by default; may be false
	UserAgent  string
	CallID     string
	Expires    time.Duration // an hour by default
}

// Register registers a phone, raises ContactStatus or PeerStatus, and returns the id of the
// contact.
func (p *PBX) Register(c Contact) (id string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	c.URI = cmp.Or(c.URI, "sip:"+c.Account+"@"+c.Via.String())
	c.Expires = cmp.Or(c.Expires, time.Hour)
	if c.Technology == "SIP" {
		r := registration{
			address: c.Via.Addr().String(), port: fmt.Sprint(c.Via.Port()), agent: c.UserAgent,
			expires: fmt.Sprint(int(c.Expires.Seconds())), uri: c.URI,
		}
		p.database[dbKey("SIP/Registry", c.Account)] = r.row(c.Account)
		p.peerStatus(c.Account, "Registered", ami.Field{Name: "Address", Value: c.Via.String()})
		return c.Account
	}
	sum := md5.Sum([]byte(c.URI))
	id = c.Account + ";@" + hex.EncodeToString(sum[:])
	row, _ := json.Marshal(contactRow{ // a map of strings always marshals
		"via_addr": c.Via.Addr().String(), "via_port": fmt.Sprint(c.Via.Port()), "call_id": c.CallID,
		"endpoint": c.Account, "uri": c.URI, "user_agent": c.UserAgent, "path": "", "reg_server": "",
		"outbound_proxy": "", "prune_on_boot": "no", "authenticate_qualify": "no", "qualify_frequency": "0",
		"qualify_timeout": "3.000000", "expiration_time": fmt.Sprint(time.Now().Add(c.Expires).Unix()),
	})
	p.database[dbKey("registrar", "contact/"+id)] = string(row)
	p.event("system", "ContactStatus",
		ami.Field{Name: "URI", Value: c.URI},
		ami.Field{Name: "ContactStatus", Value: "NonQualified"},
		ami.Field{Name: "AOR", Value: c.Account},
		ami.Field{Name: "EndpointName", Value: c.Account},
		ami.Field{Name: "RoundtripUsec", Value: "0"})
	return id
}

func (p *PBX) peerStatus(peer, status string, more ...ami.Field) {
	p.event("system", "PeerStatus", append([]ami.Field{
		{Name: "ChannelType", Value: "SIP"},
		{Name: "Peer", Value: "SIP/" + peer},
		{Name: "PeerStatus", Value: status},
	}, more...)...)
}

// Contacts returns the ids of all registrations of an account ("" for all accounts).
func (p *PBX) Contacts(account string) (ids []string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range p.contactsOf(account) {
		ids = append(ids, c["id"])
	}
	for _, key := range p.rows("SIP/Registry", account) {
		ids = append(ids, strings.TrimPrefix(key, "/SIP/Registry/"))
	}
	return ids
}

// contactRow is a PJSIP contact as stored by sorcery, plus its "id".
type contactRow map[string]string

func (c contactRow) aor() string { return c["id"][:max(0, strings.LastIndex(c["id"], ";@"))] }

// contactsOf reads the PJSIP contacts of an endpoint ("" for all) from the database. Like
// Asterisk, it does so every time.
func (p *PBX) contactsOf(endpoint string) (found []contactRow) {
	const prefix = "/registrar/contact/"
	for _, key := range p.rows("registrar", "contact") {
		var c contactRow
		if json.Unmarshal([]byte(p.database[key]), &c) != nil {
			continue
		}
		c["id"] = strings.TrimPrefix(key, prefix)
		if endpoint == "" || c["endpoint"] == endpoint {
			found = append(found, c)
		}
	}
	return found
}

func doShowContacts(p *PBX, _ *session, _ request, a *reply) {
	contacts := p.contactsOf("")
	if len(contacts) == 0 {
		a.refuse("No Contacts found\n")
		return
	}
	a.list("A listing of Contacts follows, presented as ContactList events")
	for _, c := range contacts {
		a.item(
			"ContactList",
			ami.Field{Name: "ObjectType", Value: "contact"},
			ami.Field{Name: "ObjectName", Value: c["id"]},
			ami.Field{Name: "ViaAddr", Value: c["via_addr"]},
			ami.Field{Name: "QualifyTimeout", Value: c["qualify_timeout"]},
			ami.Field{Name: "CallId", Value: c["call_id"]},
			ami.Field{Name: "RegServer", Value: c["reg_server"]},
			ami.Field{Name: "PruneOnBoot", Value: c["prune_on_boot"]},
			ami.Field{Name: "Path", Value: c["path"]},
			ami.Field{Name: "Endpoint", Value: c["endpoint"]},
			ami.Field{Name: "ViaPort", Value: c["via_port"]},
			ami.Field{Name: "AuthenticateQualify", Value: c["authenticate_qualify"]},
			ami.Field{Name: "Uri", Value: c["uri"]},
			ami.Field{Name: "QualifyFrequency", Value: c["qualify_frequency"]},
			ami.Field{Name: "UserAgent", Value: c["user_agent"]},
			ami.Field{Name: "ExpirationTime", Value: c["expiration_time"]},
			ami.Field{Name: "OutboundProxy", Value: c["outbound_proxy"]},
			ami.Field{Name: "Status", Value: "NonQualified"},
			ami.Field{Name: "RoundtripUsec", Value: "N/A"},
		)
	}
	a.complete("ContactListComplete")
}

// registration is a chan_sip registration. Its row is "address:port:expires:user:uri"; we
// append the User-Agent.
type registration struct{ address, port, expires, uri, agent string }

func (r registration) row(peer string) string {
	return strings.Join([]string{r.address, r.port, r.expires, peer, r.uri}, ":") + "\x1f" + r.agent
}

func (p *PBX) registration(peer string) (r registration, found bool) {
	row, found := p.database[dbKey("SIP/Registry", peer)]
	row, r.agent, _ = strings.Cut(row, "\x1f")
	before, uri, whole := strings.Cut(row, ":"+peer+":")
	parts := strings.Split(before, ":")
	if !found || !whole || len(parts) < 3 {
		return r, false
	}
	n := len(parts)
	r.address, r.port, r.expires, r.uri = strings.Join(parts[:n-2], ":"), parts[n-2], parts[n-1], uri
	return r, true
}
