package calls

import "time"

// Hours are the working hours of a site. If Open is empty, the site is always
// open.
type Hours struct {
	Zone     *time.Location
	Open     []Span
	Holidays []Day
}

// Span is a period on some days of the week, from From to before To, in minutes
// since midnight.
type Span struct {
	Days     [7]bool // by time.Weekday
	From, To int
}

// Day is a date. Year 0 means every year.
type Day struct {
	Year  int
	Month time.Month
	Day   int
}

// Closed reports whether the site is closed.
func (h *Hours) Closed(now time.Time) bool { return h.closed(now) }

// closed reports whether the site is closed.
func (h *Hours) closed(now time.Time) bool {
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
