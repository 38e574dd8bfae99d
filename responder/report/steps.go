package report

import (
	"fmt"
	"net/netip"
	"strings"
	"time"

	"github.com/tollwarden/tollwarden/responder/incident"
	"github.com/tollwarden/tollwarden/responder/score"
)

func (t *builder) steps() {
	for n, s := range t.i.Steps {
		step := Step{kind: s.Step, raw: s.Target, What: stepWords(s.Step), Target: Plain(s.Target), State: string(s.State), Detail: Plain(s.Detail)}
		if took, err := time.ParseDuration(s.Took.String()); err == nil && s.State != incident.Skipped {
			step.At, step.took = t.i.Started(n).Add(took).In(t.loc), took
		}
		step.whose = step.Target
		if s.Target == t.i.Account {
			step.whose = t.person
		}
		switch {
		case step.device():
			step.What = "block one device"
		case score.IsOrigin(s.Target):
			step.What = "end costly calls"
		}
		if s.Step == incident.StepLimitCosts && t.spending() {
			step.What = "end costly calls"
		}
		t.r.Steps = append(t.r.Steps, step)
	}
}

// device says whether the step blocks the flow of one device, not its IP address.
func (s Step) device() bool {
	_, err := netip.ParseAddrPort(s.Target)
	return s.kind == incident.StepBan && err == nil
}

// instead is what was done about an address in place of a ban; "" if nothing was.
func (s Step) instead() string {
	if s.kind != incident.StepBan || s.State != string(incident.Skipped) {
		return ""
	}
	return incident.Instead(s.Detail)
}

// stepWords says what a step does to someone who does not know its name.
func stepWords(step incident.StepKind) string {
	switch step {
	case incident.StepBan:
		return "block the IP address"
	case incident.StepHangup:
		return "end the account's calls"
	case incident.StepHangupCall:
		return "end the call"
	case incident.StepRotate:
		return "change the account's password"
	case incident.StepRemoveRegistrations:
		return "remove the account's registrations"
	case incident.StepLock:
		return "block all calls of the account"
	case incident.StepRestrict:
		return "limit the account to its known networks"
	case incident.StepLimitCosts:
		return "end costly calls from unknown addresses"
	case incident.StepNotify:
		return "notify the operator"
	case incident.StepExec:
		return "run the operator's command"
	}
	return string(step)
}

// doneWords says what a step that succeeded has done to its target.
func doneWords(step incident.StepKind, target string) string {
	switch step {
	case incident.StepBan:
		return "Blocked " + target
	case incident.StepHangup:
		return "Ended the calls of " + target
	case incident.StepHangupCall:
		return "Ended the call " + target
	case incident.StepRotate:
		return "Changed the password of " + target
	case incident.StepRemoveRegistrations:
		return "Removed the registrations of " + target
	case incident.StepLock:
		return "Blocked all calls of " + target
	case incident.StepRestrict:
		return "Limited " + target + " to its known networks"
	case incident.StepLimitCosts:
		return "Limited the costs of " + target
	case incident.StepNotify:
		return "Notified the operator"
	case incident.StepExec:
		return "Ran the operator's command " + target
	}
	return string(step) + " " + target
}

// happened says in one sentence what came of a step.
func (s Step) happened() string {
	words, sep := "Failed to "+s.task(), ": "
	if s.State == string(incident.Done) {
		if why, over := strings.CutPrefix(s.Detail, incident.NoLonger); over {
			return fmt.Sprintf("Costly calls of %s from unknown addresses were ended for a time; they no longer are: %s.", s.Target, strings.TrimSuffix(why, "."))
		}
		words = doneWords(s.kind, s.Target)
		if s.kind == incident.StepBan {
			sep = ", " // until when
			if until, rest, only := strings.Cut(s.Detail, incident.AsteriskOnly); only {
				return "Asterisk's ports are closed for " + s.Target + ", " + until + "; SSH and everything else stays open" + strings.TrimSuffix(rest, ".") + "."
			}
		}
	}
	return strings.TrimSuffix(words+sep+strings.TrimSuffix(s.Detail, "."), sep) + "."
}

// task says what a step does, and to which target.
func (s Step) task() string {
	if s.kind == incident.StepNotify {
		return s.What // its target is always the operator
	}
	return s.What + " (" + s.Target + ")"
}

// crossed is when the threshold of the incident was crossed: with its gravest steps, if
// it has joined an incident that had begun with less.
func (t *builder) crossed() time.Time {
	at, gravest := t.i.At, 0
	for n, s := range t.i.Steps {
		if g := gravity[s.Step]; g > gravest {
			at, gravest = t.i.Started(n), g
		}
	}
	return at
}

// gravity orders the steps by what they mean for the account.
var gravity = map[incident.StepKind]int{
	incident.StepBan: 1, incident.StepRestrict: 1, incident.StepLimitCosts: 2, incident.StepHangupCall: 3,
	incident.StepHangup: 4, incident.StepRotate: 4, incident.StepRemoveRegistrations: 4, incident.StepLock: 4,
}
