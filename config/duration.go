package config

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// forever is a ban without an end.
const forever = "forever"

var errDuration = errors.New(`want a duration above zero, such as "90s", "15m", "1h30m", "24h" or "7d"`)

// parseDuration reads Go's durations, optionally with days in front: "7d",
// "1d12h".
func parseDuration(s string) (time.Duration, error) {
	days, rest, hasDays := strings.Cut(s, "d")
	if !hasDays {
		days, rest = "", s
	}
	var total time.Duration
	if hasDays {
		hours, err := time.ParseDuration(days + "h")
		if err != nil || hours > 100*365*time.Hour {
			return 0, errDuration
		}
		total = 24 * hours
	}
	if rest != "" {
		d, err := time.ParseDuration(rest)
		if err != nil {
			return 0, errDuration
		}
		total += d
	}
	if total <= 0 {
		return 0, errDuration
	}
	return total, nil
}

// ParseBanTime reads a ban time: a duration, or "forever", which is zero.
func ParseBanTime(s string) (time.Duration, error) {
	if s == forever {
		return 0, nil
	}
	d, err := parseDuration(s)
	if err != nil {
		return 0, fmt.Errorf("%w, or %q", err, forever)
	}
	return d, nil
}

// FormatDuration writes a duration as the configuration does: "1h", "7d",
// "1d12h". Zero is "forever".
func FormatDuration(d time.Duration) string {
	const day = 24 * time.Hour
	switch {
	case d == 0:
		return forever
	case d > day && d%day == 0:
		return strconv.Itoa(int(d/day)) + "d"
	case d > 2*day:
		return strconv.Itoa(int(d/day)) + "d" + FormatDuration(d%day)
	}
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}
