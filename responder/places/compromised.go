package places

import (
	"net/netip"
	"time"
)

// An account is compromised from an incident that treats it as a thief's until its
// password is changed, or for StolenFor. Meanwhile its registrations protect nothing:
// they may be the thief's, also after a restart, and also if nothing was done about the
// incident, as in mode observe.

// maxCompromised bounds the compromised accounts: each takes a successful login or calls.
const maxCompromised = 1 << 14

// Compromise is how an account was compromised.
type Compromise struct {
	Account string
	Source  netip.Prefix // where it was used from; invalid if that is not known
	At      time.Time
}

// Compromise records that an account is used by somebody else, and ends the protection
// that it gave.
func (p *Places) Compromise(c Compromise) {
	p.RestoreCompromise(c)
	p.Betrayed(c.Account)
	if p.config.Compromised != nil {
		p.config.Compromised(c)
	}
}

// RestoreCompromise takes over a Compromise of a former run.
func (p *Places) RestoreCompromise(c Compromise) {
	if _, known := p.compromised[c.Account]; known || len(p.compromised) < maxCompromised {
		p.compromised[c.Account] = c
	}
}

// Compromised says whether somebody else uses an account, or did so and its password was
// not changed since.
func (p *Places) Compromised(account string, now time.Time) bool {
	c, ok := p.compromised[account]
	return ok && now.Sub(c.At) < StolenFor
}

// CompromisedAccounts are the compromised accounts, in no order.
func (p *Places) CompromisedAccounts(now time.Time) (list []Compromise) {
	for account, c := range p.compromised {
		if p.Compromised(account, now) {
			list = append(list, c)
		}
	}
	return list
}

// Doubtful says whether a compromised account was last used by somebody else from an
// address.
func (p *Places) Doubtful(account string, source netip.Prefix, now time.Time) bool {
	return p.Compromised(account, now) && p.compromised[account].Source == source
}

// endCompromise records that an account has another password.
func (p *Places) endCompromise(account string) {
	if _, ok := p.compromised[account]; !ok {
		return
	}
	delete(p.compromised, account)
	if p.config.Compromised != nil {
		p.config.Compromised(Compromise{Account: account})
	}
}
