package sip

import (
	"bytes"
	"net/netip"
)

// Challenge is one nonce in a 401 or 407 response of PJSIP's.
type Challenge struct {
	// For is where the request came from, according to Asterisk. The response
	// goes elsewhere if the request asked for that (RFC 3261 section 18.2.2,
	// maddr). If the request's sender wrote addresses into the response there are
	// several, and it came from one of them. An invalid address stands for text
	// that is none.
	For []netip.Addr
	// Nonce is borrowed from the message.
	Nonce []byte
}

// maxNonce is longer than any nonce of Asterisk's: PJSIP's have 43 bytes.
const maxNonce = 128

// Challenges calls fn for each challenge in a response; one may challenge with
// several algorithms. Responses of another status and truncated ones contain none.
//
// It leaves out the nonces of chan_sip, which contain no slash: they prove nothing.
// chan_sip sends the same nonce to anybody who repeats a request (check_auth), so a
// sender who has it knows what is then sent to an address that it spoofs. The wire
// cannot rule that out: the sender may have got the nonce over TCP, while packets
// were missed, or long ago, since OPTIONS keep the dialog alive without end.
func (r *Response) Challenges(fn func(Challenge)) {
	if !r.challenges() {
		return
	}
	from := r.Received()
	r.Nonces(func(nonce []byte) {
		if ofPJSIP(nonce) {
			fn(Challenge{from, nonce})
		}
	})
}

// Nonces calls fn for the nonce of each challenge in a response, of either channel
// driver.
func (r *Response) Nonces(fn func(nonce []byte)) {
	if !r.challenges() {
		return
	}
	for headers := r.Own; ; {
		name, value, ok := headers.Next()
		if !ok {
			return
		}
		if !named(name, "WWW-Authenticate") && !named(name, "Proxy-Authenticate") {
			continue
		}
		if nonce := parameter(value, "nonce"); len(nonce) > 0 && len(nonce) <= maxNonce {
			fn(nonce)
		}
	}
}

func (r *Response) challenges() bool { return r.Status == 401 || r.Status == 407 }

// OfPJSIP says whether PJSIP made the challenge.
func (r *Response) OfPJSIP() (pjsip bool) {
	r.Nonces(func(nonce []byte) { pjsip = pjsip || ofPJSIP(nonce) })
	return pjsip
}

func ofPJSIP(nonce []byte) bool { return bytes.IndexByte(nonce, '/') >= 0 }

// Received returns where Asterisk may have had the request from. It writes the
// address into the first Via of every response (pjsip_via_hdr_print, and
// copy_via_headers in chan_sip), but the sender may have written others before and
// after it.
func (r *Response) Received() (from []netip.Addr) { return received(r.Echoed) }

// ReceivedOnTop is Received without what proxies on the way have written: they leave
// the same in the Vias beneath the first one. Those are left out only if the first
// line is plain, without the brackets and quotes within which its sender may have
// ended it.
func (r *Response) ReceivedOnTop() (from []netip.Addr) {
	_, rest, _ := bytes.Cut(r.Echoed, []byte("\r\n"))
	if top, _, ended := bytes.Cut(rest, []byte("\r\n")); ended && plainVia(top) {
		if from = received(top); len(from) > 0 {
			return from
		}
	}
	return r.Received()
}

// plainVia says whether a line is a Via that its sender cannot have ended early, nor
// joined with others.
func plainVia(line []byte) bool {
	return bytes.HasPrefix(line, []byte("Via: SIP/2.0/UDP ")) && !bytes.ContainsAny(line, "[]\"'<>\\\r\n,")
}

func received(echoed []byte) (from []netip.Addr) {
	for {
		_, rest, found := bytes.Cut(echoed, []byte(";received="))
		if !found {
			return from
		}
		v, _, _ := bytes.Cut(rest, []byte(";"))
		v, _, _ = bytes.Cut(v, []byte("\r\n"))
		addr, _ := netip.ParseAddr(string(bytes.Trim(v, "[]")))
		from = append(from, addr.Unmap())
		echoed = rest
	}
}
