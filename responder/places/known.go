package places

import (
	"cmp"
	"net/netip"
	"slices"
	"time"

	"github.com/tollwarden/tollwarden/ami/event"
)

// Config says how long and how much is remembered. Zero values mean the
// defaults.
type Config struct {
	Remember  time.Duration // how long after its last success an address is known; default 30 days
	Accounts  int           // accounts remembered at most; default 65,536
	Addresses int           // addresses of one account at most; default 64

	// AddressLearned and NetworkLearned, if set, are called for every address and
	// network that becomes known, and about once a day again while it is in use, so
	// that the caller can keep it.
	AddressLearned func(Address)
	NetworkLearned func(Network)
	// ThievesChanged, if set, is called when an account's Thieves have changed, so
	// that the caller can keep them.
	ThievesChanged func(account string, thieves []netip.Prefix, at time.Time)
	// ProbationChanged, if set, is called when an account's Probations have changed, so
	// that the caller can keep them.
	ProbationChanged func(account string, list []Probation)
	// Compromised, if set, is called when an account is compromised, and with a zero
	// time when that is over, so that the caller can keep it.
	Compromised func(Compromise)
	// NeighbourhoodLearned, if set, is called when an account is used where none was
	// within LivedFor.
	NeighbourhoodLearned func(neighbourhood netip.Prefix, at time.Time)
}

func (c Config) withDefaults() Config {
	c.Remember = cmp.Or(max(c.Remember, 0), 30*24*time.Hour)
	c.Accounts = cmp.Or(max(c.Accounts, 0), 1<<16)
	c.Addresses = cmp.Or(max(c.Addresses, 0), 64)
	return c
}

const (
	// settled is how long a network must have been an account's before it is
	// its home: a thief who comes from one is found out before that, or the
	// owner has seen the notification.
	settled = 24 * time.Hour
	// rememberNetwork is how long a network stays an account's after its last use.
	rememberNetwork = 90 * 24 * time.Hour
	// maxNetworks bounds the networks of one account: a phone that moves through
	// more within rememberNetwork is no office's.
	maxNetworks = 128
	// maxName bounds an account's name: none with a longer one can call
	// (AST_CHANNEL_NAME).
	maxName = 80
)

// Address is an address that an account has been used from.
type Address struct {
	Account string
	Source  netip.Prefix // an IPv4 /32 or an IPv6 /64
	At      time.Time    // of its last success
}

// Network is a network that an account has been used from.
type Network struct {
	Account     string
	Prefix      netip.Prefix // an IPv4 /24 or an IPv6 /48
	First, Last time.Time
}

// account is what is known of one account.
type account struct {
	name      string
	addresses []address // known ones, thieves' and those on probation, in no order
	networks  map[netip.Prefix]*span
}

type address struct {
	source   netip.Prefix
	last     time.Time // success; of a thief: when it was last reported
	failed   time.Time // when the account last failed there, for certain
	reported time.Time // when AddressLearned was last called
	listed   bool      // among the residents
	thief    bool
	stolen   bool // a thief's: who is there is not the owner, for certain
	// probation is since when it is on probation, if it is; proven says that the
	// success came from there for certain.
	probation time.Time
	proven    bool
}

// span is when a network was first and last used, and last reported.
type span struct{ first, last, reported time.Time }

// find is an account that is known; nil when nothing is.
func (p *Places) find(name string) *account {
	e := p.accounts[name]
	if e == nil {
		return nil
	}
	return e.Value.(*account)
}

// use finds or makes an account and marks it as the one used last. When there is
// no room, the one longest not used goes.
func (p *Places) use(name string) *account {
	if e := p.accounts[name]; e != nil {
		p.order.MoveToBack(e)
		return e.Value.(*account)
	}
	if len(p.accounts) >= p.config.Accounts {
		oldest := p.order.Front()
		delete(p.accounts, oldest.Value.(*account).name)
		delete(p.stolen, oldest.Value.(*account).name)
		p.order.Remove(oldest)
	}
	a := &account{name: name}
	p.accounts[name] = p.order.PushBack(a)
	return a
}

// Accounts is how many accounts are remembered.
func (p *Places) Accounts() int { return len(p.accounts) }

// Used says whether anybody is known to have succeeded for an account, a thief
// included.
func (p *Places) Used(name string) bool {
	a := p.find(name)
	return a != nil && len(a.addresses) > 0
}

// Known says whether an account is known at an address: it succeeded there a
// short enough time ago, and that was no break-in. This is the one answer to "is
// this address known for this account?".
func (p *Places) Known(name string, source netip.Addr, now time.Time) bool {
	return p.known(p.find(name), event.SourcePrefix(source), now)
}

func (p *Places) known(a *account, source netip.Prefix, now time.Time) bool {
	if a == nil {
		return p.isNamed(source)
	}
	is := a.address(source)
	if is == nil || is.thief || !is.probation.IsZero() {
		return is == nil && p.isNamed(source)
	}
	return now.Sub(is.last) < p.config.Remember || p.isNamed(source)
}

// KnownSource is Known for a name as it was read and a source key.
func (p *Places) KnownSource(name []byte, source netip.Prefix, now time.Time) bool {
	e := p.accounts[string(name)]
	if e == nil {
		return p.isNamed(source)
	}
	return p.known(e.Value.(*account), source, now)
}

// Succeed records a success that was neither a break-in nor suspicious: its address
// becomes known, also if it was on probation. It changes nothing for an address whose
// success was a break-in.
func (p *Places) Succeed(name []byte, source netip.Prefix, at time.Time) {
	var a *account
	if e := p.accounts[string(name)]; e != nil {
		p.order.MoveToBack(e)
		a = e.Value.(*account)
	} else {
		a = p.use(string(name))
	}
	is := a.addressOrNew(source, p.config.Addresses)
	if is.thief {
		return
	}
	if !is.probation.IsZero() {
		is.probation = time.Time{}
		p.probationChanged(a, at)
	}
	p.succeeded(a, is, at)
	if p.config.AddressLearned != nil && (is.reported.IsZero() || is.last.Sub(is.reported) >= p.config.Remember/30) {
		is.reported = is.last
		p.config.AddressLearned(Address{Account: a.name, Source: source, At: is.last})
	}
}

// Know makes an address known as if it had succeeded at that time: from the
// ledger, or for a registration that Asterisk holds at start. It changes nothing
// for an address whose success was a break-in, or that is on probation.
func (p *Places) Know(name string, source netip.Addr, at time.Time) {
	prefix := event.SourcePrefix(source)
	if name == "" || len(name) > maxName || !prefix.IsValid() {
		return
	}
	a := p.use(name)
	is := a.address(prefix)
	if is == nil {
		is = a.addressOrNew(prefix, p.config.Addresses)
		is.last, is.reported = at, at
	}
	if !is.thief && is.probation.IsZero() {
		p.succeeded(a, is, at)
	}
}

// succeeded notes that an account succeeded at an address at that time.
func (p *Places) succeeded(a *account, is *address, at time.Time) {
	was := is.last
	if at.After(was) {
		is.last = at
	}
	if !is.listed || at.Sub(was) >= p.config.Remember {
		is.listed = p.reside(a.name, is.source, at)
	}
	p.Lived(is.source.Addr(), at)
}

// Addresses are the known addresses of an account, the one used last first.
func (p *Places) Addresses(name string, now time.Time) (list []Address) {
	a := p.find(name)
	if a == nil {
		return nil
	}
	for _, is := range a.addresses {
		if p.known(a, is.source, now) {
			list = append(list, Address{Account: name, Source: is.source, At: is.last})
		}
	}
	slices.SortStableFunc(list, func(x, y Address) int { return y.At.Compare(x.At) })
	return list
}

func (a *account) address(source netip.Prefix) *address {
	for i := range a.addresses {
		if a.addresses[i].source == source {
			return &a.addresses[i]
		}
	}
	return nil
}

// addressOrNew finds an address or makes room for it, at the cost of the one
// longest not used that is not on probation.
func (a *account) addressOrNew(source netip.Prefix, most int) *address {
	if is := a.address(source); is != nil {
		return is
	}
	if len(a.addresses) < most {
		a.addresses = append(a.addresses, address{source: source})
		return &a.addresses[len(a.addresses)-1]
	}
	oldest := &a.addresses[0]
	for i := range a.addresses {
		if is := &a.addresses[i]; is.lessUseful(oldest) {
			oldest = is
		}
	}
	*oldest = address{source: source}
	return oldest
}

// lessUseful says whether an address makes room before another one. To forget one on
// probation would end that, and to forget where the password was stolen would make its
// thief unknown. Others of the thief's go first, so that they cannot push out the owner's.
func (is *address) lessUseful(than *address) bool {
	if x, y := is.use(), than.use(); x != y {
		return x < y
	}
	return is.last.Before(than.last)
}

func (is *address) use() int {
	switch {
	case is.stolen || !is.probation.IsZero():
		return 2
	case is.thief:
		return 0
	}
	return 1
}

// Outdated says whether another account's own phone has an old password: it fails at an
// address where this account is used, too. When that address changes, it fails at the new
// one.
func (p *Places) Outdated(other, beside []byte, now time.Time) bool {
	a, b := p.find(string(other)), p.find(string(beside))
	if a == nil || b == nil {
		return false
	}
	return slices.ContainsFunc(a.addresses, func(is address) bool {
		at := b.address(is.source)
		return at != nil && is.own(now) && at.own(now) && is.failed.After(is.last) && now.Sub(is.failed) < outdatedFor
	})
}

// outdatedFor is how long it counts that a phone failed at its last address: one that
// moves along fails again at once.
const outdatedFor = 24 * time.Hour

// OwnFailed records that an account failed, for certain, where it was used lately. It
// allocates nothing.
func (p *Places) OwnFailed(name []byte, source netip.Prefix, now time.Time) {
	e := p.accounts[string(name)]
	if e == nil {
		return
	}
	if is := e.Value.(*account).address(source); is != nil && is.own(now) {
		is.failed = now
	}
}

// own says whether an address was the account's own lately.
func (is *address) own(now time.Time) bool {
	return !is.thief && is.probation.IsZero() && now.Sub(is.last) < LivedFor
}

// Lives says whether an account is used at an address: it is known there, or at
// home in the network. A thief's address is neither, nor is one on probation.
func (p *Places) Lives(name []byte, source netip.Prefix, now time.Time) bool {
	e := p.accounts[string(name)]
	if e == nil {
		return false
	}
	a := e.Value.(*account)
	return !a.doubtful(source, now) && (p.known(a, source, now) || a.home(now, event.NetworkPrefix(source.Addr())))
}
