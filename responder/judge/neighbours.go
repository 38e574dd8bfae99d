package judge

import (
	"fmt"
	"net/netip"
	"time"

	"github.com/tollwarden/tollwarden/ami/event"
	"github.com/tollwarden/tollwarden/responder/decide"
	"github.com/tollwarden/tollwarden/responder/score"
)

// Where healthy accounts live, only what was used is cut: a ban of the address would hit
// them.

// spare fills in what a plan must know of the accounts that live at its target.
func (j *Judge) spare(v *score.Verdict, f *decide.Facts) {
	if v.Cause.Source.IsValid() && f.Target == event.SourcePrefix(v.Cause.Source) {
		j.spareNeighbours(v, f)
	}
	if f.Closes {
		f.CloseFor = j.Partial.CloseFor(v, f.Target)
	}
}

func (j *Judge) spareNeighbours(v *score.Verdict, f *decide.Facts) {
	first, n := j.healthy(v)
	if n == 0 && j.Places.Named(f.Target) != "" {
		n = 1 // as where one extension is used
	}
	only := false
	if n == 0 {
		var outdated bool
		if outdated, only = j.outdatedPhone(v); outdated {
			first, n = v.Cause.Account, 1 // whose healthy phones come from there, too
		}
	}
	if n == 0 {
		return
	}
	protected := f.Protected
	if protected == "" {
		if !v.Proven && !v.Cause.Transport.Connected() && !f.Throttles {
			return // only a short ban stops a guesser whom nothing can throttle
		}
		f.Protected = usedBy(first, n)
	}
	f.Healthy = n
	if f.Home != "" || f.Sharing >= decide.ProxyPhones || f.Carrier {
		return
	}
	own := j.Places.Known(v.Cause.Account, v.Cause.Source, v.At)
	_, agent := j.Places.Phones(v.Cause.Account, f.Target, v.Cause.Port)
	wider := only || f.Closes || f.Throttles && v.Cause.Transport == event.UDP
	switch flow, ok := j.Partial.Cut(v, own, agent, wider); {
	case ok:
		f.Flow = &flow
	case only:
		f.Healthy, f.Protected = 0, protected
	}
}

func usedBy(first string, n int) string {
	if n == 1 {
		return "used by " + first
	}
	return fmt.Sprintf("used by %s and %d more", first, n-1)
}

// healthy counts the accounts known at a verdict's address that vouch for it, and names
// one of them. These do not:
//   - whom the verdict is about
//   - an account whose own phone fails there, for certain, and has not succeeded since
//   - an account whose password somebody else has, or which has not been used since its
//     password was changed
//   - one where guesses came from too many of its addresses: it is the guesser's own
func (j *Judge) healthy(v *score.Verdict) (first string, n int) {
	source := event.SourcePrefix(v.Cause.Source)
	about := ""
	if !v.Cause.Signal.Failure() {
		about = decide.AccountOf(v)
	}
	var failing map[string]failing
	for account, last := range j.Places.Residents(v.At, source) {
		if account == about || !j.Places.Vouches(account, v.At) || !last.After(j.Contain.Rotations.At(account)) {
			continue
		}
		if failing == nil {
			failing = j.failing(source)
		}
		if is, fails := failing[account]; fails && is.last.After(last) && !j.Places.RegisteredBeside(account, source, is.ports) {
			continue
		}
		if v.Proven && v.Cause.Signal.Failure() {
			j.vouchers.Vouch(v.At, account, source)
		}
		if j.vouchers.Spent(v.At, account) {
			continue
		}
		if n++; n == 1 {
			first = account
		}
	}
	return first, n
}

// vouching says whether the use of an address by an account spares it.
func (j *Judge) vouching(now time.Time) func(account string) bool {
	return func(account string) bool { return !j.vouchers.Spent(now, account) }
}

// failing is what shows that the phone of an account fails: when it last did, and from
// which ports.
type failing struct {
	last  time.Time
	ports []uint16
}

// failing are the accounts whose own phones fail at an address, for certain. Whoever tries
// several accounts from one port is a guesser, and no phone of any of them.
func (j *Judge) failing(source netip.Prefix) map[string]failing {
	evidence := j.table.Evidence(score.Key{Per: score.PerSource, Prefix: source})
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
