package responder

import (
	"net/netip"
	"time"

	"github.com/gaissmai/bart"

	"github.com/tollwarden/tollwarden/responder/score"
)

// trust knows the sources that are not banned lightly: the operator's allow
// list, never banned at all, and the protected ones, which the PBX itself
// trusts and which only proven evidence can ban.
type trust struct {
	allow     *bart.Lite
	protected map[netip.Prefix]string // by source key: why
}

func newTrust(allow []netip.Prefix) *trust {
	t := &trust{protected: map[netip.Prefix]string{}}
	t.setAllow(allow)
	return t
}

// setAllow replaces the allow list.
func (t *trust) setAllow(allow []netip.Prefix) {
	t.allow = &bart.Lite{}
	for _, prefix := range allow {
		t.allow.Insert(prefix.Masked())
	}
}

// allowed says whether the allow list covers all of prefix. An allowed address
// inside a banned prefix is let through by the kernel, which asks the allow
// list first.
func (t *trust) allowed(prefix netip.Prefix) bool {
	return prefix.IsValid() && t.allow.LookupPrefix(prefix)
}

// covers says whether any allowed address lies in prefix.
func (t *trust) covers(prefix netip.Prefix) bool { return t.allow.OverlapsPrefix(prefix) }

func (t *trust) why(prefix netip.Prefix) string { return t.protected[prefix] }

// narrow is what of a target may be banned: of a network that holds a protected
// source, the source of the verdict alone.
func (t *trust) narrow(target netip.Prefix, v *score.Verdict) netip.Prefix {
	if v.Key.Per != score.PerNetwork {
		return target
	}
	for protected := range t.protected {
		if target.Overlaps(protected) {
			return score.SourcePrefix(v.Cause.Source)
		}
	}
	return target
}

// learn takes the registrations that Asterisk holds. One protects its source
// where the account is at home there; of an account nothing is known of, as at
// the very first start, it tells where home is. A thief's own registration
// does neither: what strangers did to the account is known by then.
//
// The address of a registration is the one its Via names (res_pjsip_registrar.c,
// via_addr), which its sender can make up. It must have the account's secret
// for that, and gains no more than that claimed evidence does not ban the
// address.
func (t *trust) learn(now time.Time, contacts []Contact, home *score.BreakIn) {
	clear(t.protected)
	for _, c := range contacts {
		if !c.Source.IsValid() {
			continue
		}
		if !home.Tracks(c.Account) {
			home.Know(c.Account, c.Source, now)
		}
		if home.Knows(c.Account, c.Source, now) {
			t.protected[score.SourcePrefix(c.Source)] = "registered contact of " + c.Account
		}
	}
}
