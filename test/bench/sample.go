package main

import (
	"fmt"
	"math"
	"slices"
	"time"
)

// sample is what was measured, in one unit.
type sample []float64

// quantile is the smallest value that a part q of the sample does not exceed.
func (s sample) quantile(q float64) float64 {
	if len(s) == 0 {
		return math.NaN()
	}
	sorted := slices.Sorted(slices.Values(s))
	i := int(math.Ceil(q*float64(len(sorted)))) - 1
	return sorted[min(max(i, 0), len(sorted)-1)]
}

func (s sample) median() float64 { return s.quantile(0.5) }
func (s sample) p99() float64    { return s.quantile(0.99) }

func (s *sample) add(v float64)           { *s = append(*s, v) }
func (s *sample) took(d time.Duration)    { s.add(float64(d)) }
func (s *sample) since(start time.Time)   { s.took(time.Since(start)) }
func (s sample) over(other sample) sample { return sample{s.median() / other.median()} }

// unit says how a value is written.
type unit func(v float64) string

func count(v float64) string { return grouped(math.Round(v)) }

func perSecond(v float64) string { return grouped(math.Round(v)) + "/s" }

func times(v float64) string {
	if v >= 100 {
		return grouped(math.Round(v)) + "×"
	}
	return fmt.Sprintf("%.3g×", v)
}

func percent(v float64) string { return fmt.Sprintf("%.3f %%", v) }

func megabytes(v float64) string { return fmt.Sprintf("%.1f MB", v/1e6) }

func bytesEach(v float64) string { return fmt.Sprintf("%.0f B", v) }

// duration writes nanoseconds with three digits.
func duration(v float64) string {
	if math.IsInf(v, 1) {
		return "not at all"
	}
	for _, u := range []struct {
		name  string
		above float64
	}{{"s", 1e9}, {"ms", 1e6}, {"µs", 1e3}} {
		if math.Abs(v) >= u.above {
			return fmt.Sprintf("%.3g %s", v/u.above, u.name)
		}
	}
	return fmt.Sprintf("%.3g ns", v)
}

// grouped writes a whole number with commas.
func grouped(v float64) string {
	text := fmt.Sprintf("%.0f", math.Abs(v))
	for i := len(text) - 3; i > 0; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	if v < 0 {
		return "-" + text
	}
	return text
}
