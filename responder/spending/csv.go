package spending

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"math"
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
	Again     int      // prefixes that an earlier row had: the dearer rate counts
	Skipped   int      // rows that hold neither a prefix nor a rate: titles and remarks
	Example   string   // the first of these, with its line
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
// may be a comma. Columns are found by the names in one of the first rows, or, if there are
// none, by what the first holds. An error names the line, and is a CSVError if it is about
// rows.
func ReadCSV(in io.Reader) (*Rates, Summary, error) {
	text, comma, err := readText(in)
	if err != nil {
		return nil, Summary{}, err
	}
	t := &tableReader{rates: &Rates{}}
	if err := eachRow(text, comma, t.look); err != nil {
		return nil, Summary{}, err
	}
	if err := t.settle(); err != nil {
		return nil, Summary{}, err
	}
	if err := eachRow(text, comma, t.read); err != nil {
		return nil, Summary{}, err
	}
	return t.finish()
}

// eachRow calls see with each row that is not blank, and its line, until see returns an error.
// The row is borrowed.
func eachRow(text []byte, comma rune, see func(line int, row []string) error) error {
	r := csv.NewReader(bytes.NewReader(text))
	r.Comma, r.FieldsPerRecord, r.ReuseRecord = comma, -1, true
	for {
		row, err := r.Read()
		if errors.Is(err, io.EOF) {
			return nil
		}
		var wrong *csv.ParseError
		if errors.As(err, &wrong) {
			return fmt.Errorf("line %d: not CSV: a quote is not closed, or stands within a field", wrong.StartLine)
		}
		if err != nil {
			return err
		}
		if blank(row) {
			continue
		}
		line, _ := r.FieldPos(0)
		if err := see(line, row); err != nil {
			return err
		}
	}
}

// readText reads a file as UTF-8, without its byte order mark, and says what its delimiter is.
// The end of a line may be that of any system, and the first line may be that in which Excel
// names the delimiter; it stays, so that lines are counted as the file has them.
func readText(in io.Reader) (text []byte, comma rune, err error) {
	text, err = io.ReadAll(io.LimitReader(bufio.NewReader(in), maxFile+1))
	switch {
	case err != nil:
		return nil, 0, err
	case len(text) > maxFile:
		return nil, 0, fmt.Errorf("larger than %d MB: not a list of rates", maxFile>>20)
	case bytes.HasPrefix(text, []byte{0xff, 0xfe}), bytes.HasPrefix(text, []byte{0xfe, 0xff}):
		return nil, 0, errors.New("line 1: UTF-16: save it as CSV in UTF-8")
	case bytes.IndexByte(text, 0) >= 0:
		return nil, 0, errors.New("not a text file: save the list as CSV")
	}
	text = bytes.TrimPrefix(text, []byte("\xef\xbb\xbf"))
	if !utf8.Valid(text) { // Excel's, of western Europe
		runes := make([]rune, len(text))
		for i, b := range text {
			if runes[i] = rune(b); b == 0x80 {
				runes[i] = '€'
			}
		}
		text = []byte(string(runes))
	}
	if !bytes.Contains(text, []byte("\n")) {
		text = bytes.ReplaceAll(text, []byte("\r"), []byte("\n"))
	}
	if named, ok := bytes.CutPrefix(text, []byte("sep=")); ok && len(named) > 1 && (named[1] == '\n' || named[1] == '\r') && bytes.IndexByte([]byte(",;\t|"), named[0]) >= 0 {
		return append([]byte("     "), named[1:]...), rune(named[0]), nil
	}
	return text, delimiter(text), nil
}

// delimiter is the delimiter of most of the first lines with any, outside quotes.
func delimiter(text []byte) rune {
	lines, quoted := map[byte]int{}, false
	for line := range bytes.Lines(text[:min(len(text), 64<<10)]) {
		count := map[byte]int{}
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
			lines[';']++
		case count['\t'] > 0:
			lines['\t']++
		case count[','] > 0:
			lines[',']++
		}
	}
	most := byte(',')
	for _, c := range []byte("\t;") {
		if lines[c] >= lines[most] && lines[c] > 0 {
			most = c
		}
	}
	return rune(most)
}

// maxTitle is how many rows may come before that of the names.
const maxTitle = 30

// tableReader reads the rows of a file: twice, since only the whole says where the columns are.
type tableReader struct {
	rates    *Rates
	columns  columns
	start    int // the line of the names, or of the first row
	header   bool
	names    []string
	problem  error // why the first row holds no columns
	looked   int
	within   int // prefixes that begin with the country's code of their row
	beside   int // and that do not
	summary  Summary
	problems CSVError
	wrong    int // rows
}

// look finds the columns, and counts what they hold.
func (t *tableReader) look(line int, row []string) error {
	if t.start == 0 {
		if t.looked++; t.looked > maxTitle {
			return t.problem
		}
		var c columns
		header, err := c.find(row)
		if err != nil {
			if t.problem == nil || !errors.Is(err, errNoColumns) {
				t.problem = fmt.Errorf("line %d: %w", line, err)
			}
			if !header {
				return t.problem
			}
			return nil
		}
		t.columns, t.start, t.header, t.names = c, line, header, slices.Clone(row)
		return nil
	}
	if country, rest := digitsOf(cellOf(row, t.columns.country)), digitsOf(cellOf(row, t.columns.prefix)); country != "" && rest != "" {
		if strings.HasPrefix(rest, country) {
			t.within++
		} else {
			t.beside++
		}
	}
	return nil
}

// settle decides what the columns hold, once all rows have been seen: the code of an area may
// have the country's in front already.
func (t *tableReader) settle() error {
	switch {
	case t.start > 0:
	case t.problem != nil:
		return t.problem
	default:
		return errNoRates
	}
	if t.within > 0 && t.beside == 0 {
		t.columns.country = -1
	}
	t.summary.Columns = t.columns.words(t.names, t.header)
	t.summary.Increment, t.summary.Fee = t.columns.increment >= 0, t.columns.fee >= 0
	return nil
}

// digitsOf is a prefix without what may be in front of it.
func digitsOf(cell string) string {
	return strings.TrimPrefix(strings.TrimPrefix(strings.TrimPrefix(cell, "'"), "+"), "00")
}

func cellOf(row []string, n int) string {
	if n < 0 || n >= len(row) {
		return ""
	}
	return strings.Trim(row[n], " \u00a0\t\r\n")
}

// errNoRates says that nothing in a file is a rate.
var errNoRates = errors.New("the file holds no rates")

func (t *tableReader) read(line int, row []string) error {
	if line < t.start || t.header && line == t.start {
		if line < t.start {
			t.skip(line, row)
		}
		return nil
	}
	if t.remark(row) {
		t.skip(line, row)
		return nil
	}
	if err := t.row(row); err != nil {
		if t.wrong++; t.wrong <= maxProblems {
			t.problems = append(t.problems, fmt.Sprintf("line %d: %v", line, err))
		}
	}
	if t.rates.Len() > maxPrefixes {
		return fmt.Errorf("line %d: more than %d prefixes", line, maxPrefixes)
	}
	return nil
}

// remark says whether a row is none of a rate: it has no prefix and no amount, like the name of
// a continent or a footnote, or it repeats the names.
func (t *tableReader) remark(row []string) bool {
	if t.header && slices.Equal(row, t.names) {
		return true
	}
	_, notMoney := parseMoney(cellOf(row, t.columns.rate))
	return notMoney != nil && !strings.ContainsAny(cellOf(row, t.columns.rate), "0123456789") && !isPrefix(cellOf(row, t.columns.prefix)) && !isPrefix(cellOf(row, t.columns.country))
}

func (t *tableReader) skip(line int, row []string) {
	if t.summary.Skipped++; t.summary.Skipped == 1 {
		t.summary.Example = fmt.Sprintf("line %d: %s", line, quoted(strings.TrimSpace(strings.Join(row, " "))))
	}
}

// row enters one row.
func (t *tableReader) row(row []string) error {
	cell := func(n int) string { return cellOf(row, n) }
	prefixes, err := parsePrefixes(cell(t.columns.country), cell(t.columns.prefix))
	if err != nil {
		return err
	}
	rate := Rate{First: 60, Step: 60, Name: nameOf(cell(t.columns.name))}
	amount, err := parseAmount(cell(t.columns.rate))
	if err != nil {
		return fmt.Errorf("rate %w", err)
	}
	if t.columns.cents {
		amount /= 100
	}
	if t.columns.perSecond {
		amount = min(amount, math.MaxInt64/60) * 60
	}
	if rate.PerMinute = Money((amount + 500) / 1000); rate.PerMinute > maxRate {
		return fmt.Errorf("rate %q: more than %d a minute: is it in hundredths, or the wrong column?", cell(t.columns.rate), maxRate/unit)
	}
	if text := cell(t.columns.fee); text != "" && text != "-" {
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
	if text := cell(t.columns.first); text != "" {
		if rate.First, _, err = parseIncrement(text); err != nil {
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
	case t.wrong > maxProblems:
		return nil, t.summary, append(t.problems, fmt.Sprintf("and %d more lines that cannot be read", t.wrong-maxProblems))
	case len(t.problems) > 0:
		return nil, t.summary, t.problems
	case t.rates.Len() == 0:
		return nil, t.summary, errNoRates
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
