package event

import (
	"errors"
	"testing"
)

func TestParseTime(t *testing.T) {
	for text, want := range map[string]string{
		"2026-11-22T00:40:03.505+0000": "2026-11-22T00:40:03.505Z",
		"2026-11-22T00:40:03.005-0330": "2026-11-22T04:10:03.005Z",
		"2026-01-01T01:00:00.000+0545": "2025-12-31T19:15:00Z",
		"2028-02-29T23:59:60.999+0000": "2028-03-01T00:00:00.999Z",
		"2026-11-22T24:40:03.505+0000": "",
		"2026-11-22T00:60:03.505+0000": "",
		"2026-11-32T00:40:03.505+0000": "",
		"2026-00-22T00:40:03.505+0000": "",
		"1969-11-22T00:40:03.505+0000": "",
		"2026-11-22T00:40:03.505+0060": "",
		"2026-11-22 00:40:03.505+0000": "",
		"2026-11-22T00:40:03.505 0000": "",
		"2026-11-22T00:40:03.50a+0000": "",
		"2026-11-22T00:40:03+0000":     "",
		"":                             "",
	} {
		at, ok := parseTime([]byte(text))
		got := ""
		if ok {
			got = at.Format("2006-01-02T15:04:05.999Z")
		}
		if got != want {
			t.Errorf("%q = %q, want %q", text, got, want)
		}
	}
}

func TestNumbers(t *testing.T) {
	for text, want := range map[string]bool{
		"0": true, "-1": true, "1795308004.123456": true, "": false, "-": false, "1.": false, ".5": false,
		"1.2.3": false, "+1": false, "1e3": false, "0x1": false, " 1": false,
	} {
		if isNumeric([]byte(text)) != want {
			t.Errorf("%q is numeric: %v", text, !want)
		}
	}
	var s ChannelState
	for _, text := range []string{"-1", "256", "1.5", "", "99999999999"} {
		if parseState([]byte(text), &s) {
			t.Errorf("%q is a state", text)
		}
	}
}

func TestTamperingIsAnError(t *testing.T) {
	for reason := TamperedFraming; reason < tamperings; reason++ {
		if !errors.Is(reason, ErrTampered) || errors.Is(reason, ErrUnknown) || reason.String() == "" {
			t.Errorf("%v is not ErrTampered", reason)
		}
	}
	if Tampering(200).String() != "unknown" {
		t.Error("an invalid reason has a name")
	}
}
