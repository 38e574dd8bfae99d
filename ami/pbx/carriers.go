package pbx

import (
	"context"
	"encoding/binary"
	"errors"
	"math/bits"
	"net/netip"
	"slices"
	"strings"

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

// Carriers lists the addresses that Asterisk's configuration names:
//
//   - PJSIP: the matches of identify sections, static contacts, the servers of outbound
//     registrations, outbound proxies, and the remote hosts of a wizard;
//   - chan_sip: peers at a fixed address, registrations and outbound proxies;
//   - IAX2: peers at a fixed address and registrations.
//
// What phones register is none of it. Where Asterisk shows the address that it resolved
// a name to, that one is taken; other names are resolved here. ErrManyTrunks comes with a
// list that is not complete.
func (cs *carriers) Carriers(ctx context.Context) ([]places.Protected, error) {
	all, err := cs.correspondents(ctx)
	var out []places.Protected
	seen := map[netip.Prefix]bool{}
	add := func(p netip.Prefix, why string) {
		if !seen[p] {
			seen[p] = true
			out = append(out, places.Protected{Prefix: p, Why: why})
		}
	}
	named := cs.names.resolveAll(ctx, all)
	for _, c := range all {
		if prefix, ok := parsePrefix(c.host); ok {
			add(prefix, c.why)
			continue
		}
		for _, addr := range named[c.host] {
			add(netip.PrefixFrom(addr, addr.BitLen()), c.why+" ("+c.host+")")
		}
	}
	return out, err
}

func (cs *carriers) correspondents(ctx context.Context) (out []correspondent, err error) {
	var sources []func(context.Context) ([]correspondent, error)
	has := cs.asterisk.actions(ctx)
	on := usable(has)
	if slices.Contains(on, PJSIP) {
		sources = append(sources, cs.identifies, cs.storedIdentifies, cs.pjsipRegistrations, cs.pjsipAddresses, cs.wizards)
		if has("PJSIPShowAors") {
			sources = append(sources, cs.staticContacts)
		}
	}
	if slices.Contains(on, ChanSIP) {
		sources = append(sources, cs.fixedPeers, cs.sipRegistrations, cs.sipProxies)
	}
	if has("IAXpeerlist") {
		sources = append(sources, cs.iaxPeers)
	}
	if has("IAXregistry") {
		sources = append(sources, cs.iaxRegistrations)
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

// hostOf is the host of a SIP URI or of "host", "host:port" and "transport://host:port",
// as the two channel drivers write them; "" when there is none.
func hostOf(s string) string {
	s = strings.TrimSpace(s)
	if _, host, ok := event.SplitURI([]byte(s)); ok {
		return string(host)
	}
	if _, rest, ok := strings.Cut(s, "://"); ok {
		s = rest
	}
	if end := strings.IndexByte(s, ']'); strings.HasPrefix(s, "[") && end > 0 {
		return s[1:end]
	}
	if _, err := netip.ParseAddr(s); err == nil {
		return s
	}
	host, _, _ := strings.Cut(s, ":")
	host, _, _ = strings.Cut(host, ";")
	if strings.HasPrefix(host, "(") { // (null)
		return ""
	}
	return host
}

// addHosts adds the hosts of a comma-separated list of URIs, hosts and prefixes.
func addHosts(out []correspondent, text, why string) []correspondent {
	for _, one := range list(text) {
		host := one
		if _, ok := parsePrefix(one); !ok {
			host = hostOf(one)
		}
		if host != "" {
			out = append(out, correspondent{host, why})
		}
	}
	return out
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
