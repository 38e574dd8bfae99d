package slow

import (
	"net/netip"
	"time"
)

// ownPhones remembers phones with an old password: they failed at a place where their
// account was known, and go on failing there when it no longer is.
type ownPhones struct {
	index map[ownPhone]*stale
}

type ownPhone struct {
	source  netip.Prefix
	account string
}

type stale struct {
	last  time.Time
	dirty bool
}

const (
	// maxOwnPhones bounds them: each needs an account that is known at the address.
	maxOwnPhones = 1 << 14
	// ownFor is how long a silent phone stays the account's own.
	ownFor = 30 * 24 * time.Hour
	// ownEvery is the resolution of the last failure.
	ownEvery = time.Hour
)

func newOwnPhones() ownPhones { return ownPhones{index: map[ownPhone]*stale{}} }

// failed reports whether a failure is that of an account's own phone.
func (p *ownPhones) failed(source netip.Prefix, account []byte, now time.Time, places Places) bool {
	if is := p.index[ownPhone{source, string(account)}]; is != nil && now.Sub(is.last) < ownFor {
		if now.Sub(is.last) >= ownEvery {
			is.last, is.dirty = now, true
		}
		return true
	}
	if !places.Lives(account, source, now) {
		return false
	}
	if len(p.index) < maxOwnPhones {
		p.index[ownPhone{source, string(account)}] = &stale{last: now, dirty: true}
	}
	return true
}

// succeeded records that a phone has the right password again.
func (p *ownPhones) succeeded(source netip.Prefix, account []byte) {
	if p.index[ownPhone{source, string(account)}] == nil {
		return // which allocates nothing
	}
	delete(p.index, ownPhone{source, string(account)})
}

func (p *ownPhones) prune(now time.Time) {
	for of, is := range p.index {
		if now.Sub(is.last) >= ownFor {
			delete(p.index, of)
		}
	}
}
