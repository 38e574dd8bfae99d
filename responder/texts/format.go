package texts

import (
	"strconv"
	"strings"
	"time"
)

// Number writes a number with separators between thousands.
func (l *Language) Number(n int64) string {
	digits := strconv.FormatInt(n, 10)
	sign := ""
	if n < 0 {
		sign, digits = "-", digits[1:]
	}
	for at := len(digits) - 3; at > 0; at -= 3 {
		digits = digits[:at] + l.Say("number.thousands") + digits[at:]
	}
	return sign + digits
}

// decimal writes a number with so many digits behind the point.
func (l *Language) decimal(x float64, digits int) string {
	whole, part, _ := strings.Cut(strconv.FormatFloat(x, 'f', digits, 64), ".")
	n, err := strconv.ParseInt(whole, 10, 64)
	if err != nil {
		return whole // beyond any sum of money
	}
	if part == "" {
		return l.Number(n)
	}
	return l.Number(n) + l.Say("number.point") + part
}

// Money writes millionths of a currency: whole from ten on.
func (l *Language) Money(millionths int64, currency string) string {
	amount, digits := float64(millionths)/1e6, 2
	if amount >= 10 {
		digits = 0
	}
	return l.Say("money", "amount", l.decimal(amount, digits), "currency", currency)
}

// Duration writes how long a call or an outage lasted, as on a phone bill.
func (l *Language) Duration(d time.Duration) string {
	seconds, minutes, hours := int(d/time.Second), int(d/time.Minute), int(d/time.Hour)
	switch {
	case d < time.Second:
		return l.Say("duration.short")
	case seconds < 60:
		return l.Say("duration.seconds", "s", seconds)
	case hours < 1:
		return l.Say("duration.minutes", "m", minutes, "s", seconds%60)
	case hours < 48:
		return l.Say("duration.hours", "h", hours, "m", minutes%60)
	}
	return l.Say("duration.days", "n", hours/24)
}

// Reaction writes how long the daemon took, from milliseconds to seconds.
func (l *Language) Reaction(d time.Duration) string {
	switch {
	case d < time.Millisecond:
		return l.Say("duration.instant")
	case d < time.Second:
		return l.Say("duration.milliseconds", "n", int(d.Round(time.Millisecond)/time.Millisecond))
	}
	return l.Say("duration.fraction", "s", l.decimal(d.Seconds(), 1))
}

// Date writes the day of a time, with its weekday.
func (l *Language) Date(t time.Time) string {
	return l.Say("date.day",
		"weekday", l.Say("date.weekday"+strconv.Itoa(int(t.Weekday()))),
		"month", l.Say("date.month"+strconv.Itoa(int(t.Month()))),
		"d", strconv.Itoa(t.Day()), "dd", t.Format("02"), "mm", t.Format("01"), "year", t.Format("2006"))
}

// Clock writes the time of day to the second.
func (l *Language) Clock(t time.Time) string { return t.Format("15:04:05") }

// Moment writes day and time of day to the minute.
func (l *Language) Moment(t time.Time) string {
	return l.Say("date.moment", "day", l.Date(t), "time", t.Format("15:04"))
}

// Country names a country by its ISO 3166 code; "001" is a number of no country, such as a
// satellite phone's. A code that is not known is returned as it is.
func (l *Language) Country(code string) string {
	if key := "country." + code; code != "" && l.Has(key) {
		return l.Say(key)
	}
	return code
}

// mostListed is how many names a list has.
const mostListed = 5

// List writes names with commas, and how many more there are if there are many.
func (l *Language) List(names []string) string {
	switch n := len(names); {
	case n > mostListed:
		return l.Say("list.more", "names", strings.Join(names[:mostListed], ", "), "n", n-mostListed)
	case n > 1:
		return l.Say("list.and", "names", strings.Join(names[:n-1], ", "), "last", names[n-1])
	case n == 1:
		return names[0]
	}
	return ""
}
