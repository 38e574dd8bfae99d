package decide

import (
	"time"

	"github.com/tollwarden/tollwarden/responder/incident"
)

// Ladder gives the ban time of an address's first, second, third, … offence, and
// of its first, second, third, … ban on evidence that may be spoofed.
type Ladder struct {
	// Times by offence; the last serves all that follow. Zero is forever.
	Times []time.Duration
	// Scopes by offence; the last serves all that follow. Without any, everything is
	// dropped.
	Scopes []incident.Scope
	// Forget is the age at which an offence no longer counts.
	Forget time.Duration
	// Spoofable are the ban times where spoofed packets can have brought the
	// verdict about, which is no offence; the last serves all that follow. Where
	// an account lives nearby it is always the first.
	Spoofable []time.Duration
	// SpoofableForever makes the bans of single addresses that follow the last of
	// Spoofable last until a person releases them.
	SpoofableForever bool
}

// repeatMemory is the longest time after which a ban on spoofable evidence no
// longer counts: a week, since the longest such ban takes a day of it.
const repeatMemory = 7 * 24 * time.Hour

// RepeatMemory is the age at which a ban on spoofable evidence no longer counts
// for the next one.
func (l Ladder) RepeatMemory() time.Duration { return min(l.Forget, repeatMemory) }

// Until is the end of the ban for the offence with this number, counted from
// one; the zero time is forever.
func (l Ladder) Until(now time.Time, offence int) time.Time {
	d := rung(l.Times, offence)
	if d == 0 {
		return time.Time{}
	}
	return now.Add(d)
}

// Scope is what the ban for the offence with this number, counted from one, drops.
func (l Ladder) Scope(offence int) incident.Scope {
	if len(l.Scopes) == 0 {
		return incident.ScopeAll
	}
	return l.Scopes[min(max(offence, 1), len(l.Scopes))-1]
}

// Brief is the shortest ban time on spoofable evidence: for what must not climb.
func (l Ladder) Brief() time.Duration { return rung(l.Spoofable, 1) }

// SpoofableUntil is the end of a ban on spoofable evidence for the given time in
// a row, counted from one; the zero time is forever.
func (l Ladder) SpoofableUntil(now time.Time, repeat int, network bool) time.Time {
	if l.SpoofableForever && !network && repeat > len(l.Spoofable) {
		return time.Time{}
	}
	return now.Add(rung(l.Spoofable, repeat))
}

func rung(times []time.Duration, n int) time.Duration {
	if len(times) == 0 {
		return 0
	}
	return times[min(max(n, 1), len(times))-1]
}
