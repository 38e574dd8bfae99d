package main

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// table is what a run prints.
type table []row

// row is one figure; a row of a heading alone begins a part.
type row struct {
	heading string
	what    string
	unit    unit
	sample  sample
	goal    string
}

func (t *table) heading(format string, args ...any) {
	*t = append(*t, row{heading: fmt.Sprintf(format, args...)})
}

// add takes a figure; goal is what was aimed at, or "".
func (t *table) add(what string, u unit, s sample, goal string) {
	*t = append(*t, row{what: what, unit: u, sample: s, goal: goal})
}

// String is the table as Markdown that also reads well as it stands.
func (t table) String() string {
	cells := [][]string{{"what", "median", "p99", "lowest – highest", "n", "goal"}}
	for _, r := range t {
		if r.heading != "" {
			cells = append(cells, []string{"**" + r.heading + "**", "", "", "", "", ""})
			continue
		}
		cells = append(cells, r.cells())
	}
	widths := make([]int, len(cells[0]))
	for _, line := range cells {
		for i, c := range line {
			widths[i] = max(widths[i], utf8.RuneCountInString(c))
		}
	}
	var b strings.Builder
	for n, line := range cells {
		writeLine(&b, line, widths, " ")
		if n == 0 {
			writeLine(&b, make([]string, len(line)), widths, "-")
		}
	}
	return b.String()
}

func writeLine(b *strings.Builder, line []string, widths []int, fill string) {
	for i, c := range line {
		b.WriteString("|" + fill + c + strings.Repeat(fill, widths[i]-utf8.RuneCountInString(c)+1))
	}
	b.WriteString("|\n")
}

func (r row) cells() []string {
	if len(r.sample) == 0 {
		return []string{r.what, "not measured", "", "", "0", r.goal}
	}
	p99, span := "", ""
	if len(r.sample) >= 20 {
		p99 = r.unit(r.sample.p99())
	}
	if len(r.sample) > 1 {
		span = r.unit(r.sample.quantile(0)) + " – " + r.unit(r.sample.quantile(1))
	}
	return []string{r.what, r.unit(r.sample.median()), p99, span, fmt.Sprint(len(r.sample)), r.goal}
}
