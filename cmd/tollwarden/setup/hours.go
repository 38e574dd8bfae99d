package setup

import (
	"fmt"
	"regexp"
	"strings"
)

// looseHours are working hours as people type them: "mon-fri 8-18", "Monday to Friday
// 8:30 – 17.00".
var looseHours = regexp.MustCompile(`(?i)^([a-z]{3,9})(?:\s*(?:-|–|to)\s*([a-z]{3,9}))?\s+([0-9]{1,2})(?:[:.]([0-9]{2}))?\s*(?:-|–|to)\s*([0-9]{1,2})(?:[:.]([0-9]{2}))?$`)

// tidyHours brings working hours into the form that the configuration takes, such as
// "Mon-Fri 08:00-18:00". What it does not understand stays as it is.
func tidyHours(word string) string {
	m := looseHours.FindStringSubmatch(strings.TrimSpace(word))
	if m == nil {
		return word
	}
	days := weekday(m[1])
	if m[2] != "" {
		days += "-" + weekday(m[2])
	}
	return fmt.Sprintf("%s %s-%s", days, clock(m[3], m[4]), clock(m[5], m[6]))
}

// weekday is the short name of a day that is written out, in the usual case.
func weekday(name string) string {
	for _, day := range []string{"Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"} {
		if len(name) >= 3 && len(name) <= len(day) && strings.EqualFold(day[:len(name)], name) {
			return day[:3]
		}
	}
	return name
}

// clock is a time of day with two digits each; no minutes are a full hour.
func clock(hour, minute string) string {
	if len(hour) == 1 {
		hour = "0" + hour
	}
	if minute == "" {
		minute = "00"
	}
	return hour + ":" + minute
}
