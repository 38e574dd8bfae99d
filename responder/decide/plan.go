// Package decide turns a verdict into steps. It is pure: what it must know of
// the world comes in as Facts, and what cannot be done is decided, and said,
// here. What remains intended only has to be carried out.
package decide

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/tollwarden/tollwarden/ami/event"
	"github.com/tollwarden/tollwarden/responder/incident"
	"github.com/tollwarden/tollwarden/responder/score"
)

// Facts is what Plan must know of the world at the moment of a verdict.
type Facts struct {
	Target     netip.Prefix   // what a ban would drop; the zero Prefix when no address is known
	Full       bool           // no more bans on spoofable evidence are accepted
	Allowed    bool           // on the allow list
	Vital      string         // why the target is never banned; "" when it may be
	Carrier    bool           // it is Vital because Asterisk's configuration names it
	Protected  string         // why the PBX itself trusts the target; "" when it does not
	Banned     *incident.Ban  // the ban that already covers the target
	Offences   int            // of the target, still counting
	Repeats    int            // bans of the target on spoofable evidence, still counting
	Near       bool           // an account lives near the target
	Observe    bool           // mode observe, of the site or the threshold: decide and record, change nothing
	NoReceiver bool           // no receiver is configured
	Command    string         // what exec runs; "" when it can run nothing
	Sharing    int            // other accounts at the address and port of the last event, as behind a proxy
	Healthy    int            // accounts in use at the target's address that have nothing to do with the verdict
	Flow       *incident.Flow // what of the target is cut instead, since others are healthy
	AboutCall  bool           // the verdict is about calls
	DropsFlows bool           // single flows can be dropped
	Throttles  bool           // the target can be throttled instead of banned
	Closes     bool           // the target can be closed but for live registrations
	CloseFor   time.Duration  // for how long it is then
	Channel    string         // the call that the verdict is about; "" when it is about none
	Home       string         // why the account's own users are at the target; "" when they are not
	OneNumber  bool           // the calls of the verdict go to one number in several forms, dialled by hand
	Costly     bool           // the call that the verdict is about may cost more than one within the country
	Networks   []netip.Prefix // that the account can be limited to
	Unlimited  string         // why it cannot be; "" when it can
	Stopped    string         // why the account is not taken from its owner; "" when it is
	Paused     bool           // a person asked for a pause: decide and record, change nothing
	Travels    string         // why it is not, because its phones may travel; "" when they do not
}

// Plan gives the steps of a playbook for a verdict.
func Plan(v *score.Verdict, playbook []incident.StepKind, ladder Ladder, f Facts) []incident.Step {
	steps := make([]incident.Step, 0, len(playbook))
	for _, kind := range playbook {
		s := planStep(v, kind, ladder, f)
		if f.Stopped != "" && s.Detail == f.Stopped {
			s.Instead = slices.Contains(playbook, incident.StepHangup)
		}
		if f.Observe && s.State == incident.Intended && kind != incident.StepNotify {
			s.State, s.Detail = incident.Skipped, whyObserved(v)+": would "+describe(s, v.At)
			if v.Threshold.Observe {
				s.Ban = incident.Ban{} // others act: what is not in force must not stop them
			}
		}
		if f.Paused && s.State == incident.Intended && kind != incident.StepNotify {
			s = incident.Step{Step: kind, Target: s.Target, State: incident.Skipped, Detail: "paused: would " + describe(s, v.At)}
		}
		steps = append(steps, s)
	}
	return steps
}

// whyObserved says why nothing is done about a verdict in mode observe.
func whyObserved(v *score.Verdict) string {
	if v.Threshold.Observe {
		return incident.ObservedThreshold
	}
	return incident.ObservedMode
}

// Inform adds a message to a plan that has none.
func Inform(steps []incident.Step, f Facts) []incident.Step {
	if slices.ContainsFunc(steps, func(s incident.Step) bool { return s.Step == incident.StepNotify }) {
		return steps
	}
	return append(steps, planStep(nil, incident.StepNotify, Ladder{}, f))
}

func planStep(v *score.Verdict, kind incident.StepKind, ladder Ladder, f Facts) incident.Step {
	s := incident.Step{Step: kind, State: incident.Intended}
	switch kind {
	case incident.StepBan:
		return planBan(v, ladder, f)
	case incident.StepHangupCall:
		s.Target = f.Channel
		s.SkipUnless(f.Channel != "", "the incident is not about a single call")
	case incident.StepHangup, incident.StepRotate, incident.StepRemoveRegistrations, incident.StepLock, incident.StepRestrict, incident.StepLimitCosts:
		account := AccountOf(v)
		if kind == incident.StepLimitCosts && v.Cause.Signal == score.SiteSpendingHard {
			account = incident.Everybody
		}
		s.Target, s.Anywhere = account, v.Cause.Signal == score.SpendingHard || v.Cause.Signal == score.SiteSpendingHard
		s.SkipUnless(account != "", "no extension is known")
		s.SkipUnless(v.Key.Per != score.PerOrigin || kind == incident.StepLimitCosts, "no extension set up the calls")
		s.SkipUnless(!strings.HasPrefix(account, score.ManagerAccounts), "a user of the manager interface: change its secret in manager.conf")
		if kind == incident.StepRestrict {
			s.Networks = f.Networks
			s.Instead = s.State == incident.Intended && f.Travels != ""
			s.SkipUnless(f.Travels == "", f.Travels+": costly calls from unknown addresses are ended instead")
			s.SkipUnless(f.Unlimited == "", f.Unlimited)
		}
		s.SkipUnless(f.Stopped == "" || !kind.Takes(), f.Stopped)
		s.SkipUnless(!kind.Takes() || !hurried(v, f), hurriedAtHome)
		s.SkipUnless(!kind.Takes() || !redialled(v, f), redialledAtHome)
		s.SkipUnless(!kind.Takes() && kind != incident.StepHangup || !misdialled(v, f), misdialledAtHome)
	case incident.StepNotify:
		s.Target = "operator"
		s.SkipUnless(!f.NoReceiver, "no receiver is configured: set notify.webhook, notify.mail or notify.syslog")
		s.SkipUnless(f.Stopped == "", "one message names all extensions that wait for a person")
	case incident.StepExec:
		s.Target = f.Command
		s.SkipUnless(f.Command != "", "no command is configured: set exec.command")
	}
	return s
}

func planBan(v *score.Verdict, ladder Ladder, f Facts) incident.Step {
	s := incident.Step{Step: incident.StepBan, State: incident.Intended}
	if !f.Target.IsValid() {
		s.SkipUnless(false, "no address is known")
		return s
	}
	if f.Flow != nil {
		return planFlow(f, ladder)
	}
	s.Target = incident.PrefixText(f.Target)
	s.SkipUnless(!f.Allowed, incident.OnAllowList)
	s.SkipUnless(f.Vital == "", whyVital(v, ladder, f))
	s.SkipUnless(!proxied(f), whyProxied(v, ladder, f))
	s.SkipUnless(f.Home == "", f.Home)
	s.SkipUnless(f.Protected == "" || v.Proven, whyNotBanned(v, ladder, f))
	s.SkipUnless(f.Healthy == 0, whyShared(v, ladder, f))
	if f.Banned != nil && !wider(v, ladder, f) {
		already := "already banned "
		if f.Banned.Observed {
			already = "mode is observe: it would be banned already, "
		}
		s.SkipUnless(false, already+f.Banned.UntilText())
	}
	s.SkipUnless(v.Proven || !f.Full, "too many addresses that may be spoofed are banned already")
	if s.State == incident.Skipped {
		s.Instead = widening(v, f) != NotWidened && !f.Carrier // whose owner must hear of it
		return s
	}
	s.Ban = BanFor(v, ladder, f)
	return s
}

// ProxyPhones is how many other accounts at one address and port make it a proxy's: more
// than the lines of one phone.
const ProxyPhones = 4

// proxied says whether a verdict is about a proxy. Whatever is dropped there, all the
// phones behind it lose.
func proxied(f Facts) bool { return f.Sharing >= ProxyPhones }

func whyProxied(v *score.Verdict, ladder Ladder, f Facts) string {
	return fmt.Sprintf("%d other extensions use the same address and port, as behind a SIP proxy or SBC: a ban would cut them off%s", f.Sharing, widenedWords(v, ladder, f))
}

// whyNotBanned says why a protected address is not banned on evidence that can be
// spoofed, and what is done instead.
func whyNotBanned(v *score.Verdict, ladder Ladder, f Facts) string {
	return incident.Protected + f.Protected + "), and the evidence can be spoofed" + widenedWords(v, ladder, f)
}

// planFlow takes the place of a ban where others live at the address.
func planFlow(f Facts, ladder Ladder) incident.Step {
	s := incident.Step{Step: incident.StepBan, Target: f.Flow.At.String(), State: incident.Intended, Flow: *f.Flow}
	s.Flow.For = ladder.Brief()
	s.SkipUnless(!f.Allowed, incident.OnAllowList)
	s.SkipUnless(f.DropsFlows || f.Observe, f.Flow.About+"; nothing is dropped, since others use this address and the kernel cannot drop single flows")
	return s
}

// OnlyFlow says that a plan cuts a flow and otherwise only informs people.
func OnlyFlow(steps []incident.Step) bool {
	for _, s := range steps {
		if !s.Informs() && !s.Flow.At.IsValid() {
			return false
		}
	}
	return true
}

// wider says whether the ban for a verdict drops more than the one in force. Somebody
// whose guesses brought a first ban may have the right password when it takes effect.
// More guesses do not make that ban wider: they were in Asterisk's queues.
func wider(v *score.Verdict, ladder Ladder, f Facts) bool {
	than := f.Banned
	switch {
	case than.Spoofable() && v.Proven, than.Scope == incident.ScopeSIP && v.Cause.Transport.Connected():
		return true
	}
	return v.Proven && usesPassword(v) && ladder.Scope(rungFor(v, f.Offences+1)).Wider(than.Scope)
}

// usesPassword says whether a verdict is about somebody who uses an account, and so has
// its password.
func usesPassword(v *score.Verdict) bool {
	s := v.Cause.Signal
	used := s == score.SuccessfulAuth || s == score.SuccessAfterFailures || s >= score.CallRate && s != score.AnonymousCall
	return used && v.Key.Per == score.PerAccount
}

// rungFor is the rung of the ladder for an offence. Who has the right password is no
// administrator who mistyped: his first ban is like a guesser's second.
func rungFor(v *score.Verdict, offence int) int {
	if usesPassword(v) {
		return max(offence, 2)
	}
	return offence
}

// BanFor is the ban that a verdict brings. Proof decides: what spoofed packets
// can have brought about closes the ports for SIP and IAX2 over UDP and is no
// offence; otherwise the ladder says what is dropped and for how long.
//
// A ban on spoofable evidence climbs a ladder of its own, but only where nobody
// lives: near an account it stays at the first rung, as does a brief ban, which
// drops everything.
func BanFor(v *score.Verdict, ladder Ladder, f Facts) incident.Ban {
	b := incident.Ban{Prefix: f.Target, Since: v.At, Reason: v.Reason, Origin: v.Threshold.Name, Observed: f.Observe}
	switch {
	case v.Proven:
		b.Offence = f.Offences + 1
		rung := rungFor(v, b.Offence)
		b.Until, b.Scope = ladder.Until(v.At, rung), ladder.Scope(rung)
		if f.Banned != nil && f.Banned.Prefix == b.Prefix && later(f.Banned.Until, b.Until) {
			b.Until = f.Banned.Until // proof does not shorten what is in force: an operator's ban, or a long one on spoofable evidence
		}
	case v.Cause.Transport.Connected():
		b.Until, b.Scope = v.At.Add(ladder.Brief()), incident.ScopeBrief
	default:
		b.Repeat, b.Scope = f.Repeats+1, incident.ScopeSIP
		rung := b.Repeat
		if f.Near {
			rung = 1
		}
		b.Until = ladder.SpoofableUntil(v.At, rung, b.Network())
	}
	return b
}

// later says whether the end of a ban is later than another one; zero is never.
func later(a, b time.Time) bool { return !b.IsZero() && (a.IsZero() || a.After(b)) }

// NothingNew says that a plan holds nothing but bans that are in force already:
// such a verdict comes from packets that were in Asterisk's queues when the drop
// took effect, and makes no incident of its own.
func NothingNew(steps []incident.Step, f Facts) bool {
	for _, s := range steps {
		cuts := s.Ban.Prefix.IsValid() || s.Flow.At.IsValid() && s.State == incident.Intended
		if s.Step != incident.StepBan && !s.Informs() || cuts {
			return false
		}
	}
	return f.Banned != nil
}

// OnlyInforms says that a plan changes nothing: all that is left of it is to
// inform people.
func OnlyInforms(steps []incident.Step) bool {
	for _, s := range steps {
		if !s.Informs() && (s.State == incident.Intended || s.Ban.Prefix.IsValid()) {
			return false
		}
	}
	return true
}

// Compromised says that a plan treats its account as a thief's.
func Compromised(steps []incident.Step) bool {
	return slices.ContainsFunc(steps, func(s incident.Step) bool {
		return (s.Step == incident.StepRotate || s.Step == incident.StepRemoveRegistrations) && s.Detail != hurriedAtHome && s.Detail != redialledAtHome && s.Detail != misdialledAtHome
	})
}

// SameOffence says whether a verdict is the proof of what a ban on spoofable
// evidence was for.
func SameOffence(v *score.Verdict, f Facts) bool {
	return (v.Key.Per == score.PerSource || v.Key.Per == score.PerNetwork) && v.Proven && f.Banned != nil && f.Banned.Spoofable() &&
		f.Banned.Prefix == f.Target && f.Banned.Origin == v.Threshold.Name
}

// AccountOf is the account whose calls, secret and registrations a playbook acts
// on, or the origin whose calls it acts on; "" for a verdict about the whole site.
func AccountOf(v *score.Verdict) string {
	switch v.Key.Per {
	case score.PerAccount, score.PerOrigin:
		return v.Key.Account
	case score.PerSite:
		return ""
	}
	return v.Cause.Account
}

// TargetOf is the prefix that a ban of this verdict drops. A network is not
// dropped on evidence that spoofed packets can have made: its last address is.
func TargetOf(v *score.Verdict) netip.Prefix {
	if v.Key.Per == score.PerSource || v.Key.Per == score.PerNetwork && v.Proven {
		return v.Key.Prefix
	}
	if !v.Cause.Source.IsValid() {
		return netip.Prefix{}
	}
	return event.SourcePrefix(v.Cause.Source)
}

// describe says what a step would do.
func describe(s incident.Step, now time.Time) string {
	switch s.Step {
	case incident.StepBan:
		if s.Flow.At.IsValid() {
			return fmt.Sprintf("drop the %s %s: %s", s.Flow.Kind(), s.Target, s.Flow.About)
		}
		return fmt.Sprintf("ban %s %s", s.Target, s.Ban.UntilText())
	case incident.StepLock:
		return "lock " + s.Target
	case incident.StepRestrict:
		return "restrict " + s.Target + " to " + incident.PrefixesText(s.Networks)
	case incident.StepLimitCosts:
		if score.IsOrigin(s.Target) {
			return "end the costly calls of " + score.OriginWords(s.Target)
		}
		if s.Anywhere {
			return "end costly calls of " + s.Target
		}
		return "end costly calls of " + s.Target + " from unknown addresses"
	case incident.StepHangupCall:
		return "hang up " + s.Target
	case incident.StepHangup:
		return "hang up every call of " + s.Target
	case incident.StepRotate:
		return "change the secret of " + s.Target
	case incident.StepRemoveRegistrations:
		return "remove the registrations of " + s.Target
	case incident.StepExec:
		return "run " + s.Target
	}
	return "notify"
}
