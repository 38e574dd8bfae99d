package gate

import (
	"time"

	"github.com/tollwarden/tollwarden/responder/calls"
)

// Contains says whether an account's calls are all being ended.
func (g *Gate) Contains(now time.Time, account string) bool {
	return g.contain.Sessions.Active(now, account)
}

// EndsCallsOf says whether every call that an account sets up is ended: the account is
// locked, and Asterisk does not see to it itself. A lock stands in mode observe, too.
func (g *Gate) EndsCallsOf(account string) bool {
	return g.contain.Locks.Enforced(account)
}

// SweepNew ends a new call of an account that is being contained. It returns whether the
// account is. If it would be, but for mode observe or a pause, the call is recorded.
func (g *Gate) SweepNew(c calls.Channel) bool {
	incidents, active := g.contain.Sessions.NewChannel(c.Since, c.Account, c.Name)
	if !active {
		g.follow(c.Since, c)
		return false
	}
	g.add(c.Since, incidents, c)
	g.effects.Sweep(c.Account)
	return true
}

// SweepStray ends a call that an account being contained has set up and left.
func (g *Gate) SweepStray(now time.Time, account, channel string) {
	if g.Contains(now, account) && g.calls.Stray(channel) {
		g.effects.Sweep(account)
	}
}
