package logfile

import (
	"bytes"
	"time"
)

// form is what wrote a line around Asterisk's own text.
type form uint8

const (
	formBare      form = iota // nothing: Asterisk's own file, or a copy of its console
	formSyslog                // syslog or the journal
	formContainer             // Docker, Kubernetes
	formLogger                // Asterisk's JSON
)

// wrapped is a line without what others wrote around Asterisk's own text.
type wrapped struct {
	form  form
	text  []byte // Asterisk's text, or another program's
	entry entry  // of formLogger alone

	tag     []byte    // what the sender calls itself; nil if the form has none
	ours    bool      // the tag is Asterisk's, or there is none
	at      time.Time // when it was logged; zero if it is not said
	zoned   bool      // at has a time zone
	partial bool      // the next line goes on with it
	stderr  bool
	times   int // how often it was logged; 0 is once
}

// unwrapper takes off the prefixes of syslog, the journal and containers.
type unwrapper struct {
	tags   []string // further names of Asterisk
	stamps stamps
	text   []byte // of the line, where it had to be decoded
}

// unwrap unwraps a line. It changes the line in place where that has colours.
func (u *unwrapper) unwrap(line []byte) (w wrapped) {
	u.text = u.text[:0]
	line = bytes.TrimSuffix(line, []byte{'\r'})
	w = wrapped{form: formBare, text: line, ours: true}
	if len(line) == 0 {
		return w
	}
	var ok bool
	var found wrapped
	switch c := line[0]; {
	case c == '[':
		if found, ok = u.bracketed(line); ok {
			w = found
		}
	case c == '{' || c == 0x1e || bytes.HasPrefix(line, []byte("data: {")):
		if found, ok = u.unwrapJSON(line); ok {
			w = found
		}
	case c == ' ':
	default:
		if found, ok = u.prefixed(line); ok {
			w = found
		}
	}
	if w.form == formContainer && len(w.text) > 0 && w.text[0] == '{' {
		if found, ok = u.unwrapJSON(w.text); ok && found.form == formLogger {
			found.form, found.at, found.zoned = formContainer, w.at, w.zoned
			return found
		}
	}
	if w.form != formBare {
		w.text = stripOctal(w.text)
	}
	if w.form == formSyslog {
		w.text, w.times = cutRepeated(w.text)
	}
	return w
}

// bracketed unwraps what begins with a bracket, unless that is Asterisk's own.
func (u *unwrapper) bracketed(line []byte) (w wrapped, ok bool) {
	inner, rest, found := cutBracketed(line)
	if !found || len(rest) < 2 {
		return w, false
	}
	if bytes.HasPrefix(inner, []byte("pod/")) && rest[0] == ' ' { // kubectl logs --prefix
		return wrapped{form: formContainer, text: rest[1:], tag: inner, ours: true}, true
	}
	if rest[0] != ' ' || !isUptime(inner) {
		return w, false
	}
	return u.header(rest[1:], wrapped{form: formSyslog}) // journalctl -o short-monotonic
}

// isUptime reports whether v is a number of seconds, as the kernel prints it.
func isUptime(v []byte) bool {
	dots := 0
	for _, c := range v {
		switch {
		case c == '.':
			dots++
		case !isDigit(c) && c != ' ' && c != '<' && c != '>' && c != '+':
			return false
		}
	}
	return dots >= 1 && len(v) > 7
}

// prefixed unwraps a line with a priority, a date, a host or a tag before Asterisk's text.
func (u *unwrapper) prefixed(line []byte) (w wrapped, ok bool) {
	rest, priority := cutPriority(line)
	if priority {
		if after, is5424 := bytes.CutPrefix(rest, []byte("1 ")); is5424 {
			return u.rfc5424(after)
		}
	}
	at, zoned, n := u.stamps.read(rest)
	if n > 0 && n < len(rest) && rest[n] == ' ' {
		w.at, w.zoned = at, zoned
		rest = rest[n+1:]
		if after, isCRI := u.cri(rest, w); isCRI {
			return after, true
		}
		if len(rest) > 0 && (rest[0] == '[' || rest[0] == ' ' || IsEntry(rest)) {
			w.form, w.text, w.ours = formContainer, rest, true // docker logs --timestamps
			return w, true
		}
		w.form = formSyslog
		return u.header(rest, w)
	}
	if IsEntry(rest) {
		return w, false
	}
	if after, isCompose := u.compose(rest); isCompose {
		return after, true
	}
	w.form = formSyslog
	if w, ok = u.header(rest, w); !ok {
		return w, false
	}
	return w, priority || w.ours && isOwnText(w.text)
}

// isOwnText reports whether a text without a date before it is one of Asterisk's.
func isOwnText(v []byte) bool { return IsEntry(stripOctal(v)) }

// cutPriority cuts off <134>, and the length before it in a stream (RFC 6587).
func cutPriority(v []byte) (rest []byte, ok bool) {
	at := bytes.IndexByte(v[:min(len(v), 12)], '<')
	if at < 0 || at > 0 && (digits(v) != at-1 || v[at-1] != ' ') {
		return v, false
	}
	n := digits(v[at+1:])
	end := at + 1 + n
	if n < 1 || n > 3 || end >= len(v) || v[end] != '>' {
		return v, false
	}
	return bytes.TrimLeft(v[end+1:], " "), true
}

// rfc5424 unwraps what follows the version: time, host, name, process, message ID and
// structured data.
func (u *unwrapper) rfc5424(v []byte) (w wrapped, ok bool) {
	w.form = formSyslog
	var part [5][]byte
	for i := range part {
		if part[i], v, ok = bytes.Cut(v, space); !ok || len(part[i]) == 0 {
			return w, false
		}
	}
	if string(part[0]) != "-" {
		var n int
		if w.at, w.zoned, n = u.stamps.read(part[0]); n != len(part[0]) {
			return w, false
		}
	}
	if v, ok = cutStructured(v); !ok {
		return w, false
	}
	w.tag, w.ours, w.text = part[2], u.isOurs(part[2]), bytes.TrimPrefix(v, []byte("\xef\xbb\xbf"))
	return w, true
}

// cutStructured cuts off structured data, "-" or [id name="value"]…, and the space after it.
func cutStructured(v []byte) (rest []byte, ok bool) {
	if len(v) > 0 && v[0] == '-' {
		v = v[1:]
	} else {
		for len(v) > 0 && v[0] == '[' {
			end, quoted := -1, false
			for i := 1; i < len(v) && end < 0; i++ {
				switch v[i] {
				case '\\':
					i++
				case '"':
					quoted = !quoted
				case ']':
					if !quoted {
						end = i
					}
				}
			}
			if end < 0 {
				return v, false
			}
			v = v[end+1:]
		}
	}
	return bytes.CutPrefix(v, space)
}

// header unwraps what follows the date of syslog: a host, a facility and level, both of
// which may be missing, and a tag that ends with a colon.
func (u *unwrapper) header(v []byte, w wrapped) (wrapped, bool) {
	const words, longestTag = 4, 96
	for range words {
		word, rest, more := bytes.Cut(v, space)
		if len(word) == 0 || len(word) > longestTag {
			return w, false
		}
		if tag, isTag := bytes.CutSuffix(word, []byte{':'}); isTag && len(tag) > 0 {
			w.tag, w.text, w.ours = tag, rest, u.isOurs(tag)
			return w, true
		}
		if !more || bytes.IndexByte(word, '[') >= 0 {
			return w, false
		}
		v = rest
	}
	return w, false
}

// cri unwraps a line of Kubernetes' container runtime: "stdout F text".
func (u *unwrapper) cri(v []byte, w wrapped) (wrapped, bool) {
	for _, stream := range []string{"stdout ", "stderr "} {
		rest, found := bytes.CutPrefix(v, []byte(stream))
		if !found || len(rest) < 2 || rest[0] != 'F' && rest[0] != 'P' {
			continue
		}
		flags, text, _ := bytes.Cut(rest, space)
		if len(flags) > 1 && flags[1] != ':' {
			continue
		}
		w.form, w.text, w.ours, w.partial, w.stderr = formContainer, text, true, flags[0] == 'P', stream == "stderr "
		return w, true
	}
	return w, false
}

// compose unwraps a line of docker compose logs: "asterisk-1  | text", with --timestamps a
// time before the text.
func (u *unwrapper) compose(v []byte) (w wrapped, ok bool) {
	name, text, found := bytes.Cut(v, []byte("| "))
	if !found {
		return w, false
	}
	trimmed := bytes.TrimRight(name, " ")
	if len(trimmed) == len(name) || len(trimmed) == 0 || bytes.IndexByte(trimmed, ' ') >= 0 {
		return w, false
	}
	w = wrapped{form: formContainer, text: text, tag: trimmed, ours: u.isOurs(trimmed)}
	if at, zoned, n := u.stamps.read(text); n > 0 && n < len(text) && text[n] == ' ' && zoned {
		w.at, w.zoned, w.text = at, zoned, text[n+1:]
	}
	return w, true
}

// isOurs reports whether a tag is one of Asterisk's: of its program, of the script that
// starts it, or of a distribution or container with it.
func (u *unwrapper) isOurs(tag []byte) bool {
	if at := bytes.IndexByte(tag, '['); at >= 0 {
		tag = tag[:at]
	}
	if at := bytes.LastIndexByte(tag, '/'); at >= 0 {
		tag = tag[at+1:]
	}
	for _, t := range u.tags {
		if string(tag) == t {
			return true
		}
	}
	for _, known := range [...]string{"asterisk", "pbx", "issabel"} {
		if containsFold(tag, known) {
			return true
		}
	}
	return false
}

// containsFold reports whether v contains a word that is in lower case, in any case.
func containsFold(v []byte, word string) bool {
	for i := 0; i+len(word) <= len(v); i++ {
		n := 0
		for n < len(word) && v[i+n]|' ' == word[n] {
			n++
		}
		if n == len(word) {
			return true
		}
	}
	return false
}

// cutRepeated unwraps what rsyslog makes of equal messages: "message repeated 3 times: [ … ]".
func cutRepeated(v []byte) (text []byte, times int) {
	const most = 100
	rest, found := bytes.CutPrefix(bytes.TrimLeft(v, " "), []byte("message repeated "))
	if !found {
		return v, 0
	}
	n := digits(rest)
	rest, found = bytes.CutPrefix(rest[n:], []byte(" times: ["))
	text, whole := bytes.CutSuffix(rest, []byte{']'})
	if n == 0 || n > 6 || !found || !whole {
		return v, 0
	}
	count := v[bytes.Index(v, []byte("repeated "))+len("repeated "):]
	return bytes.TrimLeft(text, " "), int(min(number(count[:n]), most))
}
