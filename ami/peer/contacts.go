package peer

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tollwarden/tollwarden/ami"
)

// Contact is one live registration.
type Contact struct {
	Technology Technology
	Account    string // the PJSIP endpoint or chan_sip peer
	AOR        string // PJSIP: the address of record, which may be named differently
	URI        string // what the phone says of itself: it can be a lie
	// Via is the address the REGISTER came from as Asterisk saw it; for PJSIP
	// the topmost Via after "received" and "rport" (ViaAddr, ViaPort). Invalid
	// when Asterisk did not tell an address.
	Via       netip.AddrPort
	UserAgent string
	CallID    string    // PJSIP: Call-ID of the REGISTER, the SessionID of its security events
	Expires   time.Time // when the registration ends by itself

	object string // PJSIP: id of the sorcery object
}

// Contacts lists every live registration of both technologies. Contacts that
// stand in the configuration are not registrations and are left out.
func (m *Manager) Contacts(ctx context.Context) ([]Contact, error) {
	var out []Contact
	on := m.loaded(ctx)
	if slices.Contains(on, PJSIP) {
		cs, err := m.pjsipContacts(ctx)
		if err != nil {
			return nil, fmt.Errorf("list PJSIP contacts: %w", err)
		}
		out = append(out, cs...)
	}
	if slices.Contains(on, ChanSIP) {
		cs, err := m.sipContacts(ctx)
		if err != nil {
			return nil, fmt.Errorf("list chan_sip registrations: %w", err)
		}
		out = append(out, cs...)
	}
	return out, nil
}

func (m *Manager) pjsipContacts(ctx context.Context) ([]Contact, error) {
	r, err := m.do(ctx, ami.ShowContacts())
	if unknownAction(err) || answered(err, "No Contacts found") {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var out []Contact
	for _, e := range r.Events {
		if e.Get("Event") == "ContactList" && once(e, "ObjectName", "Endpoint", "ViaAddr", "ViaPort") {
			out = append(out, readContact(e))
		}
	}
	return out, nil
}

func readContact(e ami.Message) Contact {
	c := Contact{
		Technology: PJSIP, Account: e.Get("Endpoint"), object: e.Get("ObjectName"),
		URI: e.Get("Uri"), Via: addrPort(e.Get("ViaAddr"), e.Get("ViaPort")),
		UserAgent: e.Get("UserAgent"), CallID: e.Get("CallId"),
	}
	if i := strings.LastIndex(c.object, ";@"); i > 0 {
		c.AOR = c.object[:i]
	} else if i := strings.LastIndex(c.object, "^3B@"); i > 0 { // as realtime drivers write ';'
		c.AOR = c.object[:i]
	}
	if sec, err := strconv.ParseInt(e.Get("ExpirationTime"), 10, 64); err == nil {
		c.Expires = time.Unix(sec, 0)
	}
	return c
}

func (m *Manager) sipContacts(ctx context.Context) ([]Contact, error) {
	r, err := m.do(ctx, action("SIPpeers"))
	if unknownAction(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var out []Contact
	for _, e := range r.Events {
		// IPaddress is "-none-" for a peer that is not registered.
		name := e.Get("ObjectName")
		if e.Get("Event") != "PeerEntry" || e.Get("Dynamic") != "yes" || !addrPort(e.Get("IPaddress"), e.Get("IPport")).IsValid() {
			continue
		}
		p, err := m.sipPeer(ctx, name)
		if err != nil {
			return nil, fmt.Errorf("peer %s: %w", name, err)
		}
		if c, ok := readSIPContact(name, p, time.Now()); ok {
			out = append(out, c)
		}
	}
	return out, nil
}

// readSIPContact reads a registration from SIPshowpeer; false when there is none.
func readSIPContact(name string, p ami.Message, now time.Time) (Contact, bool) {
	if p.Get("Dynamic") != "Y" || !once(p, "Address-IP", "Address-Port") {
		return Contact{}, false
	}
	via := addrPort(p.Get("Address-IP"), p.Get("Address-Port"))
	if !via.IsValid() {
		return Contact{}, false
	}
	c := Contact{
		Technology: ChanSIP, Account: name, AOR: name, URI: p.Get("Reg-Contact"),
		Via: via, UserAgent: p.Get("SIP-Useragent"),
	}
	seconds, _, _ := strings.Cut(p.Get("RegExpire"), " ")
	if n, err := strconv.Atoi(seconds); err == nil && n >= 0 {
		c.Expires = now.Add(time.Duration(n) * time.Second)
	}
	return c, true
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

// Expired is what Expire did.
type Expired struct {
	Removed   int      // registrations thrown out
	Permanent []string // contacts of the configuration, which stay: URIs, or "host" for a chan_sip peer with a fixed address
}

// String is what was done, in words.
func (e Expired) String() string {
	words := fmt.Sprintf("%d registrations thrown out", e.Removed)
	if e.Removed == 1 {
		words = "1 registration thrown out"
	}
	if len(e.Permanent) > 0 {
		words += "; in Asterisk's configuration, and still there: " + strings.Join(e.Permanent, ", ")
	}
	return words
}

// Expire throws out every registration of the account on both technologies and
// repeats until Asterisk lists none, since a phone may register again in
// between. An account without registrations is no error. Contacts that stand in
// the configuration stay and are told.
func (m *Manager) Expire(ctx context.Context, account string) (Expired, error) {
	a, err := m.find(ctx, account)
	if err != nil {
		return Expired{}, fmt.Errorf("expire contacts: %w", err)
	}
	var done Expired
	if a.endpoint != nil {
		done.Permanent = a.endpoint.permanent
		n, err := m.expirePJSIP(ctx, a)
		if done.Removed += n; err != nil {
			return done, fmt.Errorf("expire contacts of PJSIP endpoint %s: %w", account, err)
		}
	}
	if a.peer != nil {
		if a.peer.Get("Dynamic") != "Y" {
			done.Permanent = append(done.Permanent, "host "+a.peer.Get("Address-IP"))
			return done, nil
		}
		n, err := m.expireSIP(ctx, account)
		if done.Removed += n; err != nil {
			return done, fmt.Errorf("expire registration of chan_sip peer %s: %w", account, err)
		}
	}
	return done, nil
}

// errComingBack reports a phone that registers faster than it is thrown out.
var errComingBack = errors.New("registrations keep coming back: rotate the secret first")

// expirePJSIP deletes the rows of the account's contacts from Asterisk's own
// database, where res_pjsip reads them for every use. There is no other action
// that deletes a contact.
func (m *Manager) expirePJSIP(ctx context.Context, a *account) (int, error) {
	gone := map[string]bool{}
	for round := range m.o.Rounds {
		if round > 0 {
			if err := sleep(ctx, min(10*time.Millisecond<<min(round, 5), 250*time.Millisecond)); err != nil {
				return len(gone), err
			}
		}
		all, err := m.pjsipContacts(ctx)
		if err != nil {
			return len(gone), err
		}
		left := slices.DeleteFunc(all, func(c Contact) bool {
			return c.Account != a.name && !slices.Contains(a.endpoint.aors, c.AOR)
		})
		if len(left) == 0 {
			return len(gone), nil
		}
		for _, c := range left {
			if err := m.deleteContact(ctx, c); err != nil {
				return len(gone), err
			}
			gone[c.object] = true
		}
	}
	return len(gone), errComingBack
}

// deleteContact removes one contact. Family and key are how sorcery's astdb
// wizard stores a contact (res_sorcery_astdb.c).
func (m *Manager) deleteContact(ctx context.Context, c Contact) error {
	_, err := m.do(ctx, ami.DBDel("registrar", "contact/"+c.object))
	if err == nil || !answered(err, "Database entry could not be deleted") {
		return err
	}
	s, err := m.stores(ctx)
	if err != nil {
		return err
	}
	if s.contactFamily == "" {
		return nil // it ended by itself; the next look tells
	}
	if checkName(c.AOR) != nil || checkName(s.contactFamily) != nil {
		return fmt.Errorf("contact of %q in realtime family %q: %w", c.AOR, s.contactFamily, ErrUnsafeName)
	}
	id := strings.Replace(c.object, ";", "^3B", 1)
	if _, err := m.command(ctx, "realtime destroy "+s.contactFamily+" id "+id); err != nil {
		return fmt.Errorf("realtime destroy in %s: %w", s.contactFamily, err)
	}
	return nil
}

// expireSIP unregisters a chan_sip peer and checks that its address is gone.
func (m *Manager) expireSIP(ctx context.Context, name string) (int, error) {
	n := 0
	for round := range m.o.Rounds {
		if round > 0 {
			if err := sleep(ctx, min(10*time.Millisecond<<min(round, 5), 250*time.Millisecond)); err != nil {
				return n, err
			}
		}
		p, err := m.sipPeer(ctx, name)
		if err != nil {
			return n, err
		}
		if _, registered := readSIPContact(name, p, time.Now()); !registered {
			return n, nil
		}
		if _, err := m.command(ctx, "sip unregister "+name); err != nil {
			return n, err
		}
		n = 1
	}
	return n, errComingBack
}
