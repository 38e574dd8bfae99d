package decide

import "time"

// MaxPause is the longest pause: whoever forgets to resume must not be without protection
// for longer than a day.
const MaxPause = 24 * time.Hour

// Pause is a time in which nothing is decided but recorded, because a person asked for
// that. Bans in force stay, and what was begun before is finished.
type Pause struct {
	Since, Until time.Time
	UID          uint32 // of the person
	Reason       string // in the person's words; "" is none
}

// Active says whether it is on.
func (p Pause) Active(now time.Time) bool { return now.Before(p.Until) }
