// Package places knows where accounts are used: the addresses they succeeded from,
// the networks where they are at home, and the phones that are registered. From
// that it says which addresses are not banned lightly: beside the operator's allow
// list, never banned at all, the protected ones, which the PBX itself trusts and
// which only proven evidence can ban.
//
// It is pure and has no lock: its owner calls it from one goroutine at a time.
package places

import (
	"container/list"
	"fmt"
	"iter"
	"net/netip"
	"slices"
	"time"

	"github.com/gaissmai/bart"

	"github.com/tollwarden/tollwarden/ami/event"
	"github.com/tollwarden/tollwarden/responder/incident"
	"github.com/tollwarden/tollwarden/responder/score"
)

// maxSources bounds the addresses that registrations protect, and those that proven
// successes do: each has an account's password, so there are as many as there are
// places in use.
const maxSources = 1 << 16

// Places is where phones are at home and which carriers the PBX speaks to.
type Places struct {
	config   Config
	accounts map[string]*list.Element // of *account
	order    list.List                // of the accounts, the one used last at the back
	stolen   map[string]struct{}      // accounts that have a thief

	allow *bart.Lite
	// carriers are the addresses that Asterisk's configuration names, and why.
	carriers *bart.Table[string]
	// named are the addresses to which host names on the allow list lead, by source
	// key, and why.
	named *bart.Table[string]
	// phones are the accounts in use at an address, by source key.
	phones *bart.Table[[]phone]
	// proven are the addresses of proven successes at known places, by source key,
	// with one account of each: a phone that is switched off must be able to come
	// back.
	proven *bart.Table[string]
	// agents is what the phones of an account called themselves at an address,
	// also after their registration ran out: a phone with a wrong password has
	// none.
	agents map[agentKey]string
	// lived is when an account was last used in each neighbourhood.
	lived map[netip.Prefix]time.Time
	own   []netip.Addr // of this machine
	met   bool         // Asterisk's registrations have been taken in before

	residents   residents
	connections connections
	compromised map[string]Compromise // accounts that somebody else uses
	front       front                 // the address at which nearly all phones are
}

// phone is one account in use at an address.
type phone struct {
	account string
	addr    netip.Addr
	port    uint16
	agent   string // what it calls itself; "" when Asterisk does not say
	failed  bool   // its account has failed at the address, for certain: it protects nothing
}

// New makes Places with an allow list.
func New(c Config, allow []netip.Prefix) *Places {
	p := &Places{config: c.withDefaults(), accounts: map[string]*list.Element{}, stolen: map[string]struct{}{}, compromised: map[string]Compromise{}, carriers: &bart.Table[string]{}, named: &bart.Table[string]{}, phones: &bart.Table[[]phone]{}, proven: &bart.Table[string]{}, agents: map[agentKey]string{}, lived: map[netip.Prefix]time.Time{}, residents: residents{&bart.Table[[]string]{}}}
	p.SetAllow(allow)
	return p
}

// Configure changes how long an address is known, and forgets nothing. The
// capacities and the functions stay as they were.
func (p *Places) Configure(remember time.Duration) {
	c := p.config
	c.Remember = remember
	p.config = c.withDefaults()
}

// SetAllow replaces the allow list.
func (p *Places) SetAllow(allow []netip.Prefix) {
	p.allow = &bart.Lite{}
	for _, prefix := range allow {
		p.allow.Insert(prefix.Masked())
	}
}

// Allowed says whether the allow list covers all of prefix. An allowed address
// inside a banned prefix is let through by the kernel, which asks the allow
// list first.
func (p *Places) Allowed(prefix netip.Prefix) bool {
	return prefix.IsValid() && p.allow.LookupPrefix(prefix)
}

// Why is why the PBX itself trusts all of prefix; "" when it does not.
func (p *Places) Why(prefix netip.Prefix) string {
	if why, ok := p.carriers.LookupPrefix(prefix); prefix.IsValid() && ok {
		return why
	}
	if why, ok := p.named.Get(prefix); ok {
		return why
	}
	if why := p.whyPhones(prefix); why != "" {
		return why
	}
	if account, ok := p.proven.Get(prefix); ok {
		return whyProven(account)
	}
	return ""
}

func whyProven(account string) string { return "used by " + account }

// whyPhones names the phones that protect an address; "" when none does.
func (p *Places) whyPhones(at netip.Prefix) string {
	phones, _ := p.phones.Get(at)
	first, n := "", 0
	for _, is := range phones {
		if is.failed {
			continue
		}
		if n++; n == 1 {
			first = is.account
		}
	}
	switch n {
	case 0:
		return ""
	case 1:
		return "registered contact of " + first
	}
	return fmt.Sprintf("registered contact of %s and %d more", first, n-1)
}

// Carrier says whether Asterisk's configuration names all of prefix.
func (p *Places) Carrier(prefix netip.Prefix) bool {
	if !prefix.IsValid() {
		return false
	}
	_, ok := p.carriers.LookupPrefix(prefix)
	return ok
}

// Live are the conversations of the phones in use at an address.
func (p *Places) Live(at netip.Prefix) (list []netip.AddrPort) {
	phones, _ := p.phones.Get(at)
	for _, is := range phones {
		if flow := netip.AddrPortFrom(is.addr, is.port); is.port != 0 && !slices.Contains(list, flow) {
			list = append(list, flow)
		}
		list = p.connections.appendTo(list, is.account, at)
	}
	return list
}

// Sharing is how many other accounts' phones are in use at exactly this address and
// port. Phones share one only behind a proxy: a router with NAT gives each its own.
func (p *Places) Sharing(account string, at netip.AddrPort) (others int) {
	phones, _ := p.phones.Get(event.SourcePrefix(at.Addr()))
	for _, is := range phones {
		if is.account != account && is.port != 0 && is.port == at.Port() && is.addr == at.Addr().Unmap() {
			others++
		}
	}
	return others
}

// Registered says whether an account's phone is in use at exactly this address and port.
func (p *Places) Registered(account string, at netip.AddrPort) bool {
	phones, _ := p.phones.Get(event.SourcePrefix(at.Addr()))
	return slices.ContainsFunc(phones, func(is phone) bool {
		return is.account == account && is.addr == at.Addr().Unmap() && is.port == at.Port()
	})
}

func (p *Places) registered(account string, at netip.Prefix) bool {
	phones, _ := p.phones.Get(at)
	return slices.ContainsFunc(phones, func(is phone) bool { return is.account == account })
}

// Protected yields every protected address, and why it is one.
func (p *Places) Protected() iter.Seq2[netip.Prefix, string] {
	return func(yield func(netip.Prefix, string) bool) {
		for prefix, why := range p.carriers.All() {
			if !yield(prefix, why) {
				return
			}
		}
		for prefix, why := range p.named.All() {
			if !yield(prefix, why) {
				return
			}
		}
		for prefix := range p.phones.All() {
			if why := p.whyPhones(prefix); why != "" && !p.isNamed(prefix) && !yield(prefix, why) {
				return
			}
		}
		for prefix, account := range p.proven.All() {
			if p.whyPhones(prefix) == "" && !p.isNamed(prefix) && !yield(prefix, whyProven(account)) {
				return
			}
		}
	}
}

// overlaps says whether a protected address lies in prefix, or prefix in one.
func (p *Places) overlaps(prefix netip.Prefix) bool {
	return p.isFront(prefix) || p.carriers.OverlapsPrefix(prefix) || p.named.OverlapsPrefix(prefix) || p.phones.OverlapsPrefix(prefix) || p.proven.OverlapsPrefix(prefix)
}

// Objection is why a person should not ban a prefix: an allowed or a protected
// address lies in it; "" when nothing speaks against it.
func (p *Places) Objection(prefix netip.Prefix) string {
	if p.allow.OverlapsPrefix(prefix) {
		return incident.PrefixText(prefix) + " is on the allow list, or holds an address that is"
	}
	if !p.overlaps(prefix) {
		return ""
	}
	for protected, why := range p.Protected() {
		if prefix.Overlaps(protected) {
			return incident.PrefixText(protected) + " is protected: " + why
		}
	}
	if p.isFront(prefix) {
		return incident.PrefixText(p.front.at) + " is protected: nearly all phones are behind it"
	}
	return ""
}

// Narrow is what of a verdict's target may be banned: of a network that holds a
// protected address, or one where an account that counts is known, the verdict's own
// address alone.
func (p *Places) Narrow(target netip.Prefix, v *score.Verdict, counts func(account string) bool) netip.Prefix {
	if v.Key.Per == score.PerNetwork && p.holds(v.At, target, counts) {
		return event.SourcePrefix(v.Cause.Source)
	}
	return target
}

// holds says whether a network holds a carrier, or an address where an account that
// counts is known.
func (p *Places) holds(now time.Time, network netip.Prefix, counts func(account string) bool) bool {
	if p.isFront(network) || p.carriers.OverlapsPrefix(network) || p.named.OverlapsPrefix(network) || p.Inhabited(now, network, counts) {
		return true
	}
	for _, phones := range p.phones.Subnets(network) {
		if slices.ContainsFunc(phones, func(is phone) bool { return counts(is.account) }) {
			return true
		}
	}
	for _, account := range p.proven.Subnets(network) {
		if counts(account) {
			return true
		}
	}
	return false
}

// SetCarriers takes the addresses that Asterisk's configuration names.
func (p *Places) SetCarriers(list []Protected) {
	p.carriers = &bart.Table[string]{}
	for _, c := range list {
		if c.Prefix.IsValid() && c.Prefix.Bits() > 0 {
			p.carriers.Insert(c.Prefix.Masked(), c.Why)
		}
	}
}

// Evidence is what is known against accounts and addresses.
type Evidence interface {
	// Guessed says whether others failed for an account.
	Guessed(account string) bool
	// Failed says whether an account failed at an address, by evidence as good as
	// least at least.
	Failed(account string, source netip.Addr, least score.Proof) bool
}

// SetContacts takes the registrations that Asterisk holds. One protects its
// address where the account is at home there; of an account nothing is known of,
// as at the very first start, it shows where home is. A thief's own registration and those
// of a compromised account do neither: what others did to the account is known by then,
// and whether the address itself has failed for it, for certain or perhaps. Only of the
// first registrations that a daemon is given it does not matter that others are guessing:
// they may well be older than the daemon.
//
// The address of a registration is the one its Via names (res_pjsip_registrar.c,
// via_addr), which its sender can make up. It must have the account's password
// for that, and gains no more than that spoofable evidence does not ban the
// address.
func (p *Places) SetContacts(now time.Time, contacts []Contact, against Evidence) {
	p.phones = &bart.Table[[]phone]{}
	for _, c := range contacts {
		if !c.Source.IsValid() || p.Compromised(c.Account, now) {
			continue
		}
		if !p.Used(c.Account) && (!against.Guessed(c.Account) || !p.met && !against.Failed(c.Account, c.Source, score.Spoofable)) {
			p.Know(c.Account, c.Source, now)
		}
		if p.Known(c.Account, c.Source, now) {
			p.addPhone(phone{c.Account, c.Source.Unmap(), c.Port, c.Agent, against.Failed(c.Account, c.Source, score.Proven)})
		}
	}
	p.forgetProven(func(at netip.Prefix, account string) bool {
		return p.Compromised(account, now) || !p.Known(account, at.Addr(), now) || against.Failed(account, at.Addr(), score.Proven)
	})
	p.connections.forget(p.registered)
	p.met = true
	p.findFront(now, contacts)
	p.learnAgents(contacts)
}

// Protect protects the address of a proven success at a known place: as that
// of a phone until the registrations are taken again, as a proven one for as long
// as the account is known there. It allocates nothing for one that is known.
func (p *Places) Protect(o *score.Observation, against Evidence) {
	prefix := event.SourcePrefix(o.Source)
	_, proven := p.proven.Get(prefix)
	phones, _ := p.phones.Get(prefix)
	settled := slices.ContainsFunc(phones, func(p phone) bool { return p.account == string(o.Account) && !p.failed })
	if proven && settled {
		return
	}
	account := string(o.Account)
	if p.Compromised(account, o.At) || against.Failed(account, o.Source, score.Proven) {
		return
	}
	if !proven && p.proven.Size() < maxSources {
		p.proven.Insert(prefix, account)
	}
	if !settled {
		p.addPhone(phone{account: account, addr: o.Source.Unmap(), port: o.Port})
	}
}

func (p *Places) addPhone(is phone) {
	prefix := event.SourcePrefix(is.addr)
	if at, known := p.phones.Get(prefix); known || p.phones.Size() < maxSources {
		at = slices.DeleteFunc(at, func(was phone) bool { return was.failed && was.account == is.account && was.port == is.port })
		p.phones.Insert(prefix, append(at, is))
	}
}

// Betrayed ends the protection that an account gave: a thief has it, too.
func (p *Places) Betrayed(account string) {
	its := func(p phone) bool { return p.account == account }
	left := map[netip.Prefix][]phone{}
	for at, phones := range p.phones.All() {
		if slices.ContainsFunc(phones, its) {
			left[at] = slices.DeleteFunc(phones, its)
		}
	}
	for at, phones := range left {
		if len(phones) == 0 {
			p.phones.Delete(at)
		} else {
			p.phones.Insert(at, phones)
		}
	}
	p.forgetProven(func(_ netip.Prefix, of string) bool { return of == account })
}

// forgetProven forgets proven addresses.
func (p *Places) forgetProven(gone func(at netip.Prefix, account string) bool) {
	var left []netip.Prefix
	for at, account := range p.proven.All() {
		if gone(at, account) {
			left = append(left, at)
		}
	}
	for _, at := range left {
		p.proven.Delete(at)
	}
}
