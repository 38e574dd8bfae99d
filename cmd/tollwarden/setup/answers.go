package setup

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/BurntSushi/toml"

	"github.com/tollwarden/tollwarden/config"
)

// Answers are what setup has to know. A list has one text for each element, anything else
// has one, and nothing is "".
type Answers map[string][]string

// Answers of questions that offer a choice.
const (
	modeProtect, modeWatch = "protect", "watch"
	logAdd, logNone        = "add", "none"
	yes, no                = "yes", "no"
)

// one is the answer to a question that takes one text.
func (a Answers) one(key string) string {
	if list := a[key]; len(list) > 0 {
		return list[0]
	}
	return ""
}

// ReadAnswers reads a file of answers, which need not have all of them. Every key that is
// unknown is reported.
func ReadAnswers(path string) (Answers, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("answers: %w", err)
	}
	var values map[string]any
	if _, err := toml.Decode(string(data), &values); err != nil {
		return nil, fmt.Errorf("answers %s: %w", path, err)
	}
	a := Answers{}
	var problems []error
	for key, value := range values {
		words, ok := textsOf(value)
		if !ok {
			problems = append(problems, fmt.Errorf("answers %s: %s: want text in quotes, a number, or a list of them", path, key))
			continue
		}
		if err := a.Set(key, words...); err != nil {
			problems = append(problems, fmt.Errorf("answers %s: %w", path, err))
		}
	}
	slices.SortFunc(problems, func(a, b error) int { return strings.Compare(a.Error(), b.Error()) })
	return a, errors.Join(problems...)
}

// textsOf are the texts of a value or a list.
func textsOf(value any) (words []string, ok bool) {
	list, isList := value.([]any)
	if !isList {
		list = []any{value}
	}
	words = []string{}
	for _, v := range list {
		switch v := v.(type) {
		case string:
			words = append(words, v)
		case int64:
			words = append(words, fmt.Sprint(v))
		case bool:
			words = append(words, map[bool]string{true: yes, false: no}[v])
		default:
			return nil, false
		}
	}
	return words, true
}

// Set takes the answer to a question, without its check, which needs to know the site.
func (a Answers) Set(key string, words ...string) error {
	q := questionOf(key)
	if q == nil {
		text := fmt.Sprintf("%s: there is no such question: `tollwarden setup --print-answers` lists them", key)
		if near := nearest(key); near != "" {
			text = fmt.Sprintf("%s: there is no such question: did you mean %s?", key, near)
		}
		return errors.New(text)
	}
	words = slices.DeleteFunc(slices.Clone(words), func(w string) bool { return strings.TrimSpace(w) == "" })
	if !q.list && len(words) > 1 {
		return fmt.Errorf("%s: want one answer, not %d", key, len(words))
	}
	a[key] = words
	return nil
}

// nearest is the question whose key is most like another, "" if none is.
func nearest(key string) (best string) {
	distance := 4
	for _, q := range questions {
		if d := config.EditDistance(strings.ToLower(key), q.key); d < distance {
			best, distance = q.key, d
		}
	}
	return best
}

// Text writes answers as a file that ReadAnswers takes, with what each of them means.
func (a Answers) Text() string {
	var b strings.Builder
	b.WriteString("# Answers for `tollwarden setup --answers FILE`. Leave out what setup is to find by itself.\n")
	for _, q := range questions {
		b.WriteString("\n# " + q.title + ": " + q.help + "\n")
		words := a[q.key]
		if !q.list {
			fmt.Fprintf(&b, "%s = %q\n", q.key, a.one(q.key))
			continue
		}
		fmt.Fprintf(&b, "%s = [%s]\n", q.key, strings.Join(quoted(words), ", "))
	}
	return b.String()
}

// Example is a file of answers with what is in force or, without a configuration, with what
// is found on this machine.
func (s *Setup) Example(ctx context.Context) (string, error) {
	f, err := s.find(ctx)
	if err != nil {
		return "", err
	}
	_, current, err := s.current()
	if err != nil {
		return "", err
	}
	a := Answers{}
	for _, q := range questions {
		if given, ok := s.Given[q.key]; ok {
			a[q.key] = given
		} else if now, ok := current[q.key]; ok {
			a[q.key] = now
		} else {
			a[q.key] = q.propose(&f, a)
		}
	}
	return a.Text(), nil
}
