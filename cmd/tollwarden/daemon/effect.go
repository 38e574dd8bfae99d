package daemon

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/tollwarden/tollwarden/responder"
	"github.com/tollwarden/tollwarden/responder/bans"
	"github.com/tollwarden/tollwarden/responder/control"
	"github.com/tollwarden/tollwarden/responder/decide"
	"github.com/tollwarden/tollwarden/responder/incident"
)

const (
	// maxNamed is how many bans or attacks a check names.
	maxNamed = 5
	// checkEffectName and checkAttacksName are what the checks below are called.
	checkEffectName, checkAttacksName = "effect", "attacks"
)

// wayOut says what to look at if a ban has no effect.
const wayOut = "Packets reach Asterisk that this machine's kernel does not see as coming from there. " +
	"If Asterisk runs in a container or a virtual machine with a network of its own, or if a proxy or SBC (kamailio, Docker's userland proxy) is in front of it, " +
	"run Tollwarden where the packets arrive first, or block the address there. " +
	"Otherwise check that firewall.sip_ports and sip_tcp_ports have every port of Asterisk's, and look for a program that changes the table: `nft list ruleset`."

// checkEffect fails while there are bans whose addresses still get through.
func checkEffect(_ time.Time, senses responder.Senses) control.Check {
	c := control.Check{Name: checkEffectName}
	if len(senses.Ineffective) == 0 {
		c.OK, c.Detail = true, "no blocked address gets through"
		return c
	}
	c.Detail = list(senses.Ineffective, ineffectiveText) + ". " + wayOut
	return c
}

func ineffectiveText(b bans.IneffectiveBan) string {
	of := ""
	if b.Ban.Incident != 0 {
		of = fmt.Sprintf(" (incident %d)", b.Ban.Incident)
	}
	return fmt.Sprintf("the ban of %s%s has had no effect since %s: %s", incident.PrefixText(b.Ban.Prefix), of, b.Since.UTC().Format(time.RFC3339), b.String())
}

// checkAttacks fails while an attack goes on and nothing is done about it.
func checkAttacks(_ time.Time, senses responder.Senses) control.Check {
	c := control.Check{Name: checkAttacksName}
	if len(senses.Unstopped) == 0 {
		c.OK, c.Detail = true, "no attack goes on unhindered"
		return c
	}
	c.Detail = list(senses.Unstopped, attackText)
	return c
}

func attackText(a decide.Attack) string {
	return fmt.Sprintf("%s by %s has gone on since %s (crossed %s, last at %s): %s. What to do: %s", a.Threshold, a.Key.Words(),
		a.Since.UTC().Format(time.RFC3339), incident.Count(a.Crossed, "time"), a.Last.UTC().Format("15:04:05 MST"), a.Reason, a.Advice)
}

// list puts the first few into words.
func list[T any](all []T, text func(T) string) string {
	var words []string
	for _, x := range all[:min(len(all), maxNamed)] {
		words = append(words, text(x))
	}
	if more := len(all) - maxNamed; more > 0 {
		words = append(words, fmt.Sprintf("and %d more: `tollwarden status --json` lists them", more))
	}
	return strings.Join(words, "; ")
}

func ineffectiveBans(list []bans.IneffectiveBan) []control.IneffectiveBan {
	out := make([]control.IneffectiveBan, len(list))
	for i, b := range list {
		out[i] = control.IneffectiveBan{
			Ban: b.Ban, Incident: b.Ban.Incident, Since: b.Since, Last: b.Last, Answered: b.Answered, Heard: b.Heard,
			Renewals: b.Renewals, Widened: incident.SomeTime(b.Widened), Kept: b.Kept,
		}
	}
	return out
}

func (d statusSource) unstoppedAttacks(list []decide.Attack) []control.Attack {
	out := make([]control.Attack, len(list))
	for i, a := range list {
		out[i] = control.Attack{
			Key: a.Key, Name: d.names.of(a.Key.Account), Threshold: a.Threshold, Since: a.Since, Last: a.Last, Crossed: a.Crossed, Reason: a.Reason, Advice: a.Advice,
		}
	}
	return out
}

// effectAlarmEvery is the least time between two alarms about bans without effect. One
// alarm names all that are new.
const effectAlarmEvery = 10 * time.Minute

// maxKnown bounds the bans that are remembered because an alarm was raised about them.
// Beyond it one may be raised again.
const maxKnown = 1024

// effectAlarms raises an alarm about bans without effect, once for each ban.
type effectAlarms struct {
	alarm  func(alarm)
	known  map[effectKey]bool
	raised time.Time
}

type effectKey struct {
	prefix netip.Prefix
	since  time.Time
}

// look is called every second with the bans without effect.
func (e *effectAlarms) look(now time.Time, list []bans.IneffectiveBan) {
	if len(list) == 0 || now.Sub(e.raised) < effectAlarmEvery {
		return
	}
	fresh := slices.DeleteFunc(slices.Clone(list), func(b bans.IneffectiveBan) bool { return e.known[keyOf(b)] })
	if len(fresh) == 0 {
		return
	}
	e.raised = now
	if e.known == nil || len(e.known) > maxKnown {
		e.known = map[effectKey]bool{}
	}
	for _, b := range list {
		e.known[keyOf(b)] = true
	}
	check := checkEffect(now, responder.Senses{Ineffective: fresh})
	e.alarm(alarm{Event: alarmIneffective, At: now, Text: incident.Count(len(fresh), "ban") + " without effect: the address is blocked, but its packets still reach Asterisk", Checks: []control.Check{check}})
}

func keyOf(b bans.IneffectiveBan) effectKey {
	return effectKey{b.Ban.Prefix, b.Ban.Since.Round(0).UTC()}
}
