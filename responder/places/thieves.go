package places

import (
	"net/netip"
	"slices"
	"time"
)

// StolenFor is how long a password counts as stolen: the thief may wait before using it.
const StolenFor = 30 * 24 * time.Hour

// Thief says whether the last success of an account at an address was a
// break-in, and when it was reported.
func (p *Places) Thief(name []byte, source netip.Prefix) (reported time.Time, thief bool) {
	e := p.accounts[string(name)]
	if e == nil {
		return time.Time{}, false
	}
	is := e.Value.(*account).address(source)
	if is == nil || !is.thief {
		return time.Time{}, false
	}
	return is.last, true
}

// MarkThief records that a success was a break-in: its address never becomes
// known, until ForgetThieves, and is no longer on probation. stolen says that it cannot
// have been the account's owner: the password is known to somebody else, who may come
// from anywhere.
func (p *Places) MarkThief(name []byte, source netip.Prefix, at time.Time, stolen bool) {
	a := p.use(string(name))
	is := a.addressOrNew(source, p.config.Addresses)
	is.thief, is.last, is.stolen = true, at, is.stolen || stolen
	if !is.probation.IsZero() {
		is.probation = time.Time{}
		p.probationChanged(a, at)
	}
	if stolen {
		p.stolen[string(name)] = struct{}{}
		p.thievesChanged(string(name), at)
	}
}

// RestoreThief takes over one of the Thieves of a former run.
func (p *Places) RestoreThief(name string, source netip.Prefix, at time.Time) {
	is := p.use(name).addressOrNew(source, p.config.Addresses)
	is.thief, is.last, is.stolen = true, at, true
	p.stolen[name] = struct{}{}
}

// Stolen says whether somebody other than its owner knows the password of an
// account. It allocates nothing.
func (p *Places) Stolen(name []byte, now time.Time) bool {
	e := p.accounts[string(name)]
	if e == nil {
		return false
	}
	return slices.ContainsFunc(e.Value.(*account).addresses, func(is address) bool { return is.stole(now) })
}

func (is *address) stole(now time.Time) bool { return is.stolen && now.Sub(is.last) < StolenFor }

// Thieves are the addresses of those who know the password of an account and are
// not its owner, in order, and when the last of them was reported.
func (p *Places) Thieves(name string, now time.Time) (list []netip.Prefix, last time.Time) {
	a := p.find(name)
	if a == nil {
		return nil, time.Time{}
	}
	for _, is := range a.addresses {
		if !is.stole(now) {
			continue
		}
		list = append(list, is.source)
		if is.last.After(last) {
			last = is.last
		}
	}
	slices.SortFunc(list, netip.Prefix.Compare)
	return list, last
}

// StolenAccounts are the accounts whose passwords somebody else knows, in order.
func (p *Places) StolenAccounts(now time.Time) (names []string) {
	for name := range p.stolen {
		if p.Stolen([]byte(name), now) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// ForgetThieves forgets the break-ins of an account and that it was compromised: its
// password was changed, and whoever succeeds now knows the new one.
func (p *Places) ForgetThieves(name string) {
	p.endCompromise(name)
	a := p.find(name)
	if a == nil {
		return
	}
	a.addresses = slices.DeleteFunc(a.addresses, func(is address) bool { return is.thief })
	if _, stolen := p.stolen[name]; stolen {
		delete(p.stolen, name)
		p.thievesChanged(name, time.Time{})
	}
}

func (p *Places) thievesChanged(name string, at time.Time) {
	if p.config.ThievesChanged != nil {
		list, _ := p.Thieves(name, at)
		p.config.ThievesChanged(name, list, at)
	}
}
