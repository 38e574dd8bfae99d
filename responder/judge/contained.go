package judge

import (
	"fmt"
	"slices"
	"time"

	"github.com/tollwarden/tollwarden/responder/decide"
	"github.com/tollwarden/tollwarden/responder/incident"
	"github.com/tollwarden/tollwarden/responder/score"
)

// What a person reports about an account that was treated as a thief's within the hour joins
// the incident about that: a second password would only be one more to enter.

const (
	containedFor = time.Hour
	maxContained = 4096
)

// contain remembers that an incident treats its account as a thief's.
func (j *Judge) contain(u *underWay, at time.Time) {
	i := u.incident
	if u.gravity < decide.Compromise || i.Mode != incident.Enforce || i.Account == "" {
		return
	}
	if _, known := j.contained[i.Account]; !known && len(j.contained) >= maxContained {
		return
	}
	if j.contained == nil {
		j.contained = map[string]*underWay{}
	}
	j.contained[i.Account], u.contained = u, at
}

// containedBy is the incident that has treated an account as a thief's within the hour; nil
// if there is none.
func (j *Judge) containedBy(now time.Time, account string) *underWay {
	u := j.contained[account]
	if u == nil || now.Sub(u.contained) >= containedFor || u.incident.Account != account {
		return nil
	}
	return u
}

// joinContained adds the steps that an incident lacks, or all of them if the account is used
// from a new address again, and says in words what is done.
func (j *Judge) joinContained(u *underWay, v *score.Verdict, plan []incident.Step, again bool) (detail string) {
	i := u.incident
	missing := slices.DeleteFunc(plan, func(s incident.Step) bool {
		return s.Informs() || s.State == incident.Skipped || !again && slices.ContainsFunc(i.Steps, func(has incident.Step) bool {
			return has.Step == s.Step && has.Target == s.Target && (has.State == incident.Done || has.State == incident.Intended)
		})
	})
	since := incident.TimeText(u.contained)
	detail = fmt.Sprintf("this joins incident %d, which treats %s as a thief's since %s", i.ID, v.Key.Account, since)
	if len(missing) == 0 {
		return detail + fmt.Sprintf(": nothing is done again; %s changes the password once more, %s ends new calls", incident.AccountCommand("rotate", v.Key.Account, "--expire"), incident.AccountCommand("hangup", v.Key.Account))
	}
	if len(i.Steps) >= maxSteps {
		j.openNew(v, nil, missing, incident.Enforce)
		return ""
	}
	j.join(u, v, nil, missing)
	return detail + ": what is missing is being done"
}

func (j *Judge) pruneContained(now time.Time) {
	for account, u := range j.contained {
		if now.Sub(u.contained) >= containedFor {
			delete(j.contained, account)
		}
	}
}
