package sip

import (
	"bytes"
	"net/netip"
	"strconv"
)

// Request is what a refusal of a request is judged by. It borrows the bytes of the
// message. Whoever sent it wrote all of it.
type Request struct {
	Message []byte // all of it
	Method  []byte
	ID      Transaction
	// Credentials says that it carries an Authorization or Proxy-Authorization, or may
	// do so: the two channel drivers read more into a message than the headers below.
	Credentials bool
	User        []byte // of the first credentials, as it was written; nil when they name none
	Nonce       []byte // that the first credentials answer; nil when they name none
	// AnswerTo is the address that the first Via asks for the response to be sent to
	// (RFC 3261 section 18.2.2, maddr); invalid when it names none.
	AnswerTo netip.Addr
	// AnswerToName says that it asks for it to be sent to a name, which only Asterisk
	// looks up.
	AnswerToName bool

	via bool // the first was read
}

// Transaction joins a response to its request: Asterisk copies all three from the
// request (RFC 3261 section 8.2.6.2). The bytes are borrowed.
type Transaction struct {
	CallID []byte
	Number uint32 // of CSeq
	Method []byte // of CSeq
}

// maxUser bounds a user name: none with a longer one can call (AST_CHANNEL_NAME).
const maxUser = 80

// ParseRequest reads a request. It reports false for what is none, or has no
// Call-ID or CSeq. Of headers that stand more than once the first counts, as with
// chan_sip (sip_get_header) and mostly with PJSIP (pjsip_msg_find_hdr).
//
// It reads the messages that phones send. The channel drivers accept stranger ones,
// each driver others, so that a sender can hide from it what Asterisk sees.
func ParseRequest(message []byte) (r Request, ok bool) {
	text := bytes.TrimLeft(message, blank) // chan_sip skips these, and PJSIP line ends
	lines := lines(text)
	first, ok := lines.next()
	if !ok || !r.start(first) {
		return Request{}, false
	}
	r.Message, r.Credentials = message, hasCredentials(text)
	for {
		line, more := lines.next()
		if !more {
			r.Credentials = true // they may be in what was cut off
			break
		}
		if len(line) == 0 {
			break
		}
		name, value, _ := bytes.Cut(line, []byte(":"))
		r.read(bytes.TrimSpace(name), bytes.TrimSpace(value))
	}
	return r, r.ID.CallID != nil && r.ID.Method != nil
}

// start reads the first line.
func (r *Request) start(line []byte) bool {
	var rest []byte
	if i := bytes.IndexAny(line, blank); i >= 0 { // chan_sip takes any of these for a space
		line, rest = line[:i], line[i:]
	}
	rest = bytes.TrimRight(rest, blank)
	method, i := line, bytes.LastIndexAny(rest, blank)
	r.Method = method
	return i >= 0 && !named(method, "SIP/2.0") && named(rest[i+1:], "SIP/2.0")
}

func (r *Request) read(name, value []byte) {
	switch {
	case r.ID.CallID == nil && (named(name, "Call-ID") || named(name, "i")):
		r.ID.CallID = value
	case r.ID.Method == nil && named(name, "CSeq"):
		r.ID.Number, r.ID.Method = cseq(value)
	case !r.via && (named(name, "Via") || named(name, "v")):
		r.via = true
		r.AnswerTo, r.AnswerToName = maddr(value)
	case r.User == nil && (named(name, "Authorization") || named(name, "Proxy-Authorization")):
		if r.User = parameter(value, "username"); len(r.User) > maxUser {
			r.User = nil
		}
		if r.Nonce = parameter(value, "nonce"); len(r.Nonce) > maxNonce {
			r.Nonce = nil
		}
	}
}

// maddr is the address in the value of a Via, found as chan_sip finds it (check_via),
// wherever it stands.
func maddr(via []byte) (to netip.Addr, name bool) {
	_, v, found := bytes.Cut(via, []byte("maddr="))
	if !found {
		return netip.Addr{}, false
	}
	if end := bytes.IndexAny(v, ";, \t"); end >= 0 {
		v = v[:end]
	}
	addr, err := netip.ParseAddr(string(bytes.Trim(v, "[]")))
	return addr.Unmap(), err != nil
}

// blank is what chan_sip skips in front of a request (ast_skip_blanks).
const blank = "\x01\x02\x03\x04\x05\x06\x07\x08\t\n\v\f\r\x0e\x0f\x10\x11\x12\x13\x14\x15\x16\x17\x18\x19\x1a\x1b\x1c\x1d\x1e\x1f "

// lines are the lines of a request that are left.
type lines []byte

// next takes a line off, together with those that continue it (RFC 3261 section
// 7.3.1). It reports false at the end. A line may end in a line feed, a carriage
// return or both, as with PJSIP (pj_scan_get_newline).
func (l *lines) next() (line []byte, ok bool) {
	for i := 0; i < len(*l); i++ {
		c := (*l)[i]
		if c != '\r' && c != '\n' {
			continue
		}
		after := i + 1
		if c == '\r' && after < len(*l) && (*l)[after] == '\n' {
			after++
		}
		if i > 0 && after < len(*l) && ((*l)[after] == ' ' || (*l)[after] == '\t') {
			i = after
			continue
		}
		line, *l = (*l)[:i], (*l)[after:]
		return line, true
	}
	line, *l = *l, nil
	return line, len(line) > 0
}

// hasCredentials looks for the name of Authorization or Proxy-Authorization in front
// of any colon of the headers. PJSIP takes & for the end of some headers
// (parse_hdr_end), and chan_sip ignores every carriage return (lws2sws), so it need
// not begin a line.
func hasCredentials(text []byte) bool {
	line := 0 // bytes in this line
	for i, c := range text {
		switch {
		case c == '\n' && line == 0:
			return false // where the headers end for both
		case c == '\n':
			line = 0
		case c != '\r':
			line++
		}
		if c == ':' && endsIn(bytes.TrimRight(text[:i], " \t\r\n"), "authorization") {
			return true
		}
	}
	return false
}

// endsIn says whether b ends in word, in whatever case and with carriage returns
// anywhere.
func endsIn(b []byte, word string) bool {
	for n := len(word) - 1; n >= 0; b = b[:len(b)-1] {
		if len(b) == 0 {
			return false
		}
		c := b[len(b)-1]
		if c == '\r' {
			continue
		}
		if c|0x20 != word[n] {
			return false
		}
		n--
	}
	return true
}

// cseq reads the value of a CSeq header.
func cseq(value []byte) (number uint32, method []byte) {
	value = bytes.TrimSpace(value)
	i := bytes.IndexAny(value, " \t\r\n")
	if i < 0 {
		return 0, nil
	}
	n, err := strconv.ParseUint(string(value[:i]), 10, 32)
	if err != nil {
		return 0, nil
	}
	return uint32(n), bytes.TrimSpace(value[i:])
}
