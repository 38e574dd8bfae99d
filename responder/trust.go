package responder

import (
	"fmt"
	"iter"
	"maps"
	"net/netip"
	"slices"
	"time"

	"github.com/gaissmai/bart"

	"github.com/tollwarden/tollwarden/responder/score"
)

// trust knows the sources that are not banned lightly: the operator's allow
// list, never banned at all, and the protected ones, which the PBX itself
// trusts and which only proven evidence can ban.
type trust struct {
	allow *bart.Lite
	// configured are whom Asterisk's configuration speaks to, and why.
	configured *bart.Table[string]
	// phones are the accounts at home at a source, by source key.
	phones map[netip.Prefix][]phone
	// homes are where accounts have proved to be in use, by source key, with one
	// of them: who switches his phone off must be able to switch it on again.
	homes map[netip.Prefix]string
	met   bool // Asterisk's registrations have been taken in before
}

// phone is one account in use at a source.
type phone struct {
	account string
	port    uint16
	agent   string // what it calls itself; "" when Asterisk does not say
}

// maxPhones bounds the sources that phones protect, and the homes: each has an
// account's secret, so that there are as many as there are places in use.
const maxPhones = 1 << 16

func newTrust(allow []netip.Prefix) *trust {
	t := &trust{configured: &bart.Table[string]{}, phones: map[netip.Prefix][]phone{}, homes: map[netip.Prefix]string{}}
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

// why is why the PBX itself trusts all of prefix; "" when it does not.
func (t *trust) why(prefix netip.Prefix) string {
	if why, ok := t.configured.LookupPrefix(prefix); prefix.IsValid() && ok {
		return why
	}
	if phones := t.phones[prefix]; len(phones) > 0 {
		return whyPhones(phones)
	}
	if account, ok := t.homes[prefix]; ok {
		return whyHome(account)
	}
	return ""
}

func whyHome(account string) string { return "home of " + account }

func whyPhones(phones []phone) string {
	if len(phones) == 1 {
		return "registered contact of " + phones[0].account
	}
	return fmt.Sprintf("registered contact of %s and %d more", phones[0].account, len(phones)-1)
}

// protected yields every protected source, and why it is one.
func (t *trust) protected() iter.Seq2[netip.Prefix, string] {
	return func(yield func(netip.Prefix, string) bool) {
		for prefix, why := range t.configured.All() {
			if !yield(prefix, why) {
				return
			}
		}
		for prefix, phones := range t.phones {
			if !yield(prefix, whyPhones(phones)) {
				return
			}
		}
		for prefix, account := range t.homes {
			if _, registered := t.phones[prefix]; !registered && !yield(prefix, whyHome(account)) {
				return
			}
		}
	}
}

// holds is a protected source in prefix, and why it is one; "" when there is
// none.
func (t *trust) holds(prefix netip.Prefix) (netip.Prefix, string) {
	for protected, why := range t.protected() {
		if prefix.Overlaps(protected) {
			return protected, why
		}
	}
	return netip.Prefix{}, ""
}

// narrow is what of a target may be banned: of a network that holds a protected
// source, the source of the verdict alone.
func (t *trust) narrow(target netip.Prefix, v *score.Verdict) netip.Prefix {
	if v.Key.Per == score.PerNetwork {
		if _, why := t.holds(target); why != "" {
			return score.SourcePrefix(v.Cause.Source)
		}
	}
	return target
}

// configure takes whom Asterisk's configuration trusts.
func (t *trust) configure(list []Protected) {
	t.configured = &bart.Table[string]{}
	for _, p := range list {
		if p.Prefix.IsValid() && p.Prefix.Bits() > 0 {
			t.configured.Insert(p.Prefix.Masked(), p.Why)
		}
	}
}

// learn takes the registrations that Asterisk holds. One protects its source
// where the account is at home there; of an account nothing is known of, as at
// the very first start, it tells where home is. A thief's own registration
// does neither: what strangers did to the account is known by then, and failed
// says whether the source itself has failed for it, for certain or perhaps.
// Only of the first registrations that a daemon is told of it is no matter that
// strangers are guessing: they may well be older than the daemon.
//
// The address of a registration is the one its Via names (res_pjsip_registrar.c,
// via_addr), which its sender can make up. It must have the account's secret
// for that, and gains no more than that claimed evidence does not ban the
// address.
func (t *trust) learn(now time.Time, contacts []Contact, home *score.BreakIn, failed func(Contact, score.Proof) bool) {
	clear(t.phones)
	for _, c := range contacts {
		if !c.Source.IsValid() {
			continue
		}
		if !home.Tracks(c.Account) || !t.met && !home.Used(c.Account) && !failed(c, score.Claimed) {
			home.Know(c.Account, c.Source, now)
		}
		if home.Knows(c.Account, c.Source, now) && !failed(c, score.Proven) {
			t.settle(phone{c.Account, c.Port, c.Agent}, c.Source)
		}
	}
	maps.DeleteFunc(t.homes, func(at netip.Prefix, account string) bool {
		return !home.Knows(account, at.Addr(), now) || failed(Contact{Account: account, Source: at.Addr()}, score.Proven)
	})
	t.met = true
}

// succeeded protects the source of a proven success that was no stranger's: as
// that of a phone until the registrations are asked for again, as a home for as
// long as the account is at home there. It allocates nothing for one that is
// known.
func (t *trust) succeeded(o *score.Observation, failed func(Contact, score.Proof) bool) {
	prefix := score.SourcePrefix(o.Source)
	_, home := t.homes[prefix]
	settled := slices.ContainsFunc(t.phones[prefix], func(p phone) bool { return p.account == string(o.Account) })
	if home && settled {
		return
	}
	account := string(o.Account)
	if failed(Contact{Account: account, Source: o.Source}, score.Proven) {
		return
	}
	if !home && len(t.homes) < maxPhones {
		t.homes[prefix] = account
	}
	if !settled {
		t.settle(phone{account: account, port: o.Port}, o.Source)
	}
}

func (t *trust) settle(p phone, source netip.Addr) {
	prefix := score.SourcePrefix(source)
	if at := t.phones[prefix]; at != nil || len(t.phones) < maxPhones {
		t.phones[prefix] = append(at, p)
	}
}

// betrayed ends the protection that an account gave: it is a thief's, too.
func (t *trust) betrayed(account string) {
	for prefix, phones := range t.phones {
		left := slices.DeleteFunc(phones, func(p phone) bool { return p.account == account })
		if t.phones[prefix] = left; len(left) == 0 {
			delete(t.phones, prefix)
		}
	}
	maps.DeleteFunc(t.homes, func(_ netip.Prefix, of string) bool { return of == account })
}
