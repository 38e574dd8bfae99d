package main

import (
	"math"
	"strings"
	"testing"
)

func TestBenchmarkFormat(t *testing.T) {
	var all table
	all.heading("guesses answered, on Asterisk 22")
	all.add("2,000 guesses/s", count, sample{3, math.Inf(1)}, "median ≤ 3")
	all.add("from start → drop", duration, sample{12.5e3}, "")
	all.add("resident memory", megabytes, sample{14e6}, "")
	_, got, _ := strings.Cut(all.benchmarks(), "cpu: ")
	_, got, _ = strings.Cut(got, "\n")
	lines := strings.Split(strings.TrimSpace(got), "\n")
	for i, want := range []struct{ name, value string }{
		{"BenchmarkGuessesAnsweredOnAsterisk22/2000GuessesS-", " 1 3 count"},
		{"BenchmarkGuessesAnsweredOnAsterisk22/FromStartDrop-", " 1 12500 ns/op"},
		{"BenchmarkGuessesAnsweredOnAsterisk22/ResidentMemory-", " 1 1.4e+07 bytes"},
	} {
		if i >= len(lines) || !strings.HasPrefix(lines[i], want.name) || !strings.HasSuffix(lines[i], want.value) {
			t.Errorf("want %s…%s in\n%s", want.name, want.value, got)
		}
	}
	if len(lines) != 3 {
		t.Errorf("%d lines:\n%s", len(lines), got)
	}
}

func TestMetrics(t *testing.T) {
	for want, u := range map[string]unit{"ns/op": duration, "events/s": perSecond, "ratio": times, "percent": percent, "bytes": megabytes, "count": count} {
		if got := u.metric(); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
