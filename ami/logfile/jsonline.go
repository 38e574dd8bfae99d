package logfile

import (
	"bytes"
	"time"
	"unicode/utf8"
)

// Logs with one JSON object in each line: Asterisk's own (main/logger.c format_log_json),
// the journal's (journalctl -o json, json-sse, json-seq), and those of Docker's json-file
// and of other collectors, which hold a line of Asterisk as text. What a sender chose is
// escaped in them, and ends neither a line nor a string.

// unwrapJSON reads a line with one JSON object. ok is false if it is something else, or not
// complete.
func (u *unwrapper) unwrapJSON(line []byte) (w wrapped, ok bool) {
	if rest, isEvent := bytes.CutPrefix(line, []byte("data: ")); isEvent {
		line = rest
	}
	line = bytes.TrimLeft(line, "\x1e ")
	if len(line) == 0 || line[0] != '{' {
		return w, false
	}
	var o jsonRecord
	if !members(line, &o) {
		return w, false
	}
	if o.logmsg != nil {
		return u.loggerRecord(&o)
	}
	if o.text == nil {
		return w, false
	}
	w.form, w.tag, w.ours = formContainer, nil, true
	if w.text, ok = u.unquote(o.text); !ok {
		return w, false
	}
	w.text = stripColour(w.text)
	if o.log { // Docker cuts lines of more than 16 KB, and ends a whole one with a line feed
		text, whole := bytes.CutSuffix(w.text, []byte{'\n'})
		w.text, w.partial, w.stderr = text, !whole, bytes.Contains(o.stream, []byte("stderr"))
	}
	w.text = bytes.TrimRight(w.text, "\r\n")
	if o.tag != nil {
		if w.tag, ok = u.unquote(o.tag); !ok {
			return w, false
		}
		w.form, w.ours = formSyslog, u.isOurs(w.tag)
	}
	w.at, w.zoned = u.jsonTime(o.time)
	return w, true
}

// loggerRecord is a record of Asterisk's logger.
func (u *unwrapper) loggerRecord(o *jsonRecord) (w wrapped, ok bool) {
	w = wrapped{form: formLogger, ours: true}
	e := &w.entry
	for _, part := range []struct {
		to       *[]byte
		from     []byte
		optional bool
	}{{&e.level, o.level, false}, {&e.file, o.file, false}, {&e.message, o.text, false}, {&e.date, o.time, true}} {
		if part.from == nil && part.optional {
			continue
		}
		if *part.to, ok = u.unquote(part.from); !ok {
			return w, false
		}
	}
	e.message = bytes.TrimRight(e.message, "\n")
	return w, len(e.level) > 0 && len(e.file) > 0
}

// jsonTime reads the time of a record: ISO 8601 or seconds, or the journal's microseconds.
func (u *unwrapper) jsonTime(raw []byte) (at time.Time, ok bool) {
	text := bytes.Trim(raw, `"`)
	if len(text) == 16 && isDigits(text) {
		return time.UnixMicro(number(text)), true
	}
	if at, zoned, n := u.stamps.read(text); n == len(text) && zoned {
		return at, true
	}
	return time.Time{}, false
}

// jsonRecord holds the members of an object that matter, as they are written.
type jsonRecord struct {
	text, tag, time, stream []byte
	logmsg, level, file     []byte
	log                     bool // text is that of Docker's "log"
	best                    int  // of time: how good the one found is
}

// take notes a member. The first of a name counts.
func (o *jsonRecord) take(key, value []byte) bool {
	first := func(to *[]byte) {
		if *to == nil {
			*to = value
		}
	}
	switch string(key) {
	case "MESSAGE", "message", "msg":
		first(&o.text)
	case "log":
		if o.text == nil && len(value) > 0 && value[0] == '"' {
			o.text, o.log = value, true
		}
	case "SYSLOG_IDENTIFIER", "program", "tag", "appname":
		first(&o.tag)
	case "__REALTIME_TIMESTAMP":
		o.time, o.best = value, 2
	case "time", "timestamp", "@timestamp":
		if o.best == 0 {
			o.time, o.best = value, 1
		}
	case "stream":
		first(&o.stream)
	case "level":
		first(&o.level)
	case "filename":
		first(&o.file)
	case "logmsg", "location":
		if len(value) > 0 && value[0] == '{' {
			if o.logmsg == nil && string(key) == "logmsg" {
				o.logmsg, o.text, o.level, o.file = value, nil, nil, nil
			}
			return members(value, o)
		}
	}
	return true
}

// members calls take with each member of an object. ok is false if it is not a whole one.
func members(v []byte, o *jsonRecord) (ok bool) {
	v = bytes.TrimLeft(v[1:], " ")
	if len(v) > 0 && v[0] == '}' {
		return len(bytes.TrimSpace(v[1:])) == 0
	}
	for {
		n := jsonValue(v, 0)
		if n < 2 || v[0] != '"' {
			return false
		}
		key := v[1 : n-1]
		v = bytes.TrimLeft(v[n:], " ")
		if len(v) == 0 || v[0] != ':' {
			return false
		}
		v = bytes.TrimLeft(v[1:], " ")
		if n = jsonValue(v, 0); n == 0 || !o.take(key, v[:n]) {
			return false
		}
		v = bytes.TrimLeft(v[n:], " ")
		switch {
		case len(v) == 0:
			return false
		case v[0] == ',':
			v = bytes.TrimLeft(v[1:], " ")
		default:
			return v[0] == '}' && len(bytes.TrimSpace(v[1:])) == 0
		}
	}
}

// deepest bounds how deep a value may be nested.
const deepest = 16

// jsonValue returns the length of the value at the start of v, or 0.
func jsonValue(v []byte, depth int) int {
	if len(v) == 0 || depth > deepest {
		return 0
	}
	switch v[0] {
	case '"':
		if end := quoteEnd(v[1:]); end >= 0 {
			return end + 2
		}
		return 0
	case '{', '[':
		for i := 1; i < len(v); {
			switch c := v[i]; {
			case c == v[0]+2: // the closing bracket
				return i + 1
			case c == ',' || c == ':' || c == ' ':
				i++
			default:
				n := jsonValue(v[i:], depth+1)
				if n == 0 {
					return 0
				}
				i += n
			}
		}
		return 0
	}
	n := 0
	for n < len(v) && (isDigit(v[n]) || v[n]|' ' >= 'a' && v[n]|' ' <= 'z' || v[n] == '-' || v[n] == '+' || v[n] == '.') {
		n++
	}
	return n
}

// unquote appends the text of a string, or of the journal's list of bytes, to u.text, and
// returns it. It is valid until the next line.
func (u *unwrapper) unquote(raw []byte) (text []byte, ok bool) {
	start := len(u.text)
	if len(raw) >= 2 && raw[0] == '[' {
		for b := range bytes.SplitSeq(raw[1:len(raw)-1], []byte{','}) {
			b = bytes.TrimSpace(b)
			if n := digits(b); n == 0 || n > 3 || n != len(b) || number(b) > 255 {
				return nil, false
			}
			u.text = append(u.text, byte(number(b)))
		}
		return u.text[start:], true
	}
	if len(raw) < 2 || raw[0] != '"' {
		return nil, false
	}
	for v := raw[1 : len(raw)-1]; len(v) > 0; {
		if v[0] != '\\' {
			n := bytes.IndexByte(v, '\\')
			if n < 0 {
				n = len(v)
			}
			u.text, v = append(u.text, v[:n]...), v[n:]
			continue
		}
		if len(v) < 2 {
			return nil, false
		}
		n := 2
		switch c := v[1]; c {
		case 'n':
			u.text = append(u.text, '\n')
		case 't':
			u.text = append(u.text, '\t')
		case 'r':
			u.text = append(u.text, '\r')
		case 'b':
			u.text = append(u.text, '\b')
		case 'f':
			u.text = append(u.text, '\f')
		case '"', '\\', '/':
			u.text = append(u.text, c)
		case 'u':
			var r rune
			if r, n = escapedRune(v); n == 0 {
				return nil, false
			}
			u.text = utf8.AppendRune(u.text, r)
		default:
			return nil, false
		}
		v = v[n:]
	}
	return u.text[start:], true
}

// escapedRune reads \uXXXX, or two of them that are a surrogate pair, and returns its length.
func escapedRune(v []byte) (r rune, n int) {
	if r, n = hexRune(v); n == 0 {
		return 0, 0
	}
	if r >= 0xd800 && r < 0xdc00 {
		if low, more := hexRune(v[n:]); more > 0 && low >= 0xdc00 && low < 0xe000 {
			return (r-0xd800)<<10 + (low - 0xdc00) + 0x10000, n + more
		}
	}
	return r, n
}

func hexRune(v []byte) (r rune, n int) {
	if len(v) < 6 || v[0] != '\\' || v[1] != 'u' {
		return 0, 0
	}
	for _, c := range v[2:6] {
		switch {
		case isDigit(c):
			c -= '0'
		case c|' ' >= 'a' && c|' ' <= 'f':
			c = c | ' ' - 'a' + 10
		default:
			return 0, 0
		}
		r = r<<4 | rune(c)
	}
	return r, 6
}
