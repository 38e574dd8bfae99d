package judge

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"time"

	"github.com/tollwarden/tollwarden/responder/bans"
	"github.com/tollwarden/tollwarden/responder/decide"
	"github.com/tollwarden/tollwarden/responder/incident"
	"github.com/tollwarden/tollwarden/responder/places"
	"github.com/tollwarden/tollwarden/responder/score"
)

// In mode observe everything is decided and recorded, and nothing is done. What is in force
// stays: bans, locks, and whatever a person orders meanwhile. The registry holds the bans that
// would be in force, too, so that an attacker is judged as if it were gone; they are marked
// Observed, and never replace one that is in force. A threshold that only observes, while
// others act, leaves nothing there.

// idle is a time in which nothing is done without a person: a pause, or mode observe.
type idle struct{ *Judge }

// Active says whether it is on.
func (i idle) Active(now time.Time) bool { return i.policy.Observe || i.pause.Active(now) }

// Observes says whether nothing is done about any verdict.
func (j *Judge) Observes() bool { return j.policy.Observe }

// observes says whether nothing is done about a verdict.
func (j *Judge) observes(v *score.Verdict) bool { return j.policy.Observe || v.Threshold.Observe }

// wouldBe counts the bans that mode observe has only decided: the first ban in mode enforce
// is a first one.
type wouldBe struct{ offences, repeats *bans.Offences }

func newWouldBe(l decide.Ladder) wouldBe {
	return wouldBe{bans.NewOffences(l.Forget), bans.NewRepeats(l.RepeatMemory())}
}

func (w *wouldBe) configure(l decide.Ladder) {
	w.offences.Configure(l.Forget)
	w.repeats.Configure(l.RepeatMemory())
}

// counted is where a ban counts as an offence, or as one more on spoofable evidence.
func (j *Judge) counted(ban incident.Ban) (offences, repeats *bans.Offences) {
	if ban.Observed {
		return j.wouldBe.offences, j.wouldBe.repeats
	}
	return j.Offences, j.Repeats
}

// observed says whether a ban that is not carried out may enter the registry: not in the place
// of one that is in force.
func (j *Judge) observed(ban incident.Ban) bool {
	if is, ok := j.Bans.Exact(ban.Since, ban.Prefix); ok && !is.Observed {
		return false
	}
	if _, crowded := j.Bans.Crowded(); crowded && ban.Spoofable() && ban.Network() {
		return false
	}
	return true
}

// BeginEnforcing follows the change from mode observe to enforce, which Configure has put in
// force. What would have been banned is forgotten: the next guess is judged anew. Costs of
// accounts on probation are limited, and calls that are up are judged, as at a start.
func (j *Judge) BeginEnforcing(now time.Time) {
	for _, ban := range j.Bans.ForgetObserved(now) {
		j.effects.BanChanged(ban, incident.Ended)
	}
	j.wouldBe = newWouldBe(j.policy.Ladder)
	j.Spending.RaiseAgain() // nothing was done about it
	for _, account := range j.Places.AccountsOnProbation(now) {
		j.EnforceProbation(now, account)
	}
	j.judgeAfterPause(now)
}

// BreakIn is an account that somebody else uses, or whose password somebody else knows, and
// that nobody has dealt with yet: its password is still the same.
type BreakIn struct {
	Account string
	At      time.Time      // when it was last seen
	From    []netip.Prefix // where those come from, in order; empty if that is not known
	Calls   int            // of the account that are up
}

// BreakIns are those that nobody has dealt with, by account.
func (j *Judge) BreakIns(now time.Time) (list []BreakIn) {
	at := map[string]*BreakIn{}
	add := func(account string, when time.Time, from ...netip.Prefix) {
		b := at[account]
		if b == nil {
			b = &BreakIn{Account: account, Calls: j.Calls.Account(account)}
			at[account] = b
		}
		if when.After(b.At) {
			b.At = when
		}
		for _, p := range from {
			if p.IsValid() && !slices.Contains(b.From, p) {
				b.From = append(b.From, p)
			}
		}
	}
	for _, account := range j.Places.StolenAccounts(now) {
		thieves, last := j.Places.Thieves(account, now)
		add(account, last, thieves...)
	}
	for _, c := range j.Places.CompromisedAccounts(now) {
		add(c.Account, c.At, c.Source)
	}
	for _, account := range slices.Sorted(maps.Keys(at)) {
		b := at[account]
		if j.ongoing.ContainedBy(now, account) != nil {
			continue // that is under way
		}
		slices.SortFunc(b.From, netip.Prefix.Compare)
		list = append(list, *b)
	}
	return list
}

// ActOn has the playbook of a break-in carried out that nobody has dealt with, at a person's
// word, as Compromise does. The addresses of those who have the password are banned, too.
func (j *Judge) ActOn(now time.Time, account string) (detail string, err error) {
	if !slices.ContainsFunc(j.BreakIns(now), func(b BreakIn) bool { return b.Account == account }) {
		return "", fmt.Errorf("%w: no break-in on %s waits to be dealt with", incident.ErrRefused, score.Printable(account))
	}
	return j.treatAsStolen(now, account, j.intruders(now, account), "seen in mode observe, and acted on at a person's word: somebody else has the password")
}

// intruders are the addresses of those who use an account and may have its password: those on
// probation, and those of a break-in that nobody has dealt with.
func (j *Judge) intruders(now time.Time, account string) []places.Probation {
	list := j.Places.Probations(account, now)
	thieves, _ := j.Places.Thieves(account, now)
	for _, b := range j.BreakIns(now) {
		for _, from := range b.From {
			if b.Account != account || slices.ContainsFunc(list, func(p places.Probation) bool { return p.Source == from }) {
				continue
			}
			// A thief has signed in, with an answer to what was sent to that address alone.
			list = append(list, places.Probation{Account: account, Source: from, Since: b.At, First: b.At, Proven: slices.Contains(thieves, from)})
		}
	}
	return list
}
