package report

import (
	"slices"
	"strings"

	"github.com/tollwarden/tollwarden/responder/incident"
	"github.com/tollwarden/tollwarden/responder/score"
)

// advice says what to do now, the most urgent first, with commands that work.
func (f *facts) advice() (next []string) {
	add := func(list ...string) { next = append(next, list...) }
	switch {
	case f.i.Shared():
		return []string{f.say("next.shared")}
	case f.paused:
		add(f.say("next.paused"))
	case f.observed:
		add(f.nextObserved()...)
	}
	add(f.nextOfSteps()...)
	if f.probation != "" {
		add(f.say("next.trust", "address", f.probation, "command", incident.AccountCommand("trust", f.i.Account, f.probation)),
			f.say("next.compromise", "command", incident.AccountCommand("compromise", f.i.Account)))
	}
	if f.callsGoOn() && !f.failed(incident.StepHangup) && !f.observed && f.i.Account != "" && !f.ofOrigin() && f.probation == "" {
		add(f.say("next.hangup", "command", incident.AccountCommand("hangup", f.i.Account)))
	}
	add(f.nextAboutCalls()...)
	if f.breakIn {
		add(f.say("next.how", "who", f.account))
	}
	add(f.nextIfOurs()...)
	if f.observed {
		add(f.say("next.observed"))
	}
	if len(next) == 0 {
		add(f.say("next.nothing"))
	}
	return next
}

// nextObserved is what Tollwarden would have done itself.
func (f *facts) nextObserved() (next []string) {
	if f.dangerous() && f.i.Account != "" && !f.ofOrigin() {
		next = append(next, f.say("next.observed-hangup", "command", incident.AccountCommand("hangup", f.i.Account)))
		if f.breakIn {
			next = append(next, f.say("next.observed-rotate", "command", incident.AccountCommand("rotate", f.i.Account, "--expire")))
		}
		if thief := f.thief(); thief != "" {
			next = append(next, f.say("next.observed-ban", "command", incident.Command("ban", thief)))
		}
	}
	return next
}

// nextOfSteps is what is left to do about each step: first where it failed, then the phones
// that need their new password.
func (f *facts) nextOfSteps() (next []string) {
	for n := range f.steps {
		if s := &f.steps[n]; s.notOver() {
			next = append(next, f.nextFailed(s)...)
		}
	}
	for n := range f.steps {
		s := &f.steps[n]
		switch {
		case s.State == incident.Done && s.kind == incident.StepRotate:
			next = append(next, f.nextPassword(s)...)
		case s.State == incident.Done && s.kind == incident.StepLock:
			next = append(next, f.say("next.locked", "who", s.target, "command", incident.AccountCommand("unlock", s.Target)))
		case s.instead() != "":
			next = append(next, f.say("next.behind", "address", s.target, "command", incident.Command("unban", s.Target)))
		case s.State == incident.Skipped && strings.HasPrefix(s.Detail, incident.WaitsForPerson):
			next = append(next, f.nextWaits(s)...)
		case s.Informs() && (s.State == incident.Failed || s.State == incident.Intended):
			next = append(next, f.nextFailed(s)...)
		}
	}
	return next
}

// lastSeen is what the detail of a rotation says before where its phones were.
const lastSeen = "its phones that need the new password were last seen at "

// nextPassword is how the new password reaches the phone.
func (f *facts) nextPassword(s *step) []string {
	phones := s.target
	if _, at, found := strings.Cut(s.Detail, lastSeen); found {
		phones = f.say("next.phones-at", "who", s.target, "addresses", plain(at))
	}
	key := "next.password"
	if strings.Contains(s.Detail, "Apply Config") {
		key = "next.password-freepbx"
	}
	return []string{f.say(key, "phones", phones, "command", incident.AccountCommand("secret", s.Target))}
}

// nextWaits says what to do about a step that waits for a person.
func (f *facts) nextWaits(s *step) []string {
	switch s.kind {
	case incident.StepRotate:
		return []string{f.say("next.waits-rotate", "who", s.target, "command", incident.AccountCommand("rotate", s.Target, "--expire"))}
	case incident.StepLock:
		return []string{f.say("next.waits-lock", "who", s.target, "command", incident.AccountCommand("lock", s.Target))}
	}
	return nil
}

// nextFailed is what to do about a step that did not succeed.
func (f *facts) nextFailed(s *step) []string {
	why := strings.TrimSuffix(plain(s.Detail), ".")
	one := func(key, command string) []string {
		return []string{f.say("next.failed-"+key, "target", s.target, "command", command, "why", why)}
	}
	switch s.kind {
	case incident.StepRotate:
		return one("rotate", incident.AccountCommand("rotate", s.Target, "--expire"))
	case incident.StepRestrict:
		return one("restrict", incident.AccountCommand("rotate", s.Target))
	case incident.StepHangup, incident.StepLock:
		return one(string(s.kind), incident.AccountCommand(string(s.kind), s.Target))
	case incident.StepHangupCall:
		if f.i.Account == "" || f.ofOrigin() {
			return one("hangup-channel", "`asterisk -rx "+incident.ShellWord("channel request hangup "+s.Target)+"`")
		}
		return one("hangup-call", incident.AccountCommand("hangup", f.i.Account))
	case incident.StepLimitCosts:
		if score.IsOrigin(s.Target) || s.Target == incident.Everybody {
			return one("limit-channels", "`asterisk -rx \"core show channels\"`")
		}
		return one("limit-costs", incident.AccountCommand("hangup", s.Target))
	case incident.StepRemoveRegistrations:
		if f.failed(incident.StepRotate) {
			return nil // which says how to do both
		}
		return one("registrations", incident.AccountCommand("rotate", s.Target, "--expire"))
	case incident.StepBan:
		return one("ban", incident.Command("status"))
	case incident.StepNotify, incident.StepExec:
		switch {
		case s.State == incident.Failed:
			return one(string(s.kind), "")
		case s.kind == incident.StepNotify && why != "":
			return one("notify-pending", "")
		}
	}
	return nil
}

// failed reports whether a step of that kind did not succeed.
func (f *facts) failed(kind incident.StepKind) bool {
	return slices.ContainsFunc(f.steps, func(s step) bool { return s.kind == kind && s.notOver() })
}

// nextAboutCalls is what to do about calls that were made.
func (f *facts) nextAboutCalls() (next []string) {
	add := func(key string, params ...any) { next = append(next, f.say(key, params...)) }
	if f.i.Bare {
		add("next.bare", "command", f.command())
	}
	if len(f.calls) > 0 && f.probation == "" {
		add("next.carrier")
	}
	if f.i.Key.Per == score.PerOrigin {
		next = append(next, f.nextOfOrigin()...)
	}
	if f.raised(score.CostlyForward) {
		add("next.forward", "who", f.person)
	}
	switch {
	case (f.spending() || f.raised(score.SharedNumber)) && f.i.Account != "" && !f.ofOrigin():
		add("next.whose-calls", "command", incident.AccountCommand("compromise", f.i.Account))
	case f.spending() || f.raised(score.SharedNumber):
		add("next.whose-calls-site")
	case f.i.Key.Per == score.PerSite:
		add("next.site")
	}
	return next
}

// nextOfOrigin says what to look for when no account set up the calls.
func (f *facts) nextOfOrigin() []string {
	find := "next.origin-pbx"
	if strings.HasPrefix(f.i.Account, score.TrunkOrigins) {
		find = "next.origin-trunk"
	}
	allow := "next.origin-allow"
	if slices.ContainsFunc(f.i.Steps, func(s incident.Step) bool { return s.Step == incident.StepLimitCosts && s.State == incident.Done }) {
		allow = "next.origin-limited"
	}
	return []string{f.say(find), f.say(allow, "command", incident.AccountCommand("unlock", f.i.Account), "name", plain(f.i.Account))}
}

// nextIfOurs is how blocked addresses are released, in one line however many there are.
func (f *facts) nextIfOurs() (next []string) {
	var blocked []step
	for _, s := range f.stepsDone(incident.StepBan) {
		if s.device() {
			next = append(next, f.say("next.device", "address", s.target, "command", incident.Command("unban", s.Target)))
		} else if !slices.ContainsFunc(blocked, func(b step) bool { return b.Target == s.Target }) { // a longer ban may follow a short one
			blocked = append(blocked, s)
		}
	}
	switch len(blocked) {
	case 0:
	case 1:
		s := blocked[0]
		next = append(next, f.say("next.if-ours", "address", s.target,
			"unban", incident.Command("unban", s.Target, "--forgive"), "allow", incident.Command("allow", "add", s.Target)))
	default:
		var releases []string
		for n, s := range blocked {
			if n == 3 {
				break
			}
			releases = append(releases, incident.Command("unban", s.Target, "--forgive"))
		}
		next = append(next, f.say("next.if-one-ours", "releases", strings.Join(releases, ", ")))
	}
	return next
}
