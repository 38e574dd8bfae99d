package main

import (
	"fmt"
	"math"
	"runtime"
	"strings"
	"unicode"
)

// benchmarks is the table in Go's benchmark format
// (https://go.dev/design/14313-benchmark-format), one line for every value, so
// that benchstat can compare two runs.
func (t table) benchmarks() string {
	var b strings.Builder
	fmt.Fprintf(&b, "goos: %s\ngoarch: %s\npkg: github.com/tollwarden/tollwarden/test/bench\ncpu: %s\n", runtime.GOOS, runtime.GOARCH, model())
	part := ""
	for _, r := range t {
		if r.heading != "" {
			part = benchName(r.heading)
			continue
		}
		for _, v := range r.sample {
			if !math.IsInf(v, 0) && !math.IsNaN(v) {
				fmt.Fprintf(&b, "Benchmark%s/%s-%d 1 %v %s\n", part, benchName(r.what), runtime.NumCPU(), v, r.unit.metric())
			}
		}
	}
	return b.String()
}

// metric names the unit of the bare value, as benchstat is to print it.
func (u unit) metric() string {
	one := u(1)
	for _, known := range []struct{ ending, name string }{
		{" ns", "ns/op"}, {"/s", "events/s"}, {"×", "ratio"}, {"%", "percent"}, {" MB", "bytes"}, {" B", "bytes"},
	} {
		if strings.HasSuffix(one, known.ending) {
			return known.name
		}
	}
	return "count"
}

// benchName makes one word of a description.
func benchName(what string) string {
	words := strings.FieldsFunc(strings.ReplaceAll(what, ",", ""), func(r rune) bool { return r > unicode.MaxASCII || !unicode.IsLetter(r) && !unicode.IsDigit(r) })
	for i, w := range words {
		words[i] = strings.ToUpper(w[:1]) + w[1:]
	}
	return strings.Join(words, "")
}
