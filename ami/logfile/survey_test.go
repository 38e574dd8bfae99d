package logfile

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
)

// guessAt is a line of a log with a date.
func guessAt(date string) string {
	return "[" + date + "] NOTICE[55] manager.c: 198.51.100.7 failed to authenticate as 'a'\n"
}

// timesOf surveys a log and parses it, and returns the times of its findings.
func (p *Parser) timesOf(t *testing.T, text string, written time.Time) (times []string, err error) {
	t.Helper()
	p.Clock.Latest = written
	err = p.Survey(strings.NewReader(text), written)
	emit := func(r *Record) { times = append(times, r.At.Format("01-02 15:04")) }
	for line := range strings.SplitSeq(strings.TrimSuffix(text, "\n"), "\n") {
		p.Line([]byte(line), emit)
	}
	p.Flush(emit)
	return times, err
}

// What a date leaves open is decided by the rest of the log, or refused.
func TestDayOrMonth(t *testing.T) {
	later := time.Date(2027, 2, 1, 0, 0, 0, 0, time.UTC)
	dmy, mdy := mustDateFormat("%d/%m/%Y %T"), mustDateFormat("%m/%d/%Y %T")
	for name, tt := range map[string]struct {
		dates   []string
		written time.Time
		format  *DateFormat
		hint    *DateFormat
		want    string // "" is refused
	}{
		"a day after the 12th":         {[]string{"03/04/2026 10:00:00", "13/04/2026 10:00:00"}, later, nil, nil, "04-03 10:00, 04-13 10:00"},
		"a month first":                {[]string{"04/03/2026 10:00:00", "04/13/2026 10:00:00"}, later, nil, nil, "04-03 10:00, 04-13 10:00"},
		"the order of the lines":       {[]string{"10/05/2026 10:00:00", "11/05/2026 10:00:00", "01/06/2026 10:00:00"}, later, nil, nil, "05-10 10:00, 05-11 10:00, 06-01 10:00"},
		"the time of the file":         {[]string{"03/04/2026 10:00:00"}, time.Date(2026, 4, 3, 10, 0, 1, 0, time.UTC), nil, nil, "04-03 10:00"},
		"the time, in another zone":    {[]string{"03/04/2026 10:00:00"}, time.Date(2026, 3, 4, 8, 0, 1, 0, time.UTC), nil, nil, "03-04 10:00"},
		"one order is in the future":   {[]string{"03/12/2026 10:00:00"}, time.Date(2026, 11, 30, 0, 0, 0, 0, time.UTC), nil, nil, "03-12 10:00"},
		"nothing tells":                {[]string{"03/04/2026 10:00:00", "04/04/2026 11:00:00", "05/04/2026 10:00:00"}, later, nil, nil, ""},
		"nothing tells, with points":   {[]string{"03.04.2026 10:00:00"}, later, nil, nil, ""},
		"nothing tells, without year":  {[]string{"03/04 10:00:00"}, later, nil, nil, ""},
		"named":                        {[]string{"03/04/2026 10:00:00"}, later, mdy, nil, "03-04 10:00"},
		"named, but of other lines":    {[]string{"13/04/2026 10:00:00"}, later, mdy, nil, "none"},
		"logger.conf tells":            {[]string{"03/04/2026 10:00:00"}, later, nil, dmy, "04-03 10:00"},
		"logger.conf is of other days": {[]string{"04/13/2026 10:00:00", "04/05/2026 10:00:00"}, later, nil, dmy, "04-13 10:00, 04-05 10:00"},
		"the same either way":          {[]string{"04/04/2026 10:00:00"}, later, nil, nil, "04-04 10:00"},
		"the weekday tells":            {[]string{"Fri 03/04/2026 10:00:00"}, later, nil, nil, "04-03 10:00"},
		"one line of another order":    {[]string{"04/13/2026 10:00:00", "13/04/2026 11:00:00", "04/05/2026 10:00:00"}, later, nil, nil, "04-13 10:00, 04-13 11:00, 04-05 10:00"},
		"another format later":         {[]string{"13/04/2026 10:00:00", "2026-04-14 10:00:00"}, later, nil, nil, "04-13 10:00, 04-14 10:00"},
	} {
		t.Run(name, func(t *testing.T) {
			var text strings.Builder
			for _, d := range tt.dates {
				text.WriteString(guessAt(d))
			}
			p := Parser{Clock: Clock{Format: tt.format, Hint: tt.hint}}
			times, err := p.timesOf(t, text.String(), tt.written)
			var open *AmbiguousError
			switch got := strings.Join(times, ", "); {
			case tt.want == "":
				if !errors.As(err, &open) || len(open.Formats) != 2 || p.Clock.Ambiguous() == nil {
					t.Errorf("%v, read as %q", err, got)
				}
			case err != nil || got != strings.TrimPrefix(tt.want, "none"):
				t.Errorf("%q, %v; want %q", got, err, tt.want)
			}
		})
	}
}

// While lines are being written, the time decides.
func TestDayOrMonthOfNow(t *testing.T) {
	now := time.Date(2026, 4, 3, 10, 0, 3, 0, time.UTC)
	for date, want := range map[string]string{
		"03/04/2026 10:00:01": "04-03 10:00", "04/03/2026 10:00:01": "04-03 10:00", "03/04/2026 12:00:01": "04-03 12:00",
		"02/01/2026 10:00:01": "", "03/04/2026 10:07:30": "", // of no line that is written now
	} {
		p := Parser{Clock: Clock{Latest: now, Follows: true}}
		got := ""
		emit := func(r *Record) { got = r.At.Format("01-02 15:04") }
		p.Line([]byte(strings.TrimSuffix(guessAt(date), "\n")), emit)
		p.Flush(emit)
		if got != want {
			t.Errorf("%s is %q, want %q", date, got, want)
		}
	}
}

// A file can be surveyed whatever is in it, and long lines do not stop that.
func TestSurveyOfLongLines(t *testing.T) {
	p := Parser{}
	text := strings.Repeat("x", 3*longestLine) + "\n" + guessAt("13/04/2026 10:00:00") + guessAt("05/04/2026 10:00:00")
	if got, err := p.timesOf(t, text, time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC)); err != nil || strings.Join(got, ", ") != "04-13 10:00, 04-05 10:00" {
		t.Errorf("%q, %v", got, err)
	}
}

// Formats that are no dateformat are named.
func TestDateFormatErrors(t *testing.T) {
	for text, want := range map[string]string{"%F %": "ends in the middle", "%F %N": "%N is no conversion", "%T": "no day and month", "": "no day and month", "%d %T": "no day and month"} {
		if _, err := ParseDateFormat(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
}

// A line that a sender forged after a user name of his does not decide the order of the dates:
// it would make the others mean another month. Where nothing else decides, the days of a month
// that has passed do.
func TestForgedDatesDecideNothing(t *testing.T) {
	failure := "] NOTICE[55] chan_sip.c: Registration from '<sip:1002@x>' failed for '192.0.2.66:5060' - Wrong password\n"
	carrying := "] NOTICE[55] chan_sip.c: Registration from '<sip:\n"
	written := func(days, forgedAt int, forged string) string {
		var b strings.Builder
		for d := 1; d <= days; d++ {
			if d == forgedAt {
				fmt.Fprintf(&b, "[11/%02d/2026 08:00:00%s%s", d, carrying, forged)
			}
			fmt.Fprintf(&b, "[11/%02d/2026 10:00:00%s", d, failure)
		}
		return b.String()
	}
	const forged = "[25/11/2026 10:00:00] NOTICE[55] chan_sip.c: Registration from '<sip:1002@x\n"
	for name, tt := range map[string]struct {
		text      string
		ambiguous bool
	}{
		"forged first":       {written(9, 1, forged), true},
		"forged amid":        {written(9, 5, forged), true},
		"forged many times":  {written(9, 5, strings.Repeat(forged+"[26/11/2026 10:00:00"+failure, 5)), true},
		"forged, whole days": {written(28, 5, forged), true}, // both have been shown
		"nothing forged":     {written(28, 0, ""), false},
		"an honest line":     {written(9, 5, forged) + "[11/14/2026 10:00:00] VERBOSE[1] logger.c: Asterisk Queue Logger restarted\n" + strings.Repeat("[11/14/2026 11:00:00] VERBOSE[1] pbx.c: some words that are as long as those of others are\n", 12) + "[11/15/2026 10:00:00] VERBOSE[1] logger.c: Asterisk Queue Logger restarted\n", false},
	} {
		p := Parser{Clock: Clock{Latest: time.Date(2026, 12, 2, 11, 7, 11, 0, time.UTC)}}
		err := p.Survey(strings.NewReader(tt.text), time.Time{})
		var open *AmbiguousError
		if errors.As(err, &open) != tt.ambiguous {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if at, ok := p.Clock.Parse([]byte("11/03/2026 10:00:00")); !tt.ambiguous && (!ok || at.Month() != time.November) {
			t.Errorf("%s: %s, %t", name, at, ok)
		}
	}
}
