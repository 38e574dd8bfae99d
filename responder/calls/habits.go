package calls

import (
	"time"
)

// HabitKind says what a Habit is about.
type HabitKind string

// The kinds of habits.
const (
	HabitCountry HabitKind = "country" // the account has called it
	HabitCall    HabitKind = "call"    // the account has called at all; no value
	HabitWatch   HabitKind = "watch"   // the daemon itself was watching; no account, no value
)

// Habit is something usual for an account.
type Habit struct {
	Account     string
	Kind        HabitKind
	Value       string
	First, Last time.Time
}

const (
	// maxCountries bounds what is kept of one account: there are no more.
	maxCountries = 256
	// renew is how often a habit in use is reported again.
	renew = 24 * time.Hour
	// pause is how long the daemon may have been down without the time before
	// it losing its meaning.
	pause = 72 * time.Hour
)

// span is when a habit was first and last seen, and last told to the ledger.
type span struct{ first, last, told time.Time }

// see notes one more time and says whether the ledger should know.
func (s *span) see(now time.Time) (tell bool) {
	if s.first.IsZero() {
		s.first = now
	}
	if now.After(s.last) {
		s.last = now
	}
	if s.told.IsZero() || s.last.Sub(s.told) >= renew {
		s.told = s.last
		return true
	}
	return false
}
