// Command summary runs `go test -json` and prints what a person needs of it:
// the output of what failed, a line for each package, and in the end every
// test that could not run here, with what it says is missing.
//
//	go run ./test/summary -- go test -race -json ./...
//
// Several commands, separated by --, run side by side and make one summary. What is no
// event of go test, as the output of a linter, is printed as it comes.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
)

func main() {
	args := os.Args[1:]
	if len(args) > 0 && args[0] == "--" {
		args = args[1:]
	}
	if len(args) == 0 {
		fmt.Fprintln(os.Stderr, "usage: summary -- go test -json … [-- go test -json …]")
		os.Exit(2)
	}
	os.Exit(run(commands(args)))
}

// commands splits a command line at each --.
func commands(args []string) (list [][]string) {
	for len(args) > 0 {
		n := slices.Index(args, "--")
		if n < 0 {
			return append(list, args)
		}
		list, args = append(list, args[:n]), args[n+1:]
	}
	return list
}

func run(commands [][]string) (code int) {
	s := summary{w: os.Stdout, output: map[string][]string{}}
	var all sync.WaitGroup
	for _, args := range commands {
		all.Go(func() {
			if err := s.run(args); err != nil {
				s.fail(fmt.Sprintf("%s: %v", strings.Join(args[:min(len(args), 4)], " "), err))
			}
		})
	}
	all.Wait()
	s.print()
	if len(s.failures) > 0 || s.failed > 0 {
		code = 1
	}
	return code
}

// run runs one command and reads what it reports.
func (s *summary) run(args []string) error {
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		return err
	}
	s.read(out)
	return cmd.Wait()
}

// event is one line of go test -json (see `go doc test2json`).
type event struct {
	Action     string
	Package    string
	ImportPath string
	Test       string
	Output     string
	Elapsed    float64
}

// summary is what all commands have reported.
type summary struct {
	mu                      sync.Mutex
	w                       io.Writer
	output                  map[string][]string // by package and test, until its result is known
	passed, failed, skipped int
	skips                   []string
	failures                []string // commands that failed
}

func (s *summary) read(r io.Reader) {
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, 16<<20)
	for lines.Scan() {
		var e event
		err := json.Unmarshal(lines.Bytes(), &e)
		s.mu.Lock()
		if err != nil {
			fmt.Fprintln(s.w, lines.Text())
		} else {
			s.add(e)
		}
		s.mu.Unlock()
	}
}

func (s *summary) fail(command string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.failures = append(s.failures, command)
}

func (s *summary) add(e event) {
	key := e.Package + e.ImportPath + " " + e.Test
	switch e.Action {
	case "output", "build-output":
		s.output[key] = append(s.output[key], e.Output)
		return
	case "pass", "fail", "skip", "build-fail":
	default:
		return
	}
	output := s.output[key]
	delete(s.output, key)
	if e.Action == "fail" || e.Action == "build-fail" {
		fmt.Fprint(s.w, strings.Join(output, ""))
	}
	if e.Test == "" {
		if e.Action != "build-fail" {
			fmt.Fprintf(s.w, "%-4s %s %.1fs\n", e.Action, e.Package, e.Elapsed)
		}
		return
	}
	switch e.Action {
	case "pass":
		s.passed++
	case "fail":
		s.failed++
	case "skip":
		s.skipped++
		s.skips = append(s.skips, e.Test+": "+reason(output))
	}
}

// reason is the text that the test gave to t.Skip.
func reason(output []string) string {
	for _, line := range slices.Backward(output) {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "---") || strings.HasPrefix(line, "===") {
			continue
		}
		if _, text, ok := strings.Cut(line, ".go:"); ok {
			if _, text, ok = strings.Cut(text, ": "); ok {
				return text
			}
		}
		return line
	}
	return "no reason given"
}

func (s *summary) print() {
	if len(s.skips) > 0 {
		fmt.Fprintln(s.w, "\nCould not run here:")
		for _, line := range s.skips {
			fmt.Fprintln(s.w, "  "+line)
		}
	}
	if len(s.failures) > 0 {
		fmt.Fprintln(s.w, "\nFailed:")
		for _, line := range s.failures {
			fmt.Fprintln(s.w, "  "+line)
		}
	}
	fmt.Fprintf(s.w, "\n%d passed, %d failed, %d skipped\n", s.passed, s.failed, s.skipped)
}
