package decide

import (
	"fmt"
	"slices"
	"time"

	"github.com/tollwarden/tollwarden/ami/event"
	"github.com/tollwarden/tollwarden/responder/incident"
	"github.com/tollwarden/tollwarden/responder/score"
)

// Widening is what is done about a guesser at an address that is not banned because
// others live there, when cutting its flow is not possible or not enough.
type Widening uint8

const (
	// NotWidened is nothing.
	NotWidened Widening = iota
	// Throttle lets few guesses through over UDP, where single packets can be decided
	// about.
	Throttle
	// Close lets nothing in from the address, over UDP or over connections, but what
	// belongs to live registrations.
	Close
)

// widening is what is done instead of a ban of the target.
func widening(v *score.Verdict, f Facts) Widening {
	shared := f.Vital != "" || f.Healthy > 0 || f.Protected != "" && !v.Proven
	if f.Allowed || f.Observe || f.Paused || f.Home != "" || f.AboutCall || !shared && !proxied(f) {
		return NotWidened
	}
	udp := v.Cause.Transport == event.UDP
	switch {
	case udp && f.Throttles:
		return Throttle
	case f.Closes && !proxied(f) && (udp && v.Proven || v.Cause.Transport.Connected()):
		return Close
	}
	return NotWidened
}

// Widened is what is done about a verdict's target in place of the ban that its playbook
// asks for.
func Widened(v *score.Verdict, steps []incident.Step, f Facts) Widening {
	skipped := slices.ContainsFunc(steps, func(s incident.Step) bool { return s.Step == incident.StepBan && s.State == incident.Skipped })
	if f.Flow != nil || !skipped {
		return NotWidened
	}
	return widening(v, f)
}

// widenedWords says what is done instead of a ban; "" when nothing is.
func widenedWords(v *score.Verdict, ladder Ladder, f Facts) string {
	switch widening(v, f) {
	case Throttle:
		return fmt.Sprintf(incident.InsteadThrottled+"until %s, and longer while it goes on: at most 10 guesses a minute get through over UDP, the registered phones keep working; %s ends that",
			incident.TimeText(v.At.Add(ladder.Brief())), incident.Command("unban", incident.PrefixText(f.Target)))
	case Close:
		over := "TCP, TLS and WebSocket"
		if v.Cause.Transport == event.UDP {
			over = "UDP"
		}
		return fmt.Sprintf(incident.InsteadClosed+"over %s until %s, except from the registered phones; %s ends that",
			over, incident.TimeText(v.At.Add(f.CloseFor)), incident.Command("unban", incident.PrefixText(f.Target)))
	}
	return ""
}

// whyShared says why an address is not banned, though the evidence is certain: others
// live there.
func whyShared(v *score.Verdict, ladder Ladder, f Facts) string {
	others := "another extension is"
	if f.Healthy > 1 {
		others = fmt.Sprintf("%d other extensions are", f.Healthy)
	}
	why := others + " in use at this address" + widenedWords(v, ladder, f)
	if f.AboutCall {
		why += ", and it is not known for certain from which port the call came"
	}
	return why
}

// Climbs says whether an address is closed for longer each time. A phone with a wrong
// password that connects again and again does not make it so.
func Climbs(v *score.Verdict) bool { return v.Proven && !OnePhone(v) }

// closingMemory is how long after its end a closing counts for the next one.
const closingMemory = time.Hour

// Closing is the last time that an address was closed. The zero value is none.
type Closing struct {
	Until time.Time
	rung  int
}

// Next is the closing that a verdict brings.
func (c Closing) Next(v *score.Verdict, ladder Ladder) Closing {
	next := Closing{rung: 1}
	switch {
	case !Climbs(v):
	case c.Until.After(v.At):
		next.rung = c.rung // what was under way
	case c.Remembered(v.At):
		next.rung = c.rung + 1
	}
	if next.Until = v.At.Add(min(rung(ladder.Spoofable, next.rung), longestClosing)); next.Until.Before(c.Until) {
		return c
	}
	return next
}

// longestClosing bounds how long an address is closed where others live.
const longestClosing = 24 * time.Hour

// Remembered says whether a closing counts for the next one.
func (c Closing) Remembered(now time.Time) bool {
	return !c.Until.IsZero() && now.Sub(c.Until) < closingMemory
}
