package logfile

import "bytes"

// entry is one parsed line.
type entry struct {
	date    []byte // from Asterisk, else from syslog; nil if there is none
	level   []byte // NOTICE, SECURITY …
	file    []byte // res_pjsip/pjsip_distributor.c
	message []byte
}

// parseEntry parses a line. ok is false if the line does not start like one of Asterisk's
// logger (main/logger.c format_log_default, format_log_plain), in a file, with a syslog
// prefix or from the journal:
//
//	[Nov 22 00:26:26] NOTICE[55][C-0000001a] chan_sip.c: …
//	[2026-11-22 00:26:26.070] NOTICE[55]: chan_sip.c:123 handle_request: …
//	Nov 22 00:26:26 pbx asterisk[9]: NOTICE[55]: chan_sip.c:123 in handle_request: …
//	2026-11-22T00:26:26.070+00:00 pbx asterisk[9]: NOTICE[55]: …
func parseEntry(line []byte) (e entry, ok bool) {
	rest := cutSyslog(line, &e)
	if date, after, found := cutBracketed(rest); found {
		e.date, rest = date, bytes.TrimPrefix(after, space)
	}
	n := 0
	for n < len(rest) && rest[n] >= 'A' && rest[n] <= 'Z' {
		n++
	}
	if n < 3 || n > 16 {
		return e, false
	}
	e.level, rest = rest[:n], bytes.TrimPrefix(rest[n:], space)
	thread, rest, found := cutBracketed(rest)
	if !found || !isDigits(thread) {
		return e, false
	}
	if call, after, found := cutBracketed(rest); found && bytes.HasPrefix(call, []byte("C-")) {
		rest = after
	}
	rest = bytes.TrimLeft(bytes.TrimPrefix(rest, []byte{':'}), " ")
	if e.file, rest, found = bytes.Cut(rest, []byte{':'}); !found || len(e.file) == 0 {
		return e, false
	}
	if len(rest) > 0 && isDigit(rest[0]) { // line number and function name
		if _, rest, found = bytes.Cut(rest, []byte(": ")); !found {
			return e, false
		}
	}
	e.message = bytes.TrimLeft(rest, " ")
	return e, true
}

// IsEntry reports whether a line starts like one of Asterisk's logger.
func IsEntry(line []byte) bool {
	_, ok := parseEntry(line)
	return ok
}

var space = []byte{' '}

// cutSyslog removes the prefix of syslog or journalctl and stores its date.
func cutSyslog(line []byte, e *entry) (rest []byte) {
	rest = line
	if date, after, found := cutDate(line); found {
		rest = after
		e.date = date
	}
	host, after, found := bytes.Cut(rest, space)
	if !found || bytes.ContainsAny(host, "[]:") {
		return rest
	}
	tag, message, found := bytes.Cut(after, []byte(": "))
	if !found || !bytes.HasPrefix(tag, []byte("asterisk")) || bytes.IndexByte(tag, ' ') >= 0 {
		return rest
	}
	return message
}

// cutDate cuts off a syslog date, "Nov  4 18:30:40 " or ISO 8601. It checks only the
// format.
func cutDate(line []byte) (date, rest []byte, ok bool) {
	if len(line) < 16 {
		return nil, line, false
	}
	if line[0] >= 'A' && line[0] <= 'Z' && line[3] == ' ' {
		_, clock, found := bytes.Cut(bytes.TrimLeft(line[4:], " "), space)
		at := len(line) - len(clock)
		if found && len(clock) > 9 && clock[2] == ':' && clock[8] == ' ' {
			return line[:at+8], line[at+9:], true
		}
		return nil, line, false
	}
	if isDigit(line[0]) && line[4] == '-' && line[10] == 'T' {
		return bytes.Cut(line, space)
	}
	return nil, line, false
}

// cutBracketed cuts off "[text]".
func cutBracketed(v []byte) (text, rest []byte, ok bool) {
	if len(v) == 0 || v[0] != '[' {
		return nil, v, false
	}
	return bytes.Cut(v[1:], []byte{']'})
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

func isDigits(v []byte) bool {
	for _, c := range v {
		if !isDigit(c) {
			return false
		}
	}
	return len(v) > 0
}

// stripColour removes console colours (main/term.c): ESC [ … m. It changes the line in
// place.
func stripColour(line []byte) []byte {
	const esc = 0x1b
	at := bytes.IndexByte(line, esc)
	if at < 0 {
		return line
	}
	out := line[:at]
	for i := at; i < len(line); i++ {
		if line[i] == esc && i+1 < len(line) && line[i+1] == '[' {
			if end := bytes.IndexByte(line[i:], 'm'); end >= 0 {
				i += end
				continue
			}
		}
		out = append(out, line[i])
	}
	return out
}
