package report

import (
	"fmt"
	"slices"
	"strings"

	"github.com/tollwarden/tollwarden/responder/incident"
	"github.com/tollwarden/tollwarden/responder/score"
)

// next says what the administrator should do now.
func (t *builder) next() {
	next := func(format string, args ...any) { t.r.Next = append(t.r.Next, fmt.Sprintf(format, args...)) }
	if t.i.Mode == incident.Paused {
		next("Tollwarden was paused for maintenance, so it changed nothing. `tollwarden resume` ends the pause; the steps say what it would have done, and it does so when the attack goes on.")
	} else if t.r.Observed {
		next("Tollwarden runs in mode observe, so it changed nothing. Set mode = \"enforce\" when you trust it.")
	}
	steps := t.r.Steps
	if t.i.Shared() {
		next(sharedAdvice)
		steps = nil
	}
	for _, s := range steps {
		if advice := s.advice(t.i.Account); advice != "" {
			next("%s", advice)
		}
	}
	address, probation := t.onProbation()
	if probation {
		t.r.Next = append(t.r.Next, t.decide(address)...)
	}
	if len(t.r.Calls) > 0 && !probation {
		next("Report the calls listed here to your carrier, with their times and numbers. Ask not to be charged for them and to have these destinations blocked. Do it soon: carriers set short deadlines.")
	}
	if t.i.Key.Per == score.PerOrigin {
		t.nextOfOrigin(next)
	}
	if t.breakIn() {
		next("Find out how the attacker got the password: was it short, the same as the number, in a provisioning file, or used elsewhere? Check call forwarding and voicemail of %s.", t.account)
	}
	if t.raised(score.CostlyForward) {
		next("Ask %s about the forward. If nobody of yours set it, remove it (`asterisk -rx \"database show\"` lists it under CF, CFB or CFU) and find out who could: whoever has the extension's password, UCP or the web interface.", t.account)
	}
	if t.spending() || t.raised(score.SharedNumber) {
		next("Ask who made these calls: `tollwarden spending` shows what was used. If nobody of yours did, a thief uses the account, a call forward or a web page of the PBX: %s.", t.ifStolen())
	} else if t.i.Key.Per == score.PerSite && !t.i.Shared() {
		next("Each address is blocked at its next guess, or when it has tried several accounts; `tollwarden incidents` lists them. Make sure that no account has a short or common password.")
	}
	if t.i.Bare {
		next("See which calls were made: `tollwarden incident %d`. Report them to your carrier soon: carriers set short deadlines.", t.i.ID)
		return
	}
	next("Keep this report with its annex and note the SHA-256 elsewhere: it proves later that the annex was not changed.")
}

// nextOfOrigin says what to look for when no account set up the calls.
func (t *builder) nextOfOrigin(next func(format string, args ...any)) {
	if strings.HasPrefix(t.i.Account, score.TrunkOrigins) {
		next("Find out what forwards callers from outside: a forwarded extension (`asterisk -rx \"database show\"`), DISA, a voicemail box that may dial, a queue or follow-me.")
	} else {
		next("Find out what makes the PBX dial: a program with a login in manager.conf, a web interface that somebody broke into, a file in /var/spool/asterisk/outgoing.")
	}
	limited := slices.ContainsFunc(t.i.Steps, func(s incident.Step) bool { return s.Step == incident.StepLimitCosts && s.State == incident.Done })
	if limited {
		next("If these calls are yours, let them through again: %s, and give %q a [[calls.group]] with limits of its own.", incident.AccountCommand("unlock", t.i.Account), Plain(t.i.Account))
		return
	}
	next("If such calls are yours, give %q a [[calls.group]] with a list of its own in deny.", Plain(t.i.Account))
}

// advice says what is left to do after a step; "" is nothing. account is the
// incident's.
func (s Step) advice(account string) string {
	switch incident.State(s.State) {
	case incident.Done:
		return s.adviceDone()
	case incident.Failed, incident.Intended:
		return s.adviceFailed(account)
	}
	if s.instead() != "" {
		return fmt.Sprintf("Find what guesses behind %s: phones there may have trouble signing in until it stops. %s lifts what was done about the address.",
			s.Target, incident.Command("unban", s.raw))
	}
	return s.adviceWaits()
}

// adviceWaits says what to do about a step that waits for a person.
func (s Step) adviceWaits() string {
	switch {
	case !strings.HasPrefix(s.Detail, incident.WaitsForPerson):
		return ""
	case s.kind == incident.StepRotate:
		return fmt.Sprintf("Change the password of %s: %s, or those of all extensions that wait: `tollwarden resume --waiting`.", s.Target, incident.AccountCommand("rotate", s.raw, "--expire"))
	case s.kind == incident.StepLock:
		return fmt.Sprintf("Lock %s if it is not in use: %s.", s.Target, incident.AccountCommand("lock", s.raw))
	}
	return ""
}

func (s Step) adviceDone() string {
	switch s.kind {
	case incident.StepRotate:
		return fmt.Sprintf("Give the phones of %s their new password (%s). Until then they cannot register.", s.whose, s.Detail)
	case incident.StepBan:
		if s.device() {
			return fmt.Sprintf("Find the device at %s, and correct its password or stop it. %s then lets it through at once.",
				s.Target, incident.Command("unban", s.raw))
		}
		return fmt.Sprintf("If %s is yours, release it with %s, and run %s so that it is not blocked again.",
			s.Target, incident.Command("unban", s.raw, "--forgive"), incident.Command("allow", "add", s.raw))
	}
	return ""
}

// adviceFailed is what to do about a step that did not succeed. account is the
// incident's, "" if none is known, as for a call without a login.
func (s Step) adviceFailed(account string) string {
	failed := s.State == string(incident.Failed)
	switch s.kind {
	case incident.StepRotate:
		return fmt.Sprintf("Change the password of %s now: %s.", s.Target, incident.AccountCommand("rotate", s.raw))
	case incident.StepHangup:
		return fmt.Sprintf("Make sure that %s has no calls: %s.", s.Target, incident.AccountCommand("hangup", s.raw))
	case incident.StepHangupCall:
		if account == "" || score.IsOrigin(account) {
			return fmt.Sprintf("Make sure that the call has ended: `asterisk -rx %s` ends it.", incident.ShellWord("channel request hangup "+s.raw))
		}
		return fmt.Sprintf("Make sure that the call %s has ended: %s ends it and the other calls of its account.", s.Target, incident.AccountCommand("hangup", account))
	case incident.StepLock:
		return fmt.Sprintf("Make sure that %s cannot make calls: %s says what prevents the lock.", s.Target, incident.AccountCommand("lock", s.raw))
	case incident.StepLimitCosts:
		if score.IsOrigin(s.raw) {
			return "Make sure that no such calls are up: `asterisk -rx \"core show channels\"` lists all."
		}
		return fmt.Sprintf("Make sure that %s makes no costly calls: %s.", s.Target, incident.AccountCommand("hangup", s.raw))
	case incident.StepRestrict:
		return fmt.Sprintf("The password of %s can still be guessed from anywhere: make sure that it is a long one, or change it: %s.", s.Target, incident.AccountCommand("rotate", s.raw))
	case incident.StepRemoveRegistrations:
		return fmt.Sprintf("Make sure that no unknown device is registered as %s: remove its contact in Asterisk, or restart Asterisk.", s.Target)
	case incident.StepBan:
		return fmt.Sprintf("The kernel does not block %s: `tollwarden status` says why.", s.Target)
	case incident.StepNotify:
		if failed {
			return fmt.Sprintf("Nobody was notified: %s.", s.Detail)
		}
		if s.Detail != "" {
			return fmt.Sprintf("Some notifications are still pending: %s.", s.Detail)
		}
	case incident.StepExec:
		if failed {
			return fmt.Sprintf("The operator's command failed: %s.", s.Detail)
		}
	}
	return ""
}

// ifStolen says what to do if an account of an incident about costs was stolen.
func (t *builder) ifStolen() string {
	if t.i.Account == "" {
		return "check call forwarding, and the accounts named above"
	}
	return incident.AccountCommand("compromise", t.i.Account) + " says so, and check its call forwarding"
}
