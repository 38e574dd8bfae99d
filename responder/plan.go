package responder

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/tollwarden/tollwarden/ami/event"
	"github.com/tollwarden/tollwarden/responder/score"
)

// facts is what plan must know of the world at the moment of a verdict.
type facts struct {
	target    netip.Prefix // what a ban would drop; the zero Prefix when no source is known
	full      bool         // no more claimed bans are accepted
	allowed   bool         // on the allow list
	protected string       // why the PBX itself trusts the source; "" when it does not
	banned    *Ban         // the ban that already covers the source
	offences  int          // of this source, still counting
	observe   bool
	deaf      bool           // nobody is there to be notified
	command   string         // what exec runs; "" when it can run nothing
	stale     *flow          // the one phone of an office that the verdict is about
	flows     bool           // single flows can be dropped
	channel   string         // the call that the verdict is about; "" when it is about none
	home      string         // why the account's own people are at the target; "" when they are not
	refuge    []netip.Prefix // what the account can be restricted to
	exposed   string         // why it is not; "" when it can be
}

// plan turns a verdict into the steps of its playbook. It is a pure function:
// what cannot be done is decided, and said, here; what remains intended is
// only to be carried out.
func plan(v *score.Verdict, playbook []StepKind, ladder Ladder, f facts) []Step {
	steps := make([]Step, 0, len(playbook))
	account := accountOf(v)
	for _, kind := range playbook {
		s := Step{Kind: kind, State: Intended}
		switch kind {
		case StepBan:
			s = planBan(v, ladder, f)
		case StepHangupCall:
			s.Target = f.channel
			s.skipUnless(f.channel != "", "it is not about a call")
		case StepHangup, StepRotate, StepExpireContacts, StepLock, StepRestrict:
			s.Target = account
			s.skipUnless(account != "", "no account is known")
			s.skipUnless(!strings.HasPrefix(account, score.ManagerAccounts), "an account of the manager interface: change its secret in manager.conf")
			if kind == StepRestrict {
				s.to = f.refuge
				s.skipUnless(f.exposed == "", f.exposed)
			}
		case StepNotify:
			s.Target = "operator"
			s.skipUnless(!f.deaf, "no receiver is configured: set notify.webhook, notify.mail or notify.syslog")
		case StepExec:
			s.Target = f.command
			s.skipUnless(f.command != "", "no command is configured: set exec.command")
		}
		if f.observe && s.State == Intended {
			s.State, s.Detail = Skipped, strings.TrimSpace("mode is observe: would "+describe(s, v.At))
		}
		steps = append(steps, s)
	}
	return steps
}

func planBan(v *score.Verdict, ladder Ladder, f facts) Step {
	s := Step{Kind: StepBan, State: Intended}
	if !f.target.IsValid() {
		s.skipUnless(false, "no source is known")
		return s
	}
	s.Target = PrefixString(f.target)
	if f.stale != nil {
		return planFlow(v.At, f, ladder)
	}
	s.skipUnless(!f.allowed, "on the allow list")
	s.skipUnless(f.home == "", f.home)
	s.skipUnless(f.protected == "" || v.Proven, "protected ("+f.protected+"), and the evidence can be forged")
	if f.banned != nil && !wider(v, f.banned) {
		s.skipUnless(false, "already banned "+untilString(*f.banned))
	}
	s.skipUnless(v.Proven || !f.full, "too many sources that may be forged are banned already")
	if s.State == Skipped {
		return s
	}
	s.ban = banFor(v, ladder, f)
	return s
}

// wider says whether the ban for a verdict drops more than the one in force.
func wider(v *score.Verdict, than *Ban) bool {
	return than.Claimed() && v.Proven || than.Scope == ScopeSIP && v.Cause.Transport > event.UDP
}

// banFor is the ban that a verdict brings. Proof decides: what forged packets
// can have brought about closes the SIP ports for a short time and is no
// offence; else the ladder says for how long nothing of the source gets through.
func banFor(v *score.Verdict, ladder Ladder, f facts) Ban {
	b := Ban{Prefix: f.target, Since: v.At, Reason: v.Reason, Origin: v.Threshold.Name, Observed: f.observe}
	if v.Proven {
		b.Offence = f.offences + 1
		b.Until, b.Scope = ladder.Until(v.At, b.Offence), ScopeAll
	} else {
		b.Until, b.Scope = v.At.Add(ladder.Claimed), ScopeSIP
		if v.Cause.Transport > event.UDP {
			b.Scope = ScopeBrief
		}
	}
	return b
}

func (s *Step) skipUnless(ok bool, why string) {
	if !ok && s.State == Intended {
		s.State, s.Detail = Skipped, why
	}
}

// idle says that a plan holds nothing but bans that are not needed: such a
// verdict is a source still arriving from the queues after its ban, and makes
// no incident of its own.
func idle(steps []Step, f facts) bool {
	for _, s := range steps {
		if s.Kind != StepBan && !s.tells() || s.ban.Prefix.IsValid() {
			return false
		}
	}
	return f.banned != nil
}

// tells says that a step changes nothing itself, and is for somebody outside.
func (s *Step) tells() bool { return s.Kind == StepNotify || s.Kind == StepExec }

// compromised says that a plan treats its account as a thief's.
func compromised(steps []Step) bool {
	return slices.ContainsFunc(steps, func(s Step) bool { return s.Kind == StepRotate || s.Kind == StepExpireContacts })
}

// accountOf is the account whose calls, secret and contacts a playbook acts on.
func accountOf(v *score.Verdict) string {
	if v.Key.Per == score.PerAccount {
		return v.Key.Account
	}
	return v.Cause.Account
}

// targetOf is the prefix that a ban of this verdict drops. A network is not
// dropped for what forged packets can have said of it: its last source is.
func targetOf(v *score.Verdict) netip.Prefix {
	if v.Key.Per == score.PerSource || v.Key.Per == score.PerNetwork && v.Proven {
		return v.Key.Prefix
	}
	if !v.Cause.Source.IsValid() {
		return netip.Prefix{}
	}
	return event.SourcePrefix(v.Cause.Source)
}

func describe(s Step, now time.Time) string {
	switch s.Kind {
	case StepBan:
		if s.flow.at.IsValid() {
			return fmt.Sprintf("drop the flow of %s %s, whose password is wrong", s.flow.phone, s.Target)
		}
		return fmt.Sprintf("ban %s %s", s.Target, untilString(s.ban))
	case StepLock:
		return "lock " + s.Target
	case StepRestrict:
		return "restrict " + s.Target + " to " + prefixWords(s.to)
	case StepHangupCall:
		return "hang up " + s.Target
	case StepHangup:
		return "hang up every call of " + s.Target
	case StepRotate:
		return "change the secret of " + s.Target
	case StepExpireContacts:
		return "throw out the registrations of " + s.Target
	case StepExec:
		return "run " + s.Target
	}
	return "notify"
}

func untilString(b Ban) string {
	scope := ""
	switch b.Scope {
	case ScopeSIP:
		scope = " (SIP over UDP only: the source may be forged)"
	case ScopeBrief:
		scope = " (a short time: the source may be made up)"
	}
	if b.Forever() {
		return "until released" + scope
	}
	return "until " + b.Until.UTC().Format("2006-01-02 15:04:05 MST") + scope
}

// PrefixString writes a prefix of one address as the address alone, as people
// know it.
func PrefixString(p netip.Prefix) string {
	if p.IsSingleIP() {
		return p.Addr().String()
	}
	return p.String()
}
