package check

import (
	"fmt"
	"io"
	"strings"

	"github.com/tollwarden/tollwarden/cmd/tollwarden/output"
)

// State is how a check ended.
type State string

// The states. Only Failed makes the whole check fail.
const (
	OK      State = "ok"
	Note    State = "note"    // good to know
	Warning State = "warning" // works, but a person should look at it
	Failed  State = "failed"  // an attack would not be stopped as configured
)

// Result is one thing that was found out.
type Result struct {
	Check string   `json:"check"` // what was tried, such as "call events"
	State State    `json:"state"`
	Text  string   `json:"text"`
	Fix   string   `json:"fix,omitempty"`  // the one command that helps
	List  []string `json:"list,omitempty"` // lines that belong to Text
}

func passed(format string, args ...any) Result {
	return Result{State: OK, Text: fmt.Sprintf(format, args...)}
}

func note(format string, args ...any) Result {
	return Result{State: Note, Text: fmt.Sprintf(format, args...)}
}

func warning(format string, args ...any) Result {
	return Result{State: Warning, Text: fmt.Sprintf(format, args...)}
}

func failed(format string, args ...any) Result {
	return Result{State: Failed, Text: fmt.Sprintf(format, args...)}
}

// fix adds the command that helps.
func (r Result) fix(command string) Result {
	r.Fix = command
	return r
}

// with adds lines.
func (r Result) with(lines ...string) Result {
	r.List = lines
	return r
}

// print writes a result as people read it. The fix is alone on its line, to be copied.
func (r Result) print(w io.Writer) {
	word := string(r.State)
	if r.State == Failed {
		word = "FAILED"
	}
	fmt.Fprintf(w, "%-8s %s: %s\n", word, r.Check, output.PlainLines(strings.TrimSuffix(r.Text, ".")))
	for _, line := range r.List {
		fmt.Fprintf(w, "           %s\n", output.Plain(line))
	}
	if r.Fix != "" {
		fmt.Fprintf(w, "         fix: %s\n", output.Plain(r.Fix))
	}
}

// Report is everything that was found out.
type Report struct {
	Mode     string   `json:"mode"`
	Rules    []Rule   `json:"rules"`
	Results  []Result `json:"results"`
	Passed   int      `json:"passed"`
	Warnings int      `json:"warnings"`
	Failed   int      `json:"failed"`
}

// count adds results up.
func (r *Report) count() {
	r.Passed, r.Warnings, r.Failed = 0, 0, 0
	for _, one := range r.Results {
		switch one.State {
		case OK:
			r.Passed++
		case Warning:
			r.Warnings++
		case Failed:
			r.Failed++
		}
	}
}

// Summary is the last line.
func (r *Report) Summary() string {
	counts := []string{fmt.Sprintf("%d passed", r.Passed)}
	switch r.Warnings {
	case 0:
	case 1:
		counts = append(counts, "1 warning")
	default:
		counts = append(counts, fmt.Sprintf("%d warnings", r.Warnings))
	}
	if r.Failed == 0 {
		return strings.Join(counts, ", ") + ", none failed."
	}
	return strings.Join(counts, ", ") + fmt.Sprintf(", %d FAILED: run the command under each, then `tollwarden check` again.", r.Failed)
}
