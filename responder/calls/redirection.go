package calls

import (
	"net/netip"

	"github.com/tollwarden/tollwarden/ami/event"
)

// redirection is a registration that has calls to an account sent elsewhere than to where it
// came from. Whoever has the password chooses where: with the contact
// sip:00881612345678@192.0.2.1 of a carrier that knows the PBX by its address, each call to the
// extension is one to that number, and the dial string names only the extension.
type redirection struct {
	to     netip.Addr
	number string
}

// redirections returns those of a list of registrations, by account.
func redirections(list []Contact) map[string][]redirection {
	of := map[string][]redirection{}
	for _, c := range list {
		if to := hostIn(c.URI); to.IsValid() && to != c.Source.Unmap() {
			of[c.Account] = append(of[c.Account], redirection{to, numberIn("PJSIP", c.Account+"/"+c.URI)})
		}
	}
	return of
}

// redirected returns the number that a registration has calls to an account sent to, through a
// carrier; "" if none has. A phone behind a NAT names an address of its own, which is no
// carrier's.
func (d *Detector) redirected(account string) (number string) {
	for _, r := range d.elsewhere[account] {
		if r.number != "" && r.number != account && d.places.Carrier(event.SourcePrefix(r.to)) {
			return r.number
		}
	}
	return ""
}
