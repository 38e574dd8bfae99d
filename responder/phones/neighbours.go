package phones

import (
	"net/netip"
	"time"

	"github.com/tollwarden/tollwarden/ami/event"
	"github.com/tollwarden/tollwarden/responder/decide"
	"github.com/tollwarden/tollwarden/responder/score"
)

// Healthy counts the accounts known at a verdict's address that vouch for it, and names
// one of them. These do not:
//   - the one that the verdict is about
//   - an account whose own phone certainly fails there, and has not succeeded since
//   - an account whose password somebody else has, or which has not been used since its
//     password was changed
//   - one where guesses came from too many of its addresses: it is the guesser's own
func (p *Own) Healthy(v *score.Verdict) (first string, n int) {
	source := event.SourcePrefix(v.Cause.Source)
	about := ""
	if !v.Cause.Signal.Failure() {
		about = decide.AccountOf(v)
	}
	var failing map[string]failing
	for account, last := range p.places.Residents(v.At, source) {
		if account == about || !p.places.Vouches(account, v.At) || !last.After(p.rotations.At(account)) {
			continue
		}
		if failing == nil {
			failing = p.failing(source)
		}
		if is, fails := failing[account]; fails && is.last.After(last) && !p.places.RegisteredBeside(account, source, is.ports) {
			continue
		}
		if v.Proven && v.Cause.Signal.Failure() {
			p.vouchers.Vouch(v.At, account, source)
		}
		if p.vouchers.Spent(v.At, account) {
			continue
		}
		if n++; n == 1 {
			first = account
		}
	}
	return first, n
}

// Vouching returns what says whether an account spares the addresses where it is in use.
func (p *Own) Vouching(now time.Time) func(account string) bool {
	return func(account string) bool { return !p.vouchers.Spent(now, account) }
}

// failing is when the phone of an account last failed, and from which ports.
type failing struct {
	last  time.Time
	ports []uint16
}

// failing are the accounts whose own phones certainly fail at an address. Whoever tries several
// accounts from one port is a guesser, and no phone of any of them.
func (p *Own) failing(source netip.Prefix) map[string]failing {
	evidence := p.table.Evidence(score.Key{Per: score.PerSource, Prefix: source})
	accountOn, guesser := map[uint16]string{}, map[uint16]bool{}
	for _, e := range evidence {
		if !e.Signal.Failure() {
			continue
		}
		if account, known := accountOn[e.Port]; known && account != e.Account {
			guesser[e.Port] = true
		}
		accountOn[e.Port] = e.Account
	}
	list := map[string]failing{}
	for _, e := range evidence {
		if e.Signal.Failure() && e.Proof == score.Proven && !guesser[e.Port] {
			is := list[e.Account]
			list[e.Account] = failing{last: e.At, ports: append(is.ports, e.Port)}
		}
	}
	return list
}
