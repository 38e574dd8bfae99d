package logfile

import "bytes"

// entry is one parsed line.
type entry struct {
	date    []byte // from Asterisk; nil if there is none
	level   []byte // NOTICE, SECURITY …
	file    []byte // res_pjsip/pjsip_distributor.c
	message []byte
	layout  layout
}

// layout is how Asterisk's logger writes a line (main/logger.c format_log_default,
// format_log_plain).
type layout uint8

const (
	layoutFile    layout = iota // NOTICE[55] file.c: message
	layoutConsole               // NOTICE[55]: file.c:123 function: message; also [plain] in a file
	layoutSyslog                // NOTICE[55]: file.c:123 in function: message
)

// parseEntry parses Asterisk's own text in a line. ok is false if it does not start like one
// of its logger:
//
//	[Nov 22 00:26:26] NOTICE[55][C-0000001a] chan_sip.c: …
//	[2026-11-22 00:26:26.070] NOTICE[55]: chan_sip.c:123 handle_request: …
//	NOTICE[55]: chan_sip.c:123 in handle_request: …
func parseEntry(line []byte) (e entry, ok bool) {
	rest := line
	if date, after, found := cutBracketed(rest); found {
		e.date, rest = date, bytes.TrimPrefix(after, space)
	} else {
		rest = bytes.TrimLeft(rest, " ")
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
		var function []byte
		if function, rest, found = bytes.Cut(rest, []byte(": ")); !found {
			return e, false
		}
		e.layout = layoutConsole
		if bytes.Contains(function, []byte(" in ")) {
			e.layout = layoutSyslog
		}
	}
	e.message = bytes.TrimLeft(rest, " ")
	return e, true
}

// IsEntry reports whether a line starts like one of Asterisk's logger, without a prefix.
func IsEntry(line []byte) bool {
	_, ok := parseEntry(line)
	return ok
}

var space = []byte{' '}

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
func stripColour(line []byte) []byte { return strip(line, "\x1b[") }

// stripOctal removes them as syslog daemons write them: rsyslog's #033[…m, and ^[[…m. It also
// removes the line feed at the end that rsyslog writes as #012.
func stripOctal(line []byte) []byte {
	line = strip(strip(line, "#033["), "^[[")
	return bytes.TrimSuffix(bytes.TrimSuffix(line, []byte("#012")), []byte("#015"))
}

// strip removes each text that begins with start and ends with m, with digits and semicolons
// in between.
func strip(line []byte, start string) []byte {
	at := bytes.Index(line, []byte(start))
	if at < 0 {
		return line
	}
	out := line[:at]
	for i := at; i < len(line); i++ {
		if line[i] == start[0] && bytes.HasPrefix(line[i:], []byte(start)) {
			end := i + len(start)
			for end < len(line) && (isDigit(line[end]) || line[end] == ';') {
				end++
			}
			if end < len(line) && line[end] == 'm' {
				i = end
				continue
			}
		}
		out = append(out, line[i])
	}
	return out
}
