package judge

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/tollwarden/tollwarden/responder/calls"
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
	held map[string]heldPlace
}

// heldPlace is one of them. again says that people heard of another address of the account
// this week: an owner on a journey calls the same countries from each.
type heldPlace struct {
	verdict *score.Verdict
	again   bool
}

// maxHeld bounds them. What does not fit is named by its incident alone.
const maxHeld = 256

func (p *newPlaces) hold(v *score.Verdict, again bool) {
	if p.held == nil {
		p.held = map[string]heldPlace{}
	}
	if len(p.held) < maxHeld {
		is := *v
		was, untold := p.held[v.Key.Account]
		p.held[v.Key.Account] = heldPlace{&is, again && (!untold || was.again)}
	}
}

// names is what a message says about the others, which are named by that.
func (p *newPlaces) names() string {
	if len(p.held) == 0 {
		return ""
	}
	var words []string
	for _, account := range slices.Sorted(maps.Keys(p.held)) {
		words = append(words, fmt.Sprintf("%s from %s", score.Printable(account), p.held[account].verdict.Cause.Source.Unmap()))
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
// that costs. If people heard of another address this week, the call must be one that the
// owner does not make: to a country that the account had never called, or one that costs for another reason.
func (j *Judge) tellHeld(now time.Time, s calls.Sign) {
	account := s.Account
	is, waits := j.newPlaces.held[account]
	if !waits || is.again && !s.NewCountry && strings.HasPrefix(s.Cost, "international") {
		return
	}
	v := is.verdict
	delete(j.newPlaces.held, account)
	v.At, v.Reason = now, v.Reason+"; and then it called "+s.Detail
	j.openNew(v, nil, decide.Plan(v, []incident.StepKind{incident.StepNotify}, j.policy.Ladder, j.facts(v, nil, decide.TargetOf(v))), j.modeOf(now))
}
