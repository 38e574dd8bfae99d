package main

import "github.com/tollwarden/tollwarden/responder/incident"

// stepNames say what each kind of step does, and stepsDone what it has done.
var (
	stepNames = map[incident.StepKind]string{
		incident.StepBan: "ban", incident.StepHangup: "ending calls", incident.StepHangupCall: "ending the call",
		incident.StepRotate: "password change", incident.StepLock: "lock", incident.StepRestrict: "limit to known networks",
		incident.StepLimitCosts: "limit of costs", incident.StepRemoveRegistrations: "removal of registrations",
		incident.StepNotify: "message", incident.StepExec: "command",
	}
	stepsDone = map[incident.StepKind]string{
		incident.StepBan: "banned", incident.StepHangup: "calls ended", incident.StepHangupCall: "call ended",
		incident.StepRotate: "password changed", incident.StepLock: "locked", incident.StepRestrict: "limited to its known networks",
		incident.StepLimitCosts: "costly calls ended", incident.StepRemoveRegistrations: "registrations removed",
		incident.StepNotify: "message sent", incident.StepExec: "command run",
	}
)

// stepName says what a kind of step does.
func stepName(kind incident.StepKind) string {
	if name := stepNames[kind]; name != "" {
		return name
	}
	return string(kind)
}

// stepOutcome says what became of a step, such as "password changed" or "ban failed".
func stepOutcome(kind incident.StepKind, state incident.State) string {
	if done := stepsDone[kind]; done != "" && state == incident.Done {
		return done
	}
	if state == incident.Intended {
		return stepName(kind) + " under way"
	}
	return stepName(kind) + " " + string(state)
}
