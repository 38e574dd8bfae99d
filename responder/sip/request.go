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
	// Credentials says that it carries an Authorization or Proxy-Authorization.
	Credentials bool
	User        []byte // of the first credentials, as it was written; nil when they name none
	From        []byte // the user part of From, as it was written; nil when there is none
	Nonce       []byte // that the first credentials answer; nil when they name none
	// AnswerTo is the address that the first Via asks for the response to be sent to
	// (RFC 3261 section 18.2.2, maddr); invalid when it names none.
	AnswerTo netip.Addr

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
// PJSIP (pjsip_msg_find_hdr) and chan_sip (sip_get_header).
func ParseRequest(message []byte) (r Request, ok bool) {
	line, rest, ok := bytes.Cut(message, []byte("\n"))
	if line = bytes.TrimSuffix(line, []byte("\r")); !ok || bytes.HasPrefix(line, []byte(version)) || !bytes.HasSuffix(line, []byte(" SIP/2.0")) {
		return Request{}, false
	}
	r.Message = message
	r.Method, _, _ = bytes.Cut(line, []byte(" "))
	for headers := Headers(rest); ; {
		name, value, more := headers.Next()
		if !more {
			break
		}
		r.read(name, value)
	}
	return r, r.ID.CallID != nil && r.ID.Method != nil
}

func (r *Request) read(name, value []byte) {
	switch {
	case r.ID.CallID == nil && (named(name, "Call-ID") || named(name, "i")):
		r.ID.CallID = bytes.TrimSpace(value)
	case r.ID.Method == nil && named(name, "CSeq"):
		r.ID.Number, r.ID.Method = cseq(value)
	case !r.via && (named(name, "Via") || named(name, "v")):
		r.via, r.AnswerTo = true, maddr(value)
	case r.From == nil && (named(name, "From") || named(name, "f")):
		r.From = userOf(value)
	case !r.Credentials && (named(name, "Authorization") || named(name, "Proxy-Authorization")):
		r.Credentials = true
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
func maddr(via []byte) netip.Addr {
	_, v, found := bytes.Cut(via, []byte("maddr="))
	if !found {
		return netip.Addr{}
	}
	if end := bytes.IndexAny(v, ";, \t"); end >= 0 {
		v = v[:end]
	}
	addr, _ := netip.ParseAddr(string(bytes.Trim(v, "[]")))
	return addr.Unmap()
}

// userOf is the user part of the first SIP URI in a header (RFC 3261 section
// 19.1.1).
func userOf(value []byte) []byte {
	_, uri, found := bytes.Cut(value, []byte(":"))
	if !found {
		return nil
	}
	user, _, found := bytes.Cut(uri, []byte("@"))
	if user, _, _ = bytes.Cut(user, []byte(":")); !found || len(user) > maxUser {
		return nil
	}
	return user
}

// cseq reads the value of a CSeq header.
func cseq(value []byte) (number uint32, method []byte) {
	digits, method, _ := bytes.Cut(bytes.TrimSpace(value), []byte(" "))
	n, err := strconv.ParseUint(string(digits), 10, 32)
	if err != nil {
		return 0, nil
	}
	return uint32(n), bytes.TrimSpace(method)
}
