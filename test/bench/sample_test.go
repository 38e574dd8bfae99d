package main

import (
	"math"
	"testing"
)

func TestQuantiles(t *testing.T) {
	var s sample
	for i := 100; i > 0; i-- {
		s.add(float64(i))
	}
	for q, want := range map[float64]float64{0: 1, 0.5: 50, 0.99: 99, 1: 100} {
		if got := s.quantile(q); got != want {
			t.Errorf("quantile %v is %v, want %v", q, got, want)
		}
	}
	if one := (sample{7}); one.median() != 7 || one.p99() != 7 {
		t.Errorf("of one value: median %v, p99 %v", one.median(), one.p99())
	}
	if !math.IsNaN((sample{}).median()) {
		t.Error("of nothing there is a median")
	}
}

func TestUnits(t *testing.T) {
	for _, c := range []struct{ got, want string }{
		{duration(12), "12 ns"},
		{duration(1234), "1.23 µs"},
		{duration(-2.5e6), "-2.5 ms"},
		{duration(61e9), "61 s"},
		{duration(math.Inf(1)), "not at all"},
		{count(999), "999"},
		{count(1234567), "1,234,567"},
		{count(-1000), "-1,000"},
		{times(12.34), "12.3×"},
		{ratio(math.Inf(1)), "∞"},
	} {
		if c.got != c.want {
			t.Errorf("%q, want %q", c.got, c.want)
		}
	}
}
