package report

import (
	"fmt"
	"io"
	"strings"
)

// Text writes the report for a terminal or a mail.
func (r *Report) Text(w io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "Incident %d: %s\n%s\n", r.Number, r.Title, r.Outcome)
	fmt.Fprintf(&b, "\nWhat happened (times in %s)\n", r.Zone)
	day := ""
	for _, m := range r.Story {
		if d := m.At.Format("2006-01-02"); d != day {
			day = d
			fmt.Fprintf(&b, "  %s\n", day)
		}
		fmt.Fprintf(&b, "  %s  %s\n", m.At.Format("15:04:05.000"), m.What)
	}
	for _, part := range []struct {
		heading string
		lines   []string
	}{
		{"Who was affected", r.Affected},
		{"Maximum loss", r.Lost},
		{"What was changed", r.Changed},
		{"What to do next", r.Next},
	} {
		if len(part.lines) == 0 {
			continue
		}
		fmt.Fprintf(&b, "\n%s\n", part.heading)
		for _, l := range part.lines {
			fmt.Fprintf(&b, "  - %s\n", l)
		}
	}
	fmt.Fprint(&b, "\nSteps\n")
	for _, s := range r.Steps {
		fmt.Fprintf(&b, "  %-8s %s: %s\n", s.State, s.task(), s.Detail)
	}
	heading := "Annex: the evidence"
	if r.Annex.SHA256 != "" {
		heading += " with Asterisk's own lines, SHA-256 " + r.Annex.SHA256
	}
	fmt.Fprintf(&b, "\n%s\n", heading)
	if r.Annex.Note != "" {
		fmt.Fprintf(&b, "  %s\n", r.Annex.Note)
	}
	for line := range strings.Lines(r.Annex.Text()) {
		fmt.Fprintf(&b, "  %s\n", Plain(strings.TrimSuffix(line, "\n")))
	}
	_, err := io.WriteString(w, b.String())
	return err
}
