package judge

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/tollwarden/tollwarden/ami/event"
	"github.com/tollwarden/tollwarden/responder/decide"
	"github.com/tollwarden/tollwarden/responder/incident"
	"github.com/tollwarden/tollwarden/responder/places"
	"github.com/tollwarden/tollwarden/responder/score"
)

// A person decides whose an address on probation is: Trust and Compromise.

// Trust takes a person's word that an address on probation is the extension's own: it is
// known from now on, and what others guessed is forgotten. detail says what still
// holds for the account. The error is an incident.ErrRefused.
func (j *Judge) Trust(now time.Time, account string, at netip.Addr) (detail string, err error) {
	if !j.Places.Trust(account, at, now) {
		return "", j.cannotTrust(now, account, at)
	}
	j.breakIn.ClearFailures(account)
	j.Calls.Trust(now, account, at)
	ended := j.limits.endProbation(now, account, fmt.Sprintf("a person has said that %s is the extension's own", at))
	detail = fmt.Sprintf("%s is known for %s from now on", at, account)
	if left := j.words.probationWords(now, account); left != "" {
		return detail + "; still on probation: " + left + j.stillBlocked(now, at), nil
	}
	delete(j.newPlaces.held, account)
	if ended {
		detail += "; costly calls are no longer ended"
	} else if limit, limited := j.Contain.Costs.Of(account); limited {
		detail += "; " + limit.String() + ": " + incident.AccountCommand("unlock", account) + " ends that at once"
	}
	return detail + j.stillBlocked(now, at), nil
}

// stillBlocked names the command that lifts what is blocked at an address; "" if nothing is.
func (j *Judge) stillBlocked(now time.Time, at netip.Addr) string {
	source := event.SourcePrefix(at)
	if !source.IsValid() {
		return ""
	}
	if ban, ok := j.Bans.Covering(now, source); ok {
		return fmt.Sprintf("; %s is still blocked %s: %s ends that", incident.PrefixText(ban.Prefix), ban.UntilText(), incident.Command("unban", incident.PrefixText(ban.Prefix), "--forgive"))
	}
	for _, b := range j.Partial.List(now) {
		if b.InForce(now) && b.Concerns(source) {
			return fmt.Sprintf("; part of what comes from %s is still blocked (%s): %s ends that", at, b.Words(), incident.Command("unban", at.String()))
		}
	}
	return ""
}

// cannotTrust says why an address is not on probation.
func (j *Judge) cannotTrust(now time.Time, account string, at netip.Addr) error {
	source := event.SourcePrefix(at)
	_, thief := j.Places.Thief([]byte(account), source)
	switch {
	case !j.exists(account):
		return noAccount(account)
	case !source.IsValid():
		return fmt.Errorf("%w: no address given", incident.ErrRefused)
	case j.lives(now, account, at):
		return fmt.Errorf("%w: %s is known for %s already%s", incident.ErrRefused, at, account, j.stillBlocked(now, at))
	case thief:
		return fmt.Errorf("%w: a break-in on %s came from %s: change the password with %s; if you have changed it by hand, %s says so%s", incident.ErrRefused, account, at, incident.AccountCommand("rotate", account), incident.AccountCommand("unlock", account), j.stillBlocked(now, at))
	}
	if list := j.words.probationWords(now, account); list != "" {
		return fmt.Errorf("%w: %s is not on probation for %s; on probation: %s", incident.ErrRefused, at, account, list)
	}
	return fmt.Errorf("%w: no address of %s is on probation, so there is nothing to trust; to let an address sign in whatever happens: %s", incident.ErrRefused, account, incident.Command("allow", "add", at.String()))
}

func noAccount(account string) error {
	return fmt.Errorf("%w: there is no extension %s in Asterisk", incident.ErrRefused, score.Printable(account))
}

// exists says whether Asterisk knows an account, or anybody has used it.
func (j *Judge) exists(account string) bool {
	a, listed := j.Calls.Named(account)
	return account != "" && (listed && a.Name == account || j.Places.Used(account))
}

// Compromise takes a person's word that a thief has an account's password: the playbook
// of a break-in is carried out, and bans the account's addresses on probation, and those of a
// break-in that nobody has dealt with. What was
// done within the hour is not done again; detail then says so. The error is an
// incident.ErrRefused.
func (j *Judge) Compromise(now time.Time, account string) (detail string, err error) {
	return j.treatAsStolen(now, account, j.intruders(now, account), "reported by a person: somebody else has the password")
}

// treatAsStolen has the playbook of a break-in carried out at a person's word. list are the
// addresses of those who use the account, as if they were on probation.
func (j *Judge) treatAsStolen(now time.Time, account string, list []places.Probation, reason string) (detail string, err error) {
	t := j.policy.breakInThreshold()
	switch {
	case !j.exists(account) || strings.HasPrefix(account, score.ManagerAccounts):
		return "", noAccount(account)
	case t == nil:
		return "", fmt.Errorf("%w: no [[threshold]] of an extension counts SuccessAfterFailures, so there is no playbook for a break-in: use %s and %s", incident.ErrRefused, incident.AccountCommand("hangup", account), incident.AccountCommand("rotate", account, "--expire"))
	}
	steps, v := j.reported(now, t, account, list, reason)
	for _, p := range list {
		j.Places.MarkThief([]byte(account), p.Source, now, true)
	}
	j.count(v)
	j.limitCosts(v, steps, decide.Facts{})
	if slices.ContainsFunc(steps, func(s incident.Step) bool { return s.Step.Takes() && s.State == incident.Intended }) {
		j.EndWaits(account)
	}
	if u := j.ongoing.ContainedBy(now, account); u != nil {
		return j.joinContained(u, v, steps, len(list) > 0), nil
	}
	j.openNew(v, nil, steps, incident.Enforce) // also during a pause or in mode observe: a person asked
	return "", nil
}

// reported plans what is done about a break-in that a person reports. Each address of the list
// is banned, as far as that cuts off nobody else.
func (j *Judge) reported(now time.Time, t *score.Threshold, account string, list []places.Probation, reason string) (steps []incident.Step, v *score.Verdict) {
	v = &score.Verdict{
		At: now, Key: score.Key{Per: score.PerAccount, Account: account}, Threshold: t, Score: t.Score,
		Reason: reason,
	}
	cause := func(p places.Probation) score.Record {
		r := score.Record{At: p.First, Signal: score.SuccessAfterFailures, Source: p.Source.Addr(), Account: account}
		if p.Proven {
			r.Proof = score.Proven
		}
		return r
	}
	playbook := j.policy.Playbooks[t.Playbook]
	if len(list) == 0 {
		v.Cause = score.Record{At: now, Signal: score.SuccessAfterFailures, Account: account}
		return decide.Plan(v, playbook, j.policy.Ladder, j.asked(v, netip.Prefix{})), v
	}
	for _, p := range list {
		v.Evidence = append(v.Evidence, cause(p))
	}
	var bans []incident.Step
	for i, p := range list {
		v.Cause, v.Proven = v.Evidence[i], p.Proven
		f := j.asked(v, p.Source)
		v.Proven = p.Proven && f.Protected == ""
		bans = append(bans, decide.Plan(v, []incident.StepKind{incident.StepBan}, j.policy.Ladder, f)...)
	}
	v.Cause = v.Evidence[0]
	steps = decide.Plan(v, playbook, j.policy.Ladder, j.asked(v, list[0].Source))
	if i := slices.IndexFunc(steps, func(s incident.Step) bool { return s.Step == incident.StepBan }); i >= 0 {
		steps = slices.Replace(steps, i, i+1, bans...)
	}
	return steps, v
}

// asked is what a plan must know that a person asked for: neither mode observe, nor a pause,
// nor the circuit breaker stops it.
func (j *Judge) asked(v *score.Verdict, target netip.Prefix) decide.Facts {
	f := j.facts(v, nil, target)
	if f.Banned != nil && f.Banned.Observed {
		f.Banned = nil
	}
	f.Offences, f.Repeats = j.Offences.Count(v.At, target), j.Repeats.Count(v.At, target)
	f.Observe, f.Paused, f.Stopped = false, false, ""
	return f
}
