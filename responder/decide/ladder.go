package decide

import "time"

// Ladder gives the ban time of an address's first, second, third, … offence.
type Ladder struct {
	// Times by offence; the last serves all that follow. Zero is forever.
	Times []time.Duration
	// Forget is the age at which an offence no longer counts.
	Forget time.Duration
	// Spoofable is the ban time where spoofed packets can have brought the
	// verdict about: always the same, and no offence.
	Spoofable time.Duration
}

// Until is the end of the ban for the offence with this number, counted from
// one; the zero time is forever.
func (l Ladder) Until(now time.Time, offence int) time.Time {
	d := l.time(offence)
	if d == 0 {
		return time.Time{}
	}
	return now.Add(d)
}

func (l Ladder) time(offence int) time.Duration {
	if len(l.Times) == 0 {
		return 0
	}
	return l.Times[min(max(offence, 1), len(l.Times))-1]
}
