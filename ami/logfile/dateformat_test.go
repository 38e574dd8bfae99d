package logfile

import (
	"testing"
	"time"
)

// FuzzDateFormat checks that every format reads what it was written as, and that none causes
// a panic, whatever the date.
func FuzzDateFormat(f *testing.F) {
	f.Add("%F %T.%3q", "2026-11-22 10:00:00.070", int64(1795312800))
	f.Add("%d/%b/%Y:%T %z", "22/Nov/2026:10:00:00 +0100", int64(0))
	f.Add("%c", "Sun Nov 22 10:00:00 2026", int64(951782400))
	f.Add("%s%3q", "1795312800123", int64(1))
	f.Add("%y%j %I:%M %p", "26001 12:00 AM", int64(1<<31))
	f.Fuzz(func(t *testing.T, format, text string, seconds int64) {
		clock := Clock{Latest: noon}
		if parsed, err := ParseDateFormat(format); err == nil {
			clock.Format = parsed
			clock.Parse([]byte(text))
		}
		clock.Format = nil
		clock.Parse([]byte(text))
		for _, g := range inferFormats([]byte(text)) {
			if again, err := ParseDateFormat(g.String()); err != nil || len(again.ops) != len(g.ops) {
				t.Errorf("%q is no format: %v", g, err)
			}
		}
		if seconds < 0 || seconds > 4e9 {
			return
		}
		at := time.Unix(seconds, 0).UTC()
		for layout, written := range map[string]string{
			"2006-01-02 15:04:05": "%F %T", "Mon Jan _2 15:04:05 2006": "%c", "02/01/2006 03:04:05 PM": "%d/%m/%Y %r", "2006.002 15:04:05": "%Y.%j %T",
			"Monday, 02-Jan-06 15:04:05 -0700": "%A, %d-%b-%y %T %z", "20060102150405": "%Y%m%d%H%M%S",
		} {
			if at.Year() >= 2100 || at.Year() < 2000 {
				continue // of two digits
			}
			c := Clock{Latest: noon, Format: mustDateFormat(written)}
			if got, ok := c.Parse([]byte(at.Format(layout))); !ok || !got.Equal(at) {
				t.Errorf("%s as %s is %s, %v", at.Format(layout), written, got, ok)
			}
		}
	})
}
