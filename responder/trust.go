package responder

import (
	"fmt"
	"iter"
	"net/netip"
	"slices"
	"time"

	"github.com/gaissmai/bart"

	"github.com/tollwarden/tollwarden/ami/event"
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
	phones *bart.Table[[]phone]
	// homes are where accounts have proved to be in use, by source key, with one
	// of them: who switches his phone off must be able to switch it on again.
	homes *bart.Table[string]
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
	t := &trust{configured: &bart.Table[string]{}, phones: &bart.Table[[]phone]{}, homes: &bart.Table[string]{}}
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
	if phones, ok := t.phones.Get(prefix); ok {
		return whyPhones(phones)
	}
	if account, ok := t.homes.Get(prefix); ok {
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
		for prefix, phones := range t.phones.All() {
			if !yield(prefix, whyPhones(phones)) {
				return
			}
		}
		for prefix, account := range t.homes.All() {
			if _, registered := t.phones.Get(prefix); !registered && !yield(prefix, whyHome(account)) {
				return
			}
		}
	}
}

// overlaps says whether a protected source lies in prefix, or prefix in one.
func (t *trust) overlaps(prefix netip.Prefix) bool {
	return t.configured.OverlapsPrefix(prefix) || t.phones.OverlapsPrefix(prefix) || t.homes.OverlapsPrefix(prefix)
}

// holds is a protected source that overlaps prefix, and why it is one; "" when
// there is none. It looks for it among all of them: what only has to know
// whether there is one asks overlaps.
func (t *trust) holds(prefix netip.Prefix) (netip.Prefix, string) {
	if !t.overlaps(prefix) {
		return netip.Prefix{}, ""
	}
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
	if v.Key.Per == score.PerNetwork && t.overlaps(target) {
		return event.SourcePrefix(v.Cause.Source)
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
	t.phones = &bart.Table[[]phone]{}
	for _, c := range contacts {
		if !c.Source.IsValid() {
			continue
		}
		if !home.Tracks(c.Account) || !t.met && !home.Used(c.Account) && !failed(c, score.Spoofable) {
			home.Know(c.Account, c.Source, now)
		}
		if home.Knows(c.Account, c.Source, now) && !failed(c, score.Proven) {
			t.settle(phone{c.Account, c.Port, c.Agent}, c.Source)
		}
	}
	t.leave(func(at netip.Prefix, account string) bool {
		return !home.Knows(account, at.Addr(), now) || failed(Contact{Account: account, Source: at.Addr()}, score.Proven)
	})
	t.met = true
}

// succeeded protects the source of a proven success that was no stranger's: as
// that of a phone until the registrations are asked for again, as a home for as
// long as the account is at home there. It allocates nothing for one that is
// known.
func (t *trust) succeeded(o *score.Observation, failed func(Contact, score.Proof) bool) {
	prefix := event.SourcePrefix(o.Source)
	_, home := t.homes.Get(prefix)
	phones, _ := t.phones.Get(prefix)
	settled := slices.ContainsFunc(phones, func(p phone) bool { return p.account == string(o.Account) })
	if home && settled {
		return
	}
	account := string(o.Account)
	if failed(Contact{Account: account, Source: o.Source}, score.Proven) {
		return
	}
	if !home && t.homes.Size() < maxPhones {
		t.homes.Insert(prefix, account)
	}
	if !settled {
		t.settle(phone{account: account, port: o.Port}, o.Source)
	}
}

func (t *trust) settle(p phone, source netip.Addr) {
	prefix := event.SourcePrefix(source)
	if at, known := t.phones.Get(prefix); known || t.phones.Size() < maxPhones {
		t.phones.Insert(prefix, append(at, p))
	}
}

// betrayed ends the protection that an account gave: it is a thief's, too.
func (t *trust) betrayed(account string) {
	its := func(p phone) bool { return p.account == account }
	left := map[netip.Prefix][]phone{}
	for at, phones := range t.phones.All() {
		if slices.ContainsFunc(phones, its) {
			left[at] = slices.DeleteFunc(phones, its)
		}
	}
	for at, phones := range left {
		if len(phones) == 0 {
			t.phones.Delete(at)
		} else {
			t.phones.Insert(at, phones)
		}
	}
	t.leave(func(_ netip.Prefix, of string) bool { return of == account })
}

// leave forgets the homes that are none any more.
func (t *trust) leave(gone func(at netip.Prefix, account string) bool) {
	var left []netip.Prefix
	for at, account := range t.homes.All() {
		if gone(at, account) {
			left = append(left, at)
		}
	}
	for _, at := range left {
		t.homes.Delete(at)
	}
}
