package calls

import (
	"time"
)

// HabitKind is the kind of a Habit.
type HabitKind string

// The kinds of habits.
const (
	HabitCountry HabitKind = "country" // the account has called this country
	HabitCall    HabitKind = "call"    // the account has made calls; no value
	HabitWatch   HabitKind = "watch"   // the daemon was running; no account, no value
	HabitHistory HabitKind = "history" // calls of the past are known, by their records; no account, no value
	HabitForward HabitKind = "forward" // the account forwards its calls so; without an account: forwards were looked at
)

// Habit is normal behaviour of an account.
type Habit struct {
	Account     string
	Kind        HabitKind
	Value       string
	First, Last time.Time
}

const (
	// maxCountries bounds the countries kept for an account. There are no more.
	maxCountries = 256
	// reportEvery is how often a habit in use is reported again.
	reportEvery = 24 * time.Hour
	// longestPause is the longest downtime after which learning continues. After a
	// longer one it starts again.
	longestPause = 72 * time.Hour
)

// usage is when a habit was first seen, last seen and last reported.
type usage struct{ first, last, lastReported time.Time }

// record adds one use and returns whether to report it.
func (s *usage) record(now time.Time) (report bool) {
	if s.first.IsZero() {
		s.first = now
	}
	if now.After(s.last) {
		s.last = now
	}
	if s.lastReported.IsZero() || s.last.Sub(s.lastReported) >= reportEvery {
		s.lastReported = s.last
		return true
	}
	return false
}
