package edit

import (
	"fmt"
	"strconv"
	"strings"
)

// statement is a header or a key with its value, with the lines that it takes.
type statement struct {
	header     bool     // [table] or [[table]]
	array      bool     // [[table]]
	path       []string // of the table or key, absolute
	table      []string // of a key: the header that it stands under
	inArray    bool     // below a [[table]]: its path does not say in which element
	start, end int      // whole lines, with the line end
	from, to   int      // of a key: its value
}

// scanner reads TOML that the decoder has accepted.
type scanner struct {
	text string
	at   int
}

func (s *scanner) fail(what string) error {
	return fmt.Errorf("line %d: %s: change it by hand", 1+strings.Count(s.text[:min(s.at, len(s.text))], "\n"), what)
}

// scan lists the statements of a text.
func scan(text string) ([]statement, error) {
	s := &scanner{text: text, at: len(text) - len(strings.TrimPrefix(text, "\ufeff"))}
	var (
		list    []statement
		table   []string
		arrays  [][]string
		inArray bool
	)
	for s.at < len(text) {
		start := s.at
		s.space()
		var st statement
		var err error
		switch {
		case s.at == len(text) || s.text[s.at] == '#' || s.text[s.at] == '\n' || s.text[s.at] == '\r':
			s.line()
			continue
		case s.text[s.at] == '[':
			if st, err = s.headerLine(); err != nil {
				return nil, err
			}
			table = st.path
			if st.array {
				arrays = append(arrays, st.path)
			}
			inArray = st.array || below(arrays, st.path)
		default:
			if st, err = s.keyLine(); err != nil {
				return nil, err
			}
			st.table, st.path = table, append(append([]string{}, table...), st.path...)
		}
		if err := s.endOfLine(); err != nil {
			return nil, err
		}
		st.start, st.end, st.inArray = start, s.at, inArray
		list = append(list, st)
	}
	return list, nil
}

// below says whether a table belongs to an element of an array of tables.
func below(arrays [][]string, path []string) bool {
	for _, a := range arrays {
		if hasPrefix(path, a) {
			return true
		}
	}
	return false
}

func (s *scanner) headerLine() (statement, error) {
	st := statement{header: true}
	s.at++
	if st.array = s.next('['); st.array {
		s.at++
	}
	var err error
	if st.path, err = s.key(); err != nil {
		return st, err
	}
	if !s.next(']') || st.array && !strings.HasPrefix(s.text[s.at:], "]]") {
		return st, s.fail("a table's header that cannot be read")
	}
	s.at++
	if st.array {
		s.at++
	}
	return st, nil
}

func (s *scanner) keyLine() (st statement, err error) {
	if st.path, err = s.key(); err != nil {
		return st, err
	}
	if !s.next('=') {
		return st, s.fail("a key without a value")
	}
	s.at++
	s.space()
	st.from = s.at
	if err := s.value(); err != nil {
		return st, err
	}
	st.to = s.at
	return st, nil
}

// key reads a dotted key, whose parts may be quoted.
func (s *scanner) key() (path []string, err error) {
	for {
		s.space()
		from := s.at
		switch {
		case s.next('"') || s.next('\''):
			if err := s.value(); err != nil {
				return nil, err
			}
			part := s.text[from:s.at]
			if part[0] == '"' {
				if part, err = strconv.Unquote(part); err != nil {
					return nil, s.fail("a quoted key")
				}
			} else {
				part = part[1 : len(part)-1]
			}
			path = append(path, part)
		default:
			for s.at < len(s.text) && isBare(s.text[s.at]) {
				s.at++
			}
			if s.at == from {
				return nil, s.fail("a key that cannot be read")
			}
			path = append(path, s.text[from:s.at])
		}
		if s.space(); !s.next('.') {
			return path, nil
		}
		s.at++
	}
}

func isBare(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '_' || c == '-'
}

// value passes over a value. Without one it fails.
func (s *scanner) value() error {
	rest := s.text[s.at:]
	for _, quotes := range []string{`"""`, `'''`, `"`, `'`} {
		if strings.HasPrefix(rest, quotes) {
			return s.quoted(quotes)
		}
	}
	if s.next('[') || s.next('{') {
		return s.bracketed()
	}
	from := s.at
	for s.at < len(s.text) && !strings.ContainsRune(",]}#\r\n", rune(s.text[s.at])) {
		s.at++
	}
	s.at = from + len(strings.TrimRight(s.text[from:s.at], " \t"))
	if s.at == from {
		return s.fail("a value that cannot be read")
	}
	return nil
}

// quoted passes over a string that begins and ends with quotes. A long one may hold two
// quotes more before its end.
func (s *scanner) quoted(quotes string) error {
	for i := s.at + len(quotes); i < len(s.text); i++ {
		if s.text[i] == '\\' && quotes[0] == '"' {
			i++
			continue
		}
		if !strings.HasPrefix(s.text[i:], quotes) {
			continue
		}
		s.at = i + len(quotes)
		for extra := 0; len(quotes) == 3 && extra < 2 && s.next(quotes[0]); extra++ {
			s.at++
		}
		return nil
	}
	return s.fail("a string without an end")
}

// bracketed passes over a list or an inline table.
func (s *scanner) bracketed() error {
	depth := 0
	for s.at < len(s.text) {
		switch c := s.text[s.at]; c {
		case '[', '{':
			depth++
			s.at++
		case ']', '}':
			depth--
			if s.at++; depth == 0 {
				return nil
			}
		case '#':
			s.comment()
		case '"', '\'':
			if err := s.value(); err != nil {
				return err
			}
		default:
			s.at++
		}
	}
	return s.fail("brackets without an end")
}

// comment passes over the rest of a line, without its end.
func (s *scanner) comment() {
	if i := strings.IndexByte(s.text[s.at:], '\n'); i >= 0 {
		s.at += i
	} else {
		s.at = len(s.text)
	}
}

// line passes over the rest of a line, with its end.
func (s *scanner) line() {
	if s.comment(); s.at < len(s.text) {
		s.at++
	}
}

// endOfLine passes over what may follow a statement.
func (s *scanner) endOfLine() error {
	s.space()
	if s.at < len(s.text) && !s.next('#') && !s.next('\n') && !strings.HasPrefix(s.text[s.at:], "\r\n") {
		return s.fail("two statements on one line")
	}
	s.line()
	return nil
}

func (s *scanner) space() {
	for s.next(' ') || s.next('\t') {
		s.at++
	}
}

func (s *scanner) next(c byte) bool { return s.at < len(s.text) && s.text[s.at] == c }
