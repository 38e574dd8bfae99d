package check

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/tollwarden/tollwarden/cmd/tollwarden/output"
	"github.com/tollwarden/tollwarden/cmd/tollwarden/settings"
	"github.com/tollwarden/tollwarden/config"
	"github.com/tollwarden/tollwarden/responder/incident"
)

// Explain says in words what the configuration will do.
func Explain(w io.Writer, cfg *config.Config, allowed *config.AllowFile) {
	if cfg.Mode == config.Observe {
		fmt.Fprint(w, "OBSERVING: the following is decided and recorded, and nothing is done.\n\n")
	}
	rows := [][2]string{{"When", "then"}}
	for _, r := range Rules(cfg) {
		rows = append(rows, [2]string{r.When, r.Then})
	}
	columns(w, rows)
	if n := cfg.Observing(); n > 0 && cfg.Mode == config.Enforce {
		fmt.Fprintf(w, "\nOnly watched, by their mode: %s.\n", incident.Count(n, "threshold"))
	}
	fmt.Fprintf(w, "\nA ban lasts %s; after %s without another, it starts again at the first. It closes %s. After a break-in, it starts at the second.\n",
		ladderWords(cfg.Bans.Ladder), config.FormatDuration(cfg.Bans.Forget), scopeWords(cfg.Bans.Scope))
	fmt.Fprintf(w, "An address that may be spoofed loses only Asterisk's UDP ports, for %s at first.\n", config.FormatDuration(cfg.Bans.Spoofable[0]))
	if cfg.Calls.Country == "" {
		fmt.Fprintln(w, "The country is not set (calls.country): most numbers cannot be told apart, so that few calls count as costly.")
	}
	fmt.Fprintf(w, "Never banned: %s%s.\n", output.Join(settings.Allow(cfg)), allowFileWords(allowed))
}

// allowItems says what is special about entries of the allow list.
func allowItems(items []config.AllowItem, now time.Time) (out []Result) {
	for _, item := range items {
		switch {
		case item.Refused() != "":
			out = append(out, warning("NOT on the allow list: %s: use smaller networks, or write \"%s force\"", item.Refused(), item.What()))
		case !item.InForce(now):
			out = append(out, note("no longer on the allow list: %s", item))
		case item.Name != "":
			out = append(out, note("every extension counts as known where %s leads, at most 4 public addresses; they can still be banned", item.Name))
		}
	}
	if covered := config.Covered(config.AllowedPrefixes(items, now)); covered.Wide() {
		out = append(out, warning("the allow list covers %d public IPv4 addresses and %d IPv6 /64s, where no attacker is ever blocked", covered.V4, covered.V6))
	}
	return out
}

// allowFileWords counts the entries of the allow file, if it has any.
func allowFileWords(file *config.AllowFile) string {
	if n := len(file.Entries()); n > 0 {
		return fmt.Sprintf(", and %d more in %s", n, file.Path())
	}
	return ""
}

// scopeWords say what bans close, by offence.
func scopeWords(scopes []config.Scope) string {
	words := make([]string, len(scopes))
	for i, s := range scopes {
		words[i] = incident.Scope(s).Words()
	}
	return strings.Join(words, ", then ")
}

func ladderWords(times []time.Duration) string {
	words := make([]string, len(times))
	for i, d := range times {
		words[i] = config.FormatDuration(d)
	}
	return strings.Join(words, ", then ")
}

// Widths of the two columns, in characters: a terminal has 100 or more.
const (
	whenWidth = 56
	thenWidth = 42
)

// columns prints two columns, each of which wraps.
func columns(w io.Writer, rows [][2]string) {
	for _, row := range rows {
		left, right := wrap(row[0], whenWidth), wrap(row[1], thenWidth)
		for i := range max(len(left), len(right)) {
			line := fmt.Sprintf("%-*s  %s", whenWidth, at(left, i), at(right, i))
			fmt.Fprintln(w, output.Plain(strings.TrimRight(line, " ")))
		}
	}
}

func at(lines []string, i int) string {
	if i < len(lines) {
		return lines[i]
	}
	return ""
}

// wrap breaks a text into lines.
func wrap(text string, width int) (lines []string) {
	line := ""
	for word := range strings.FieldsSeq(text) {
		if line != "" && len(line)+1+len(word) > width {
			lines = append(lines, line)
			line = ""
		}
		line = strings.TrimPrefix(line+" "+word, " ")
	}
	return append(lines, line)
}
