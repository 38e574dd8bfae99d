package sip

import (
	"bytes"
	"strconv"
)

// Response is a response of Asterisk's. It borrows the bytes of the message.
type Response struct {
	Message []byte // all of it
	Status  int
	// Echoed is everything before the last line that begins with CSeq. PJSIP
	// copies Via, Record-Route, Call-ID, From and To from the request, and takes
	// anything between [ and ] for a host, line ends included (int_parse_host),
	// so whoever sent the request may have written any of it.
	Echoed []byte
	// Own is the headers from that line on. Of CSeq the sender of the request
	// chooses a number and a word (pjsip_endpt_create_response), so all the
	// headers behind it are Asterisk's own.
	Own Headers
}

// version begins the status line (RFC 3261 section 7.2).
const version = "SIP/2.0 "

// ParseResponse reads a response. It reports false for what is none, or has no
// CSeq.
func ParseResponse(message []byte) (r Response, ok bool) {
	rest, ok := bytes.CutPrefix(message, []byte(version))
	if !ok || len(rest) < 4 || rest[3] != ' ' {
		return Response{}, false
	}
	for _, digit := range rest[:3] {
		if digit < '0' || digit > '9' {
			return Response{}, false
		}
		r.Status = r.Status*10 + int(digit-'0')
	}
	cseq := bytes.LastIndex(message, []byte("\r\nCSeq:"))
	if cseq < 0 {
		return Response{}, false
	}
	r.Message, r.Echoed, r.Own = message, message[:cseq+2], Headers(message[cseq+2:])
	return r, true
}

// Transaction is what joins the response to its request; ok is false when there is
// no Call-ID. The sender of the request may have written another Call-ID in front
// of its own, but then the request has it in front, too.
func (r *Response) Transaction() (t Transaction, ok bool) {
	_, rest, _ := bytes.Cut(r.Echoed, []byte("\n"))
	for headers := Headers(rest); ; {
		name, value, more := headers.Next()
		if !more {
			return Transaction{}, false
		}
		if named(name, "Call-ID") {
			t.CallID = bytes.TrimSpace(value)
			break
		}
	}
	own := r.Own
	_, value, _ := own.Next()
	t.Number, t.Method = cseq(value)
	return t, t.Method != nil
}

// Names are the user parts of From and To, as Asterisk read them and as they were
// written; nil when there are none.
func (r *Response) Names() (from, to []byte) {
	return userOf(lastHeader(r.Echoed, "\r\nFrom:")), userOf(lastHeader(r.Echoed, "\r\nTo:"))
}

// Forged says that the sender of the request wrote headers into the response, of
// those that Asterisk writes once.
func (r *Response) Forged() bool {
	for _, name := range [...]string{"\r\nCall-ID:", "\r\nFrom:", "\r\nTo:", "\r\nCSeq:"} {
		limit := 1
		if name == "\r\nCSeq:" {
			limit = 0 // its own is not echoed
		}
		if bytes.Count(r.Echoed, []byte(name)) > limit {
			return true
		}
	}
	return false
}

// Policy says that chan_sip refuses the request itself, not its password: the account
// may not subscribe (allowsubscribe=no, handle_request_subscribe).
func (r *Response) Policy() bool {
	return r.Status == 403 && bytes.HasPrefix(r.Message, []byte(version+"403 Forbidden (policy)\r\n"))
}

// lastHeader is the value of the last header of that name.
func lastHeader(echoed []byte, name string) []byte {
	i := bytes.LastIndex(echoed, []byte(name))
	if i < 0 {
		return nil
	}
	value, _, _ := bytes.Cut(echoed[i+len(name):], []byte("\r\n"))
	return value
}

// userOf is the user part of the URI in a From or To, or of one without a user part
// the host: chan_sip takes that for a name, too (RFC 3261 sections 19.1.1 and 20.10).
func userOf(value []byte) []byte {
	value = bytes.TrimSpace(value)
	if len(value) > 0 && value[0] == '"' { // the display name, which may hold anything
		end := closingQuote(value)
		if end < 0 {
			return nil
		}
		value = value[end+1:]
	}
	if _, uri, found := bytes.Cut(value, []byte("<")); found {
		value, _, _ = bytes.Cut(uri, []byte(">"))
	}
	_, uri, found := bytes.Cut(value, []byte(":"))
	if !found {
		return nil
	}
	user, _, _ := bytes.Cut(uri, []byte("@"))
	if i := bytes.IndexAny(user, ":;"); i >= 0 { // a password, parameters or a port
		user = user[:i]
	}
	if len(user) > maxUser {
		return nil
	}
	return user
}

// Expires is for how many seconds something lasts, as Asterisk says, if it does (RFC
// 3261 section 20.19).
func (r *Response) Expires() (seconds uint64, ok bool) {
	for headers := r.Own; ; {
		name, value, more := headers.Next()
		if !more {
			return 0, false
		}
		if named(name, "Expires") {
			seconds, err := strconv.ParseUint(string(bytes.TrimSpace(value)), 10, 32)
			return seconds, err == nil
		}
	}
}

// Stale says that the credentials of the request were right, but for a nonce that
// is no longer good, or never was (RFC 7616 section 3.3): whoever receives this
// knows that the password is right.
func (r *Response) Stale() bool {
	for headers := r.Own; ; {
		name, value, ok := headers.Next()
		if !ok {
			return false
		}
		if (named(name, "WWW-Authenticate") || named(name, "Proxy-Authenticate")) && bytes.EqualFold(parameter(value, "stale"), []byte("true")) {
			return true
		}
	}
}
