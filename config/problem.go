package config

import (
	"cmp"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"unicode"

	"github.com/BurntSushi/toml"
)

// Problem is one thing wrong with a file.
type Problem struct {
	File string
	Line int    // 1-based; 0 when the key is not in the file
	Key  string // dotted
	Text string // what is wrong, and the accepted range
}

// Error is one line for an administrator.
func (p Problem) Error() string {
	where := p.File
	if p.Line > 0 {
		where += ":" + strconv.Itoa(p.Line)
	}
	if p.Key == "" {
		return where + ": " + oneLine(p.Text)
	}
	return where + ": " + oneLine(p.Key) + ": " + oneLine(p.Text)
}

// oneLine escapes what must not reach a terminal or a log: keys, and messages of
// the TOML library that quote the file, can hold anything.
func oneLine(s string) string {
	if strings.IndexFunc(s, func(r rune) bool { return !unicode.IsPrint(r) }) < 0 {
		return s
	}
	return strings.Trim(strconv.QuoteToGraphic(s), `"`)
}

var (
	// position is how the messages of the TOML library's decoder begin; Problem
	// gives the position in our own form.
	position = regexp.MustCompile(`^toml: (?:line (\d+) )?(?:\(last key "([^"]*)"\))?:? ?`)
	// wrongType is its message about a value of the wrong type, in Go's words.
	wrongType = regexp.MustCompile(`^incompatible types: TOML value has type (\S+); destination has type (\S+)$`)
	// wrongTable is its message about a table that is none, or the other way round.
	wrongTable = regexp.MustCompile(`^type mismatch for .*: expected (\S+) but found (\S+)$`)
	// noQuotes is its message about text without quotes.
	noQuotes = regexp.MustCompile(`^expected value but found "([^"]*)" instead$`)
)

// typeWords name the types of the TOML library for people.
var typeWords = map[string]string{
	"string": "text in quotes", "int64": "a number", "integer": "a whole number", "float64": "a fraction",
	"bool": "true or false", "boolean": "true or false", "slice": "a list in brackets", "array": "a list in brackets",
	"table": "a table", "map": "a table", "struct": "a table", "time.Time": "a date", "map[string]any": "a table",
	"map[string]interface": "a table", "[]map[string]any": "a table in double brackets", "[]any": "a list in brackets",
}

func decodeProblem(name string, err error) error {
	var pe toml.ParseError
	if errors.As(err, &pe) && pe.Message != "" {
		return Problem{File: name, Line: pe.Position.Line, Key: pe.LastKey, Text: plainTypes(pe.Message)}
	}
	m := position.FindStringSubmatch(err.Error())
	if m == nil {
		return Problem{File: name, Text: err.Error()}
	}
	line, _ := strconv.Atoi(m[1]) // 0, unknown, when the message has none
	return Problem{File: name, Line: line, Key: m[2], Text: plainTypes(err.Error()[len(m[0]):])}
}

// plainTypes rewords the library's message about a value of the wrong type.
func plainTypes(text string) string {
	if m := noQuotes.FindStringSubmatch(text); m != nil {
		return fmt.Sprintf("want a value, not %s: text needs quotes, such as %q", m[1], m[1])
	}
	if m := wrongTable.FindStringSubmatch(text); m != nil {
		return "want " + cmp.Or(typeWords[m[1]], m[1]) + ", not " + cmp.Or(typeWords[m[2]], "something else")
	}
	m := wrongType.FindStringSubmatch(text)
	if m == nil {
		return text
	}
	return "want " + cmp.Or(typeWords[m[2]], m[2]) + ", not " + cmp.Or(typeWords[m[1]], "something else")
}
