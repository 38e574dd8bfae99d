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

// Owners' addresses change every day, and attackers guess at every account. So people get one
// message a day about new addresses. The others wait for the next message, or until the
// account makes a costly call from an unknown address.

// newPlaces are the verdicts on new addresses that no message has named yet, by account.
// The zero value is ready to use. A restart forgets them.
type newPlaces struct {
	held map[string]heldPlace
}

// heldPlace is one of them. again says that a message this week named another address of the
// account: an owner who travels calls the same countries from each.
type heldPlace struct {
	verdict *score.Verdict
	again   bool
}

// maxHeld bounds them. Those beyond it are named only by their incidents.
const maxHeld = 256

// hold keeps a verdict for the next message.
func (p *newPlaces) hold(v *score.Verdict, again bool) {
	if p.held == nil {
		p.held = map[string]heldPlace{}
	}
	if len(p.held) < maxHeld {
		is := *v
		was, held := p.held[v.Key.Account]
		p.held[v.Key.Account] = heldPlace{&is, again && (!held || was.again)}
	}
}

// names is what a message adds about those held, which no longer wait then.
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

// withoutMessage are the steps of a plan with notify skipped.
func withoutMessage(steps []incident.Step) []incident.Step {
	for i := range steps {
		if s := &steps[i]; s.Step == incident.StepNotify {
			s.SkipUnless(false, "people hear of new addresses once a day: the next message names this one")
		}
	}
	return steps
}

// notifyHeld sends the message about an account's new address that waits, because of a costly
// call. If a message named another address this week, the call must be one that the owner does
// not make: to a country that the account had never called, or costly for another reason.
func (j *Judge) notifyHeld(now time.Time, s calls.Sign) {
	account := s.Account
	is, waits := j.newPlaces.held[account]
	if !waits || is.again && !s.NewCountry && strings.HasPrefix(s.Cost, "international") {
		return
	}
	v := is.verdict
	delete(j.newPlaces.held, account)
	v.At, v.Reason = now, v.Reason+"; and then it called "+s.Detail
	j.openNew(v, nil, decide.Plan(v, []incident.StepKind{incident.StepNotify}, j.policy.Ladder, j.facts(v, nil, decide.TargetOf(v))), j.modeOf(v))
}
