package calls

import "time"

// Hours is when a site is at work. Without any Open it always is.
type Hours struct {
	Zone     *time.Location
	Open     []Span
	Holidays []Day
}

// Span is a stretch of time on some days of the week, in minutes since
// midnight: From belongs to it, To does not.
type Span struct {
	Days     [7]bool // by time.Weekday
	From, To int
}

// Day is one day; year zero is every year.
type Day struct {
	Year  int
	Month time.Month
	Day   int
}

// off says whether nobody should be at work.
func (h *Hours) off(now time.Time) bool {
	if len(h.Open) == 0 {
		return false
	}
	now = now.In(h.Zone)
	year, month, day := now.Date()
	for _, d := range h.Holidays {
		if d.Month == month && d.Day == day && (d.Year == 0 || d.Year == year) {
			return true
		}
	}
	minute := now.Hour()*60 + now.Minute()
	for _, s := range h.Open {
		if s.Days[now.Weekday()] && minute >= s.From && minute < s.To {
			return false
		}
	}
	return true
}
