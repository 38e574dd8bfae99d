package score

import (
	"testing"
	"time"
)

func TestSpan(t *testing.T) {
	for want, d := range map[string]time.Duration{
		"1m": time.Minute, "10m": 10 * time.Minute, "30m": 30 * time.Minute, "1h": time.Hour,
		"1h30m": 90 * time.Minute, "20h": 20 * time.Hour, "1m30s": 90 * time.Second,
	} {
		if got := Span(d); got != want {
			t.Errorf("Span(%s) = %q, want %q", d, got, want)
		}
	}
}
