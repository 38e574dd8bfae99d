package lab

import (
	"bytes"
	"crypto/md5"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
)

// message is a SIP request or response (RFC 3261), as much of it as phones and attackers need.
// Values go out exactly as they are, odd bytes included: attacks depend on it.
type message struct {
	start   string // request line or status line
	headers []header
	body    string
}

type header struct{ name, value string }

// request begins a request; the headers follow in the order given.
func request(method, uri string, headers ...header) *message {
	return &message{start: method + " " + uri + " SIP/2.0", headers: headers}
}

func (m *message) add(name, value string) {
	m.headers = append(m.headers, header{name, value})
}

// get returns the first value of the header called name.
func (m *message) get(name string) string {
	for _, h := range m.headers {
		if strings.EqualFold(h.name, name) {
			return h.value
		}
	}
	return ""
}

// isRequest tells a request from a response.
func (m *message) isRequest() bool { return !strings.HasPrefix(m.start, "SIP/2.0 ") }

// method is that of the request, or of the request this responds to.
func (m *message) method() string {
	_, method, _ := strings.Cut(m.get("CSeq"), " ")
	return method
}

// status is a response's code, and its reason.
func (m *message) status() (int, string) {
	code, reason, _ := strings.Cut(strings.TrimPrefix(m.start, "SIP/2.0 "), " ")
	n, _ := strconv.Atoi(code)
	return n, reason
}

// bytes is the message as it goes over the wire.
func (m *message) bytes() []byte {
	var b bytes.Buffer
	b.WriteString(m.start + "\r\n")
	for _, h := range m.headers {
		b.WriteString(h.name + ": " + h.value + "\r\n")
	}
	fmt.Fprintf(&b, "Content-Length: %d\r\n\r\n%s", len(m.body), m.body)
	return b.Bytes()
}

// parseMessage reads a message; Asterisk folds no lines and uses no short names, and neither is
// understood here.
func parseMessage(b []byte) (*message, error) {
	head, body, found := strings.Cut(string(b), "\r\n\r\n")
	if !found {
		return nil, errors.New("parse SIP message: no end of headers")
	}
	lines := strings.Split(head, "\r\n")
	m := &message{start: lines[0], body: body}
	for _, line := range lines[1:] {
		name, value, found := strings.Cut(line, ":")
		if !found {
			return nil, fmt.Errorf("parse SIP message: line %q", line)
		}
		m.add(strings.TrimSpace(name), strings.TrimSpace(value))
	}
	return m, nil
}

// param returns the parameter name of a header value such as `<sip:…>;tag=x` or of a challenge
// such as `Digest realm="x"`.
func param(value, name string) string {
	for rest := value; ; {
		i := strings.Index(rest, name+"=")
		if i < 0 {
			return ""
		}
		begins := i == 0 || strings.ContainsRune("; ,", rune(rest[i-1]))
		rest = rest[i+len(name)+1:]
		if !begins {
			continue
		}
		if strings.HasPrefix(rest, `"`) {
			quoted, _, _ := strings.Cut(rest[1:], `"`)
			return quoted
		}
		if end := strings.IndexAny(rest, ";, >"); end >= 0 {
			return rest[:end]
		}
		return rest
	}
}

// credentials are what answers a challenge (RFC 2617; MD5, as phones do it).
type credentials struct{ user, password string }

// answer makes the value of the Authorization header for the challenge.
func (c credentials) answer(challenge, method, uri string) string {
	realm, nonce := param(challenge, "realm"), param(challenge, "nonce")
	ha1 := md5hex(c.user + ":" + realm + ":" + c.password)
	ha2 := md5hex(method + ":" + uri)
	value := fmt.Sprintf(`Digest username="%s", realm="%s", nonce="%s", uri="%s", algorithm=MD5`,
		c.user, realm, nonce, uri)
	if opaque := param(challenge, "opaque"); opaque != "" {
		value += fmt.Sprintf(`, opaque="%s"`, opaque)
	}
	if !strings.Contains(param(challenge, "qop"), "auth") {
		return value + fmt.Sprintf(`, response="%s"`, md5hex(ha1+":"+nonce+":"+ha2))
	}
	const cnonce, nc = "0a4f113b", "00000001"
	response := md5hex(strings.Join([]string{ha1, nonce, nc, cnonce, "auth", ha2}, ":"))
	return value + fmt.Sprintf(`, qop=auth, nc=%s, cnonce="%s", response="%s"`, nc, cnonce, response)
}

func md5hex(s string) string {
	sum := md5.Sum([]byte(s))
	return hex.EncodeToString(sum[:])
}

// token makes a tag, branch or Call-ID that nobody else has.
func token() string { return rand.Text()[:16] }

// uriHost writes an address as URIs want it, IPv6 in brackets.
func uriHost(a netip.Addr) string {
	if a.Is6() {
		return "[" + a.String() + "]"
	}
	return a.String()
}

// pbxAt is where the PBX listens for a phone that speaks from the address from.
func pbxAt(from netip.Addr) netip.AddrPort {
	if from.Is6() {
		return netip.AddrPortFrom(netip.MustParseAddr(PBXAddress6), 5060)
	}
	return netip.AddrPortFrom(netip.MustParseAddr(PBXAddress), 5060)
}
