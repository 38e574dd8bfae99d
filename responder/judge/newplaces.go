package judge

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/tollwarden/tollwarden/responder/decide"
	"github.com/tollwarden/tollwarden/responder/incident"
	"github.com/tollwarden/tollwarden/responder/score"
)

// The owners' addresses change every day, and strangers guess at every account. So people
// get one message a day about new addresses. The others wait for the next one, or until
// the account calls where it costs from an address that is not known.

// newPlaces are the verdicts on new addresses that no message has named yet, by account.
// The zero value is ready to use. A restart forgets them.
type newPlaces struct {
	held map[string]*score.Verdict
}

// maxHeld bounds them. What does not fit is named by its incident alone.
const maxHeld = 256

func (p *newPlaces) hold(v *score.Verdict) {
	if p.held == nil {
		p.held = map[string]*score.Verdict{}
	}
	if len(p.held) < maxHeld {
		is := *v
		p.held[v.Key.Account] = &is
	}
}

// names is what a message says about the others, which are named by that.
func (p *newPlaces) names() string {
	if len(p.held) == 0 {
		return ""
	}
	var words []string
	for _, account := range slices.Sorted(maps.Keys(p.held)) {
		words = append(words, fmt.Sprintf("%s from %s", score.Printable(account), p.held[account].Cause.Source.Unmap()))
	}
	p.held = nil
	return "; on probation since the last message, too: " + strings.Join(words, ", ")
}

// untold are the steps of a plan without its message.
func untold(steps []incident.Step) []incident.Step {
	for i := range steps {
		if s := &steps[i]; s.Step == incident.StepNotify {
			s.SkipUnless(false, "people hear of new addresses once a day: the next message names this one")
		}
	}
	return steps
}

// tellHeld sends the message about an account's new address that waits, because of a call
// that costs.
func (j *Judge) tellHeld(now time.Time, account, number string) {
	v := j.newPlaces.held[account]
	if v == nil {
		return
	}
	delete(j.newPlaces.held, account)
	v.At, v.Reason = now, v.Reason+"; and then it called "+number
	j.openNew(v, nil, decide.Plan(v, []incident.StepKind{incident.StepNotify}, j.policy.Ladder, j.facts(v, nil, decide.TargetOf(v))), j.modeOf(now))
}
