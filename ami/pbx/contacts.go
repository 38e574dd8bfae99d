package pbx

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	goami "github.com/heltonmarx/goami/ami"

	"github.com/tollwarden/tollwarden/responder/places"
)

// registration is one live registration.
type registration struct {
	account string // the PJSIP endpoint or chan_sip peer
	aor     string // PJSIP: the address of record, which may be named differently
	// via is the address the REGISTER came from as Asterisk saw it, not what the
	// phone says in its Contact; for PJSIP the topmost Via after "received" and
	// "rport" (ViaAddr, ViaPort). Invalid when Asterisk gives no address.
	via       netip.AddrPort
	userAgent string
	uri       string // PJSIP: where calls to it are sent
	object    string // PJSIP: id of the sorcery object
}

// Contacts lists every live registration of all technologies. Contacts in
// the configuration are not registrations and are left out.
func (i inventory) Contacts(ctx context.Context) ([]places.Contact, error) {
	var all []registration
	on := i.asterisk.loaded(ctx)
	if slices.Contains(on, PJSIP) {
		rs, err := i.pjsipRegistered(ctx)
		if err != nil {
			return nil, fmt.Errorf("list PJSIP contacts: %w", err)
		}
		all = append(all, rs...)
	}
	if slices.Contains(on, ChanSIP) {
		rs, err := i.sipRegistered(ctx)
		if err != nil {
			return nil, fmt.Errorf("list chan_sip registrations: %w", err)
		}
		all = append(all, rs...)
	}
	var out []places.Contact
	if slices.Contains(on, IAX2) {
		var err error
		if out, err = i.UnannouncedContacts(ctx); err != nil {
			return nil, err
		}
	}
	for _, r := range all {
		out = append(out, places.Contact{Account: r.account, Source: r.via.Addr(), Port: r.via.Port(), Agent: r.userAgent, URI: r.uri})
	}
	return out, nil
}

func (i inventory) pjsipRegistered(ctx context.Context) ([]registration, error) {
	items, err := goami.PJSIPShowContacts(ctx, i.asterisk.session("ObjectName", "Endpoint", "ViaAddr", "ViaPort", "UserAgent", "Uri"), "")
	if unknownAction(err) || answered(err, "No Contacts found") {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var out []registration
	for _, item := range items {
		if once(item, "ObjectName", "Endpoint", "ViaAddr", "ViaPort") {
			out = append(out, readContact(item))
		}
	}
	return out, nil
}

func readContact(item goami.Response) registration {
	r := registration{
		account: own(item, "Endpoint"), object: own(item, "ObjectName"),
		via: addrPort(item.Get("ViaAddr"), item.Get("ViaPort")), userAgent: own(item, "UserAgent"), uri: own(item, "Uri"),
	}
	if i := strings.LastIndex(r.object, ";@"); i > 0 {
		r.aor = r.object[:i]
	} else if i := strings.LastIndex(r.object, "^3B@"); i > 0 { // as realtime drivers write ';'
		r.aor = r.object[:i]
	}
	return r
}

func (i inventory) sipRegistered(ctx context.Context) ([]registration, error) {
	peers, err := i.sipPeers(ctx)
	if err != nil {
		return nil, err
	}
	var out []registration
	for _, item := range peers {
		// IPaddress is "-none-" for a peer that is not registered.
		name := item.Get("ObjectName")
		if item.Get("Dynamic") != "yes" || !addrPort(item.Get("IPaddress"), item.Get("IPport")).IsValid() {
			continue
		}
		p, err := i.asterisk.sipPeer(ctx, name)
		if err != nil {
			return nil, fmt.Errorf("peer %s: %w", name, err)
		}
		if r, ok := readSIPContact(name, p); ok {
			out = append(out, r)
		}
	}
	return out, nil
}

// readSIPContact reads a registration from SIPshowpeer; false when there is none.
func readSIPContact(name string, p goami.Response) (registration, bool) {
	if p.Get("Dynamic") != "Y" || !once(p, "Address-IP", "Address-Port") {
		return registration{}, false
	}
	via := addrPort(p.Get("Address-IP"), p.Get("Address-Port"))
	if !via.IsValid() {
		return registration{}, false
	}
	return registration{account: strings.Clone(name), aor: name, via: via, userAgent: own(p, "SIP-Useragent")}, true
}

// addrPort reads an address and a port; invalid when either is none.
func addrPort(addr, port string) netip.AddrPort {
	a, err := netip.ParseAddr(strings.Trim(addr, "[]"))
	if err != nil {
		return netip.AddrPort{}
	}
	p, err := strconv.ParseUint(port, 10, 16)
	if err != nil {
		return netip.AddrPort{}
	}
	return netip.AddrPortFrom(a.Unmap(), uint16(p))
}
