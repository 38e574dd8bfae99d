package cdr

import "bytes"

// dialect is how an export writes a field that holds its own delimiters.
type dialect uint8

const (
	doubled dialect = iota // in quotes, with "" for a quote: RFC 4180, Asterisk, phpMyAdmin
	escaped                // \" and \n, in quotes or not: SELECT … INTO OUTFILE, mysql --batch
	bare                   // no quoting at all, between tabs
	boxed                  // | a table | drawn by the mysql client |
	dialects
)

// split splits a row. ok is false if it is none of this dialect.
func (d dialect) split(line []byte, comma byte, to [][]byte) (fields [][]byte, ok bool) {
	switch d {
	case escaped:
		return splitEscaped(line, comma, to)
	case bare:
		if comma != '\t' {
			return to, false
		}
		line = bytes.TrimSuffix(line, []byte{'\r'})
		for {
			field, rest, more := bytes.Cut(line, []byte{'\t'})
			if to = append(to, field); !more {
				return to, true
			}
			line = rest
		}
	case boxed:
		return splitBoxed(line, to)
	}
	return Split(line, comma, to)
}

// splitEscaped splits a row in which a backslash escapes the byte behind it. \N is NULL.
func splitEscaped(line []byte, comma byte, to [][]byte) (fields [][]byte, ok bool) {
	if bytes.IndexByte(line, '\\') < 0 {
		return to, false
	}
	line = bytes.TrimSuffix(line, []byte{'\r'})
	quoted, closed := false, false
	var field []byte
	for i := 0; ; i++ {
		switch {
		case i == len(line):
			return append(to, field), !quoted
		case line[i] == '\\' && i+1 < len(line):
			i++
			field = append(field, unescaped(line[i])...)
		case quoted && line[i] == '"':
			quoted, closed = false, true
		case quoted:
			field = append(field, line[i])
		case line[i] == comma:
			to, field, closed = append(to, field), nil, false
		case closed:
			return to, false
		case line[i] == '"' && len(field) == 0:
			quoted = true
		default:
			field = append(field, line[i])
		}
	}
}

func unescaped(c byte) string {
	switch c {
	case 'n':
		return "\n"
	case 't':
		return "\t"
	case 'r':
		return "\r"
	case '0', 'N':
		return ""
	}
	return string(rune(c))
}

// splitBoxed splits "| a | b |".
func splitBoxed(line []byte, to [][]byte) (fields [][]byte, ok bool) {
	line = bytes.TrimSpace(line)
	if len(line) < 4 || line[0] != '|' || line[len(line)-1] != '|' {
		return to, false
	}
	for _, field := range bytes.Split(line[1:len(line)-1], []byte(" | ")) {
		to = append(to, bytes.TrimSpace(field))
	}
	return to, true
}

// isRule reports whether a line only draws a table.
func isRule(line []byte) bool {
	line = bytes.TrimSpace(line)
	return len(line) > 2 && line[0] == '+' && len(bytes.Trim(line, "+-")) == 0
}

// delimiter is what separates the fields of a line.
func delimiter(line []byte) byte {
	var count [256]int
	quoted := false
	for _, b := range line {
		if b == '"' {
			quoted = !quoted
		} else if !quoted {
			count[b]++
		}
	}
	most := byte(',')
	for _, b := range []byte(";\t") {
		if count[b] > count[most] {
			most = b
		}
	}
	return most
}
