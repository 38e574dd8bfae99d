package cdr

import (
	"bytes"
	"regexp"
	"strconv"
	"time"
)

// longest is the longest call that is believed.
const longest = 365 * 24 * time.Hour

// inUnits is a duration such as "1h 2m 3s", or "94s (1m 34s)" as Issabel shows it.
var inUnits = regexp.MustCompile(`^(?:(\d{1,6})h)? ?(?:(\d{1,6})m(?:in)?)? ?(?:(\d{1,8})s)?(?: ?\(.*\))?$`)

// seconds reads a duration in seconds, as hh:mm:ss, or with units.
func seconds(text []byte) (d time.Duration, ok bool) {
	text = bytes.TrimSpace(text)
	total := 0.0
	parts := bytes.Split(text, []byte{':'})
	if len(text) == 0 || len(parts) > 3 {
		return 0, false
	}
	for _, p := range parts {
		whole, fraction, _ := bytes.Cut(p, []byte{'.'})
		n, err := strconv.ParseFloat(string(p), 64)
		if err != nil || len(whole) == 0 || !digits(whole) || !digits(fraction) {
			return units(text)
		}
		total = total*60 + n
	}
	if total > longest.Seconds() {
		return 0, false
	}
	return time.Duration(total * float64(time.Second)), true
}

func units(text []byte) (d time.Duration, ok bool) {
	found := inUnits.FindSubmatch(bytes.ToLower(text))
	if found == nil {
		return 0, false
	}
	for i, unit := range []time.Duration{time.Hour, time.Minute, time.Second} {
		if len(found[i+1]) > 0 {
			n, err := strconv.Atoi(string(found[i+1]))
			if err != nil || n > int(longest/unit) {
				return 0, false
			}
			d, ok = d+time.Duration(n)*unit, true
		}
	}
	return d, ok && d <= longest
}
