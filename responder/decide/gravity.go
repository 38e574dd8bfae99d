package decide

import "github.com/tollwarden/tollwarden/responder/incident"

// Gravity is what an incident means to its reader. A second message about an incident is
// worth sending only if it has become graver.
type Gravity int

// The gravities, in their order.
const (
	Noticed    Gravity = iota // people are informed
	KeptOut                   // an address is blocked, or an account restricted
	Limited                   // costly calls are ended, until a person decides
	CallEnded                 // single calls are ended
	Compromise                // an account is treated as a thief's
)

// GravityOf is the gravity of a plan: what its playbook asks for, whatever comes of it.
func GravityOf(steps []incident.Step) (g Gravity) {
	for _, s := range steps {
		switch s.Step {
		case incident.StepBan, incident.StepRestrict:
			g = max(g, KeptOut)
		case incident.StepLimitCosts:
			g = max(g, Limited)
		case incident.StepHangupCall:
			g = max(g, CallEnded)
		case incident.StepHangup, incident.StepRotate, incident.StepRemoveRegistrations, incident.StepLock:
			g = max(g, Compromise)
		}
	}
	return g
}

// NewSteps are those steps of a plan that an incident under way does not have yet. A step
// that is still under way is not begun again, nor are messages sent again; resend sends
// them all the same. A limit of costs lasts, so that one that is done is not done again. What is done in place of a ban is new unless the incident says it
// already: an address can be throttled first and closed later.
func NewSteps(has, plan []incident.Step, resend bool) (list []incident.Step) {
	for _, s := range plan {
		if !known(has, &s, resend) {
			list = append(list, s)
		}
	}
	return list
}

func known(has []incident.Step, s *incident.Step, resend bool) bool {
	if s.Ban.Prefix.IsValid() {
		return false // the plan leaves out what is banned already
	}
	for i := range has {
		h := &has[i]
		if h.Step != s.Step || h.Target != s.Target {
			continue
		}
		switch {
		case s.State == incident.Skipped && s.Step == incident.StepBan && s.Instead:
			if h.Detail == s.Detail {
				return true
			}
		case s.State == incident.Skipped:
			return true
		case s.Informs():
			return !resend
		case h.State == incident.Intended, s.Step == incident.StepLimitCosts && h.State == incident.Done:
			return true
		}
	}
	return false
}
