package places

import (
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/tollwarden/tollwarden/responder/incident"
)

// A front is the one address at which Asterisk sees nearly all phones: a proxy or SBC, a
// relay such as Docker's, source NAT, or simply the router of the only office. Whatever is
// blocked there, all phones lose. It takes the passwords of most accounts to make an
// address one.

const (
	// frontPhones is how many accounts must be registered at one address.
	frontPhones = 5
	// frontRest is how many times as many may be registered in all as elsewhere.
	frontRest = 5
	// frontLasts is how long a front stays one while hardly anybody is registered, as
	// after a restart of Asterisk.
	frontLasts = 24 * time.Hour
)

// front is what is remembered of one.
type front struct {
	at     netip.Prefix // a source key
	addr   netip.Addr   // the only address in it; invalid if there are several
	phones int          // accounts registered there
	of     int          // accounts registered anywhere
	shared uint16       // the port that frontPhones of them share; 0 if they do not
	seen   time.Time
}

// findFront looks for the front among the registrations. Those that protect nothing count
// only as being elsewhere.
func (p *Places) findFront(now time.Time, contacts []Contact) {
	all, at := map[string]bool{}, map[netip.Prefix]map[string]bool{}
	for _, c := range contacts {
		all[c.Account] = true
	}
	for source, phones := range p.phones.All() {
		accounts := map[string]bool{}
		for _, is := range phones {
			if all[is.account] {
				accounts[is.account] = true
			}
		}
		at[source] = accounts
	}
	for source, accounts := range at {
		if len(accounts) >= frontPhones && (len(all)-len(accounts))*frontRest <= len(all) {
			p.front = p.frontAt(now, source, len(accounts), len(all))
			return
		}
	}
	if len(all) >= frontPhones || now.Sub(p.front.seen) >= frontLasts {
		p.front = front{}
	}
}

func (p *Places) frontAt(now time.Time, source netip.Prefix, phones, of int) front {
	f := front{at: source, phones: phones, of: of, seen: now}
	list, _ := p.phones.Get(source)
	f.addr = list[0].addr
	byPort := map[netip.AddrPort][]string{}
	for _, is := range list {
		if is.addr != f.addr {
			f.addr = netip.Addr{}
		}
		flow := netip.AddrPortFrom(is.addr, is.port)
		if is.port != 0 && !slices.Contains(byPort[flow], is.account) {
			byPort[flow] = append(byPort[flow], is.account)
		}
	}
	for flow, accounts := range byPort {
		if len(accounts) >= frontPhones {
			f.shared = flow.Port()
		}
	}
	return f
}

// Front says behind which address Asterisk sees nearly all phones, and what that means for
// guessers there; "" if the phones are at different addresses.
func (p *Places) Front() string {
	f := p.front
	if !f.at.IsValid() {
		return ""
	}
	where := incident.PrefixText(f.at)
	if f.shared != 0 {
		where += fmt.Sprintf(" port %d", f.shared)
	}
	return fmt.Sprintf("Asterisk sees %d of %d registered extensions behind %s, %s: nobody is blocked by address there, since that would cut off the phones; guessers are throttled over UDP, and their calls and extensions are acted on. %s",
		f.phones, f.of, where, p.frontKind(), p.frontAdvice())
}

// isFront says whether the front lies in a prefix, or the prefix in it.
func (p *Places) isFront(prefix netip.Prefix) bool {
	return p.front.at.IsValid() && p.front.at.Overlaps(prefix)
}

// Relayed says whether a source is the front and hides where its users are, so that phones
// from anywhere come from it: a proxy, a relay on this machine or source NAT. The router of
// an office is none.
func (p *Places) Relayed(source netip.Prefix) bool {
	f := p.front
	return p.isFront(source) && (f.shared != 0 || slices.Contains(p.own, f.addr) || private(f.at.Addr()))
}

// frontKind says what a front is, as far as its address shows.
func (p *Places) frontKind() string {
	switch f := p.front; {
	case f.shared != 0:
		return "as behind a SIP proxy or SBC"
	case slices.Contains(p.own, f.addr):
		return "an address of this machine, as behind Docker's userland proxy or another relay"
	case private(f.at.Addr()):
		return "a private address, as behind a proxy, source NAT or VPN"
	}
	return "as behind the router of an office, or a proxy or NAT in front of Asterisk"
}

// frontAdvice says what a person can do.
func (p *Places) frontAdvice() string {
	switch f := p.front; {
	case f.shared != 0:
		return "Block guessers at the proxy, which knows their addresses"
	case slices.Contains(p.own, f.addr) || private(f.at.Addr()):
		return "Let Asterisk see the real addresses (no source NAT; Docker: host network or \"userland-proxy\": false), or run Tollwarden where the packets arrive"
	}
	return "If phones elsewhere have this address, too, let Asterisk see their real ones (no source NAT), or run Tollwarden where the packets arrive"
}

var carrierGradeNAT = netip.MustParsePrefix("100.64.0.0/10")

func private(a netip.Addr) bool {
	return a.IsPrivate() || a.IsLoopback() || a.IsLinkLocalUnicast() || carrierGradeNAT.Contains(a)
}
