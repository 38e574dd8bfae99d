package spending

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"
)

// Bounds of a carrier's file.
const (
	maxFile     = 32 << 20 // bytes
	maxPrefixes = 500_000
	maxProblems = 20
	maxName     = 60 // runes of a destination's name
)

// Summary says what was read from a file.
type Summary struct {
	Rows      int
	Again     int      // rows with a prefix that an earlier one had: the dearer rate counts
	Columns   []string // which column was taken for what
	Increment bool     // the file has billing increments
	Fee       bool     // and fees per call
}

// CSVError are the rows of a file that cannot be read. Nothing of the file is used.
type CSVError []string

// Error lists them, one a line.
func (e CSVError) Error() string { return strings.Join(e, "\n") }

// ReadCSV reads a carrier's list of rates: one prefix a row, or several in one cell, and
// what a minute costs. The delimiter is a comma, a semicolon or a tab; the decimal point
// may be a comma. Columns are found by the names in the first row, or, if that has none,
// by what the others hold. An error names the line, and is a CSVError if it is about rows.
func ReadCSV(in io.Reader) (*Rates, Summary, error) {
	text, err := readText(in)
	if err != nil {
		return nil, Summary{}, err
	}
	r := csv.NewReader(bytes.NewReader(text))
	r.Comma, r.FieldsPerRecord, r.ReuseRecord = delimiter(text), -1, true
	t := &tableReader{rates: &Rates{}}
	for {
		row, err := r.Read()
		if errors.Is(err, io.EOF) {
			return t.finish()
		}
		var wrong *csv.ParseError
		if errors.As(err, &wrong) {
			return nil, Summary{}, fmt.Errorf("line %d: not CSV: a quote is not closed, or stands within a field", wrong.StartLine)
		}
		if err != nil {
			return nil, Summary{}, err
		}
		line, _ := r.FieldPos(0)
		if err := t.read(line, row); err != nil {
			return nil, Summary{}, err
		}
	}
}

// readText reads a file without its byte order mark.
func readText(in io.Reader) ([]byte, error) {
	text, err := io.ReadAll(io.LimitReader(bufio.NewReader(in), maxFile+1))
	switch {
	case err != nil:
		return nil, err
	case len(text) > maxFile:
		return nil, fmt.Errorf("larger than %d MB: not a list of rates", maxFile>>20)
	case bytes.HasPrefix(text, []byte{0xff, 0xfe}), bytes.HasPrefix(text, []byte{0xfe, 0xff}):
		return nil, errors.New("line 1: UTF-16: save it as CSV in UTF-8")
	case bytes.IndexByte(text, 0) >= 0:
		return nil, errors.New("not a text file: save the list as CSV")
	}
	return bytes.TrimPrefix(text, []byte("\xef\xbb\xbf")), nil
}

// delimiter is the delimiter that the first line with any has most often, outside quotes.
func delimiter(text []byte) rune {
	for line := range bytes.Lines(text[:min(len(text), 64<<10)]) {
		count, quoted := map[byte]int{}, false
		for _, c := range line {
			switch c {
			case '"':
				quoted = !quoted
			case ',', ';', '\t':
				if !quoted {
					count[c]++
				}
			}
		}
		switch {
		case count[';'] > 0: // the comma is a decimal one
			return ';'
		case count['\t'] > 0:
			return '\t'
		case count[','] > 0:
			return ','
		}
	}
	return ','
}

// tableReader reads the rows of a file.
type tableReader struct {
	rates    *Rates
	columns  columns
	known    bool // columns
	summary  Summary
	problems CSVError
}

func (t *tableReader) read(line int, row []string) error {
	if blank(row) {
		return nil
	}
	if !t.known {
		header, err := t.columns.find(row)
		if err != nil {
			return fmt.Errorf("line %d: %w", line, err)
		}
		t.known, t.summary.Columns = true, t.columns.words(row, header)
		t.summary.Increment, t.summary.Fee = t.columns.increment >= 0, t.columns.fee >= 0
		if header {
			return nil
		}
	}
	if err := t.row(row); err != nil && len(t.problems) <= maxProblems {
		t.problems = append(t.problems, fmt.Sprintf("line %d: %v", line, err))
	}
	if t.rates.Len() > maxPrefixes {
		return fmt.Errorf("line %d: more than %d prefixes", line, maxPrefixes)
	}
	return nil
}

// row enters one row.
func (t *tableReader) row(row []string) error {
	cell := func(n int) string {
		if n < 0 || n >= len(row) {
			return ""
		}
		return strings.TrimSpace(row[n])
	}
	prefixes, err := parsePrefixes(cell(t.columns.prefix))
	if err != nil {
		return err
	}
	rate := Rate{First: 60, Step: 60, Name: nameOf(cell(t.columns.name))}
	if rate.PerMinute, err = parseMoney(cell(t.columns.rate)); err != nil {
		return fmt.Errorf("rate %w", err)
	}
	if t.columns.cents {
		rate.PerMinute /= 100
	}
	if rate.PerMinute > maxRate {
		return fmt.Errorf("rate %q: more than %d a minute: is it in hundredths, or the wrong column?", cell(t.columns.rate), maxRate/unit)
	}
	if text := cell(t.columns.fee); text != "" {
		if rate.Fee, err = parseMoney(text); err != nil {
			return fmt.Errorf("fee %w", err)
		}
		if rate.Fee > maxRate {
			return fmt.Errorf("fee %q: more than %d a call", text, maxRate/unit)
		}
	}
	if text := cell(t.columns.increment); text != "" {
		if rate.First, rate.Step, err = parseIncrement(text); err != nil {
			return err
		}
	}
	t.summary.Rows++
	for _, p := range prefixes {
		if t.rates.add(p, rate) {
			t.summary.Again++
		}
	}
	return nil
}

func (t *tableReader) finish() (*Rates, Summary, error) {
	switch {
	case len(t.problems) > maxProblems:
		t.problems[maxProblems] = "and more"
		return nil, t.summary, t.problems
	case len(t.problems) > 0:
		return nil, t.summary, t.problems
	case t.rates.Len() == 0:
		return nil, t.summary, errors.New("the file holds no rates")
	}
	return t.rates, t.summary, nil
}

func blank(row []string) bool {
	return !slices.ContainsFunc(row, func(s string) bool { return strings.TrimSpace(s) != "" })
}

// nameOf makes the name of a destination safe to store and to show.
func nameOf(s string) string {
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r == utf8.RuneError || r == ';' || r == '"' {
			return -1
		}
		return r
	}, strings.ToValidUTF8(s, ""))
	if runes := []rune(s); len(runes) > maxName {
		s = string(runes[:maxName])
	}
	return strings.TrimSpace(s)
}

// WriteCSV writes a table as ReadCSV reads it.
func WriteCSV(out io.Writer, r *Rates) error {
	w := bufio.NewWriter(out)
	fmt.Fprintln(w, "prefix;rate;fee;increment;destination")
	for _, p := range r.List() {
		fmt.Fprintf(w, "%s;%s;%s;%d/%d;%s\n", p.Prefix, p.Rate.PerMinute.decimal(), p.Rate.Fee.decimal(), p.Rate.First, p.Rate.Step, p.Rate.Name)
	}
	return w.Flush()
}
