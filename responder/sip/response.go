package sip

import "bytes"

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
	if t.CallID, ok = r.echoed("Call-ID"); !ok {
		return Transaction{}, false
	}
	t.CallID = bytes.TrimSpace(t.CallID)
	own := r.Own
	_, value, _ := own.Next()
	t.Number, t.Method = cseq(value)
	return t, t.Method != nil
}

// From is the user part of the From that the request named, as it was written; nil
// when there is none.
func (r *Response) From() []byte {
	value, _ := r.echoed("From")
	return userOf(value)
}

// echoed is the first header of that name among those copied from the request.
func (r *Response) echoed(header string) (value []byte, ok bool) {
	_, rest, _ := bytes.Cut(r.Echoed, []byte("\n"))
	for headers := Headers(rest); ; {
		name, value, more := headers.Next()
		if !more {
			return nil, false
		}
		if named(name, header) {
			return value, true
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
