package judge

import (
	"net/netip"
	"time"

	"github.com/tollwarden/tollwarden/ami/event"
	"github.com/tollwarden/tollwarden/responder/decide"
	"github.com/tollwarden/tollwarden/responder/incident"
	"github.com/tollwarden/tollwarden/responder/places"
	"github.com/tollwarden/tollwarden/responder/score"
)

// endProtection ends the protection that the account of an incident gives its addresses, if
// the steps treat the account as compromised. If somebody else has used it, that lasts until
// its password is changed; after guesses alone, only until its owner uses it again.
func (j *Judge) endProtection(v *score.Verdict, steps []incident.Step, i *incident.Incident) {
	switch {
	case !decide.Compromised(steps):
	case used(v.Cause.Signal):
		j.phones.ForgetHandsets(i.Account) // the thief's is among them
		c := places.Compromise{Account: i.Account, At: v.At}
		if i.Source.IsValid() && !j.Places.Home(v.At, i.Account, i.Source) {
			c.Source = event.SourcePrefix(i.Source)
		}
		j.Places.Compromise(c)
	default:
		j.Places.Betrayed(i.Account)
	}
}

// used says whether a signal is raised by somebody who uses an account, not by guesses.
func used(s score.Signal) bool { return s == score.SuccessAfterFailures || s >= score.CallRate }

// VitalBans are the daemon's own bans that cut off a vital address, which may have been banned
// before it was known to be vital. Bans by a person stay, and so do those of unknown origin.
func (j *Judge) VitalBans(now time.Time) (list []incident.Ban) {
	seen := map[netip.Prefix]bool{}
	add := func(ban incident.Ban) {
		if j.policy.thresholdOf(ban.Origin) != nil && !seen[ban.Prefix] {
			seen[ban.Prefix] = true
			list = append(list, ban)
		}
	}
	for _, vital := range j.Places.Vitals() {
		if ban, ok := j.Bans.Covering(now, vital); ok {
			add(ban)
		}
		for _, ban := range j.Bans.Within(now, vital) {
			add(ban)
		}
	}
	return list
}
