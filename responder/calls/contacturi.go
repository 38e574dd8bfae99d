package calls

import (
	"net/netip"

	"github.com/tollwarden/tollwarden/ami/event"
)

// contactURI is where calls to an account are sent, by one of its registrations. Whoever has
// the password chooses that: with the contact sip:00881612345678@192.0.2.1 of a carrier that
// knows the PBX by its address, each call to the extension is one to that number, and the dial
// string may name only the extension.
type contactURI struct {
	from, to netip.Addr
	number   string
}

// contactURIs returns those of a list of registrations, by account.
func contactURIs(list []Contact) map[string][]contactURI {
	of := map[string][]contactURI{}
	for _, c := range list {
		if to := hostIn(c.URI); to.IsValid() {
			of[c.Account] = append(of[c.Account], contactURI{c.Source.Unmap(), to, numberIn("PJSIP", c.Account+"/"+c.URI)})
		}
	}
	return of
}

// leadsToCarrier reports whether calls go to a carrier, and the registration did not come from
// there. A phone behind a NAT names an address of its own, which is no carrier's.
func (d *Detector) leadsToCarrier(c contactURI) bool {
	return c.to != c.from && d.places.Carrier(event.SourcePrefix(c.to))
}

// redirected returns the number that a registration has calls to an account sent to, through a
// carrier; "" if none has.
func (d *Detector) redirected(account string) (number string) {
	for _, c := range d.uris[account] {
		if c.number != "" && c.number != account && d.leadsToCarrier(c) {
			return c.number
		}
	}
	return ""
}

// registered reports whether the account is registered with the contact number@host. Of a
// registration whose URI is not known, only the host counts.
func (d *Detector) registered(account, number string, host netip.Addr) bool {
	if !host.IsValid() {
		return false
	}
	for _, c := range d.uris[account] {
		if c.to == host && c.number == number && !d.leadsToCarrier(c) {
			return true
		}
	}
	return len(d.uris[account]) == 0 && d.contacts[Contact{Account: account, Source: host}]
}
