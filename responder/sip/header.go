package sip

import "bytes"

// Headers are the header lines of a message, from some line on; a body may
// follow.
type Headers []byte

// Next takes the first header off. It reports false at the end of the headers
// and at a line that is cut off. A line may end without a carriage return, since
// both channel drivers take that (pjsip's scanner, chan_sip's parse_request).
func (h *Headers) Next() (name, value []byte, ok bool) {
	line, rest, ok := bytes.Cut(*h, []byte("\n"))
	if line = bytes.TrimSuffix(line, []byte("\r")); !ok || len(line) == 0 {
		*h = nil
		return nil, nil, false
	}
	*h = rest
	name, value, _ = bytes.Cut(line, []byte(":"))
	return bytes.TrimSpace(name), value, true
}

// named reports whether a header or parameter has this name, in whatever case.
func named(name []byte, as string) bool { return bytes.EqualFold(name, []byte(as)) }

// parameter returns the value of name="…" among the comma-separated parameters
// of a challenge, or nil. It skips quoted strings as a whole, whatever they
// contain.
func parameter(v []byte, name string) []byte {
	v = bytes.TrimSpace(v)
	if i := bytes.IndexAny(v, " \t\r\n"); i >= 0 {
		v = v[i:] // behind the scheme
	}
	for len(v) > 0 {
		key, rest, found := bytes.Cut(v, []byte("="))
		if !found {
			return nil
		}
		key = bytes.Trim(key, " \t\r\n,")
		var value []byte
		if rest = bytes.TrimLeft(rest, " \t\r\n"); len(rest) > 0 && rest[0] == '"' {
			end := closingQuote(rest)
			if end < 0 {
				return nil
			}
			value, rest = rest[1:end], rest[end+1:]
		} else {
			value, rest, _ = bytes.Cut(rest, []byte(","))
			value = bytes.TrimSpace(value)
		}
		if named(key, name) {
			return value
		}
		v = rest
	}
	return nil
}

// closingQuote returns where the quoted string at the front of v ends, or -1 if
// it does not (RFC 3261 section 25.1, quoted-string).
func closingQuote(v []byte) int {
	for i := 1; i < len(v); i++ {
		switch v[i] {
		case '\\':
			i++
		case '"':
			return i
		}
	}
	return -1
}
