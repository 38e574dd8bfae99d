package setup

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
)

// errAborted ends an interview whose answers ended.
var errAborted = errors.New("the answers ended")

// interview asks what is not given, one screen for each question. current are the answers
// of an earlier setup, nil if there was none.
func (s *Setup) interview(f *site, given, current Answers) (Answers, error) {
	a := Answers{}
	n := 0
	for _, q := range questions {
		if q.skip != nil && q.skip(f, a) {
			continue
		}
		words, isGiven := given[q.key]
		if !isGiven {
			var known bool
			if words, known = current[q.key]; !known {
				words = q.propose(f, a)
			}
		}
		if isGiven || s.Agreed {
			if len(q.choices) > 0 && len(words) == 0 {
				words = q.propose(f, a)
			}
			answer, err := q.answerOf(f, a, words)
			if err == nil && q.key == "mail_server" && len(answer) == 0 {
				err = errors.New("missing: name a mail server, such as mail.example.org:25")
			}
			if err != nil {
				return nil, fmt.Errorf("%s: %w", q.key, err)
			}
			a[q.key] = answer
			continue
		}
		n++
		answer, err := s.screen(q, n, f, a, words)
		if err != nil {
			return nil, err
		}
		a[q.key] = answer
	}
	return a, nil
}

// screen asks one question until the answer is good.
func (s *Setup) screen(q *question, n int, f *site, a Answers, proposed []string) ([]string, error) {
	fmt.Fprintf(s.Out, "\n%d. %s\n\n", n, q.title)
	if q.found != nil {
		for _, line := range q.found(f, a) {
			fmt.Fprintf(s.Out, "   %s\n", line)
		}
	}
	fmt.Fprintf(s.Out, "   %s\n", q.ask)
	hint := "[" + shown(q, proposed) + "]"
	if len(q.choices) > 0 {
		hint = strings.Join(q.choices, "/") + " " + hint
	} else if len(proposed) > 0 && q.key != "log" {
		hint += `, or "none"`
	}
	for {
		fmt.Fprintf(s.Out, "   %s: ", hint)
		line, ok := readLine(s.In)
		if !ok {
			fmt.Fprintln(s.Out)
			return nil, errAborted
		}
		given := proposed
		switch line = strings.TrimSpace(line); {
		case line == "":
		case len(q.choices) == 0 && q.key != "log" && (line == "none" || line == "-"):
			given = nil
		case q.list:
			given = splitList(line)
		default:
			given = []string{line}
		}
		answer, err := q.answerOf(f, a, given)
		if err == nil && q.key == "mail_server" && len(answer) == 0 {
			err = errors.New("e-mail needs a mail server")
		}
		if err == nil {
			return answer, nil
		}
		fmt.Fprintf(s.Out, "   That does not work: %v\n", err)
	}
}

// shown is a proposed answer on the screen. The address of a webhook is a secret.
func shown(q *question, words []string) string {
	if len(words) == 0 {
		return "nothing"
	}
	if q.key == "webhook" {
		return "as it is"
	}
	return strings.Join(words, ", ")
}

// splitList takes a list with commas.
func splitList(line string) []string {
	list := strings.Split(line, ",")
	for i, w := range list {
		list[i] = strings.TrimSpace(w)
	}
	return slices.DeleteFunc(list, func(w string) bool { return w == "" })
}

// agree asks until the answer is yes or no; the end of the input is no. Enter alone is
// neither: it would throw away a whole interview, or write what nobody has read. It reads no
// more than the answer.
func agree(in io.Reader, out io.Writer, agreed bool, question string) bool {
	for !agreed {
		fmt.Fprintf(out, "%s [y/n] ", question)
		answer, ok := readLine(in)
		if !ok {
			fmt.Fprintln(out)
			return false
		}
		switch strings.ToLower(strings.TrimSpace(answer)) {
		case "y", "yes":
			return true
		case "n", "no":
			return false
		}
		fmt.Fprintln(out, "Please answer y or n.")
	}
	return true
}

// readLine reads a line byte by byte, since another question may follow; ok is false at the
// end of the input.
func readLine(in io.Reader) (text string, ok bool) {
	var line []byte
	for b := make([]byte, 1); ; {
		n, err := in.Read(b)
		if n > 0 && b[0] != '\n' {
			line = append(line, b[0])
		}
		if err != nil {
			return string(line), len(line) > 0
		}
		if n > 0 && b[0] == '\n' {
			return string(line), true
		}
	}
}
