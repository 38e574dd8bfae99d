package sip

import (
	"fmt"
	"strings"
	"testing"
)

func TestParseRequest(t *testing.T) {
	const digest = `Digest username="1002",realm="asterisk",nonce="1/abc",uri="sip:pbx",response="0"`
	for name, tc := range map[string]struct{ message, want string }{
		"with credentials":      {"REGISTER sip:pbx SIP/2.0\r\nVia: a\r\nCall-ID: x@y\r\nCSeq: 7 REGISTER\r\nAuthorization: " + digest + "\r\n\r\n", `REGISTER x@y 7 REGISTER true "1002" "1/abc"`},
		"for a proxy":           {"INVITE sip:a SIP/2.0\r\ni: x\r\nCSEQ: 1 INVITE\r\nproxy-authorization : " + digest + "\r\n\r\n", `INVITE x 1 INVITE true "1002" "1/abc"`},
		"without":               {"SUBSCRIBE sip:a SIP/2.0\r\nCall-ID: x\r\nCSeq: 1 SUBSCRIBE\r\n\r\n", `SUBSCRIBE x 1 SUBSCRIBE false "" ""`},
		"line feeds alone":      {"REGISTER sip:a SIP/2.0\nCall-ID: x\nCSeq: 1 REGISTER\nAuthorization: " + digest + "\n\n", `REGISTER x 1 REGISTER true "1002" "1/abc"`},
		"credentials in a body": {"INVITE sip:a SIP/2.0\r\nCall-ID: x\r\nCSeq: 1 INVITE\r\n\r\nAuthorization: " + digest + "\r\n", `INVITE x 1 INVITE false "" ""`},
		"the first counts":      {"REGISTER sip:a SIP/2.0\r\nCall-ID: x\r\nCall-ID: y\r\nCSeq: 1 REGISTER\r\nCSeq: 2 A\r\nAuthorization: " + digest + "\r\nAuthorization: Digest username=\"z\"\r\n\r\n", `REGISTER x 1 REGISTER true "1002" "1/abc"`},
		"folded":                {"REGISTER sip:a SIP/2.0\r\nCall-ID:\r\n x\r\nCSeq: 1\r\n\tREGISTER\r\nAuthorization:\r\n " + strings.ReplaceAll(digest, ",", ",\r\n ") + "\r\n\r\n", `REGISTER x 1 REGISTER true "1002" "1/abc"`},
		"in other ways":         {"\r\n\t register  <sip:a>\tsip/2.0 \rI : x\rcseq: 07\tREGISTER\rauthorization\t:digest\tusername=\"1002\" , nonce=\"1/abc\"\r\r", `register x 7 REGISTER true "1002" "1/abc"`},
		"no spaces":             {"REGISTER\tsip:a\x01SIP/2.0\r\nCall-ID: x\r\nCSeq: 7 REGISTER\r\n\r\n", `REGISTER x 7 REGISTER false "" ""`},
		"behind another":        {"REGISTER sip:a SIP/2.0\r\nCall-ID: x\r\nCSeq: 1 REGISTER\r\nMax-Forwards: 70&Authorization: " + digest + "\r\n\r\n", `REGISTER x 1 REGISTER true "" ""`},
		"broken name":           {"REGISTER sip:a SIP/2.0\r\nCall-ID: x\r\nCSeq: 1 REGISTER\r\nAu\rthoriza\rtion: " + digest + "\r\n\r\n", `REGISTER x 1 REGISTER true "" ""`},
		"behind half an end":    {"REGISTER sip:a SIP/2.0\r\nCall-ID: x\r\nCSeq: 1 REGISTER\r\r\nAuthorization: " + digest + "\r\n\r\n", `REGISTER x 1 REGISTER true "" ""`},
		"cut off":               {"REGISTER sip:a SIP/2.0\r\nCall-ID: x\r\nCSeq: 1 REGISTER\r\nX: y", `REGISTER x 1 REGISTER true "" ""`},
		"a long name":           {"REGISTER sip:a SIP/2.0\r\nCall-ID: x\r\nCSeq: 1 REGISTER\r\nAuthorization: Digest username=\"" + strings.Repeat("a", 81) + "\"\r\n\r\n", `REGISTER x 1 REGISTER true "" ""`},
		"a response":            {"SIP/2.0 200 OK\r\nCall-ID: x\r\nCSeq: 1 A\r\n\r\n", "none"},
		"no Call-ID":            {"REGISTER sip:a SIP/2.0\r\nCSeq: 1 REGISTER\r\n\r\n", "none"},
		"no CSeq":               {"REGISTER sip:a SIP/2.0\r\nCall-ID: x\r\n\r\n", "none"},
		"a CSeq without number": {"REGISTER sip:a SIP/2.0\r\nCall-ID: x\r\nCSeq: REGISTER\r\n\r\n", "none"},
		"not SIP":               {"GET / HTTP/1.1\r\nCall-ID: x\r\nCSeq: 1 A\r\n\r\n", "none"},
		"nothing":               {"", "none"},
	} {
		t.Run(name, func(t *testing.T) {
			got := "none"
			if r, ok := ParseRequest([]byte(tc.message)); ok {
				got = fmt.Sprintf("%s %s %d %s %t %q %q", r.Method, r.ID.CallID, r.ID.Number, r.ID.Method, r.Credentials, r.User, r.Nonce)
			}
			if got != tc.want {
				t.Errorf("got %s, want %s", got, tc.want)
			}
		})
	}
}

// A response is joined with its request by what the sender wrote, even when it
// wrote more than one of everything.
func TestTransaction(t *testing.T) {
	for name, head := range map[string]string{
		"plain":              "Via: SIP/2.0/UDP h\r\nCall-ID: x\r\nFrom: a\r\n",
		"a second Call-ID":   "Via: SIP/2.0/UDP [h\r\nCall-ID: x\r\n]\r\nCall-ID: z\r\n",
		"a CSeq of its own":  "Via: SIP/2.0/UDP [h\r\nCall-ID: x\r\nCSeq: 3 REGISTER\r\n]\r\nCall-ID: z\r\n",
		"without its spaces": "Via: SIP/2.0/UDP h\r\nCall-ID:x\r\n",
	} {
		request, ok := ParseRequest([]byte("REGISTER sip:a SIP/2.0\r\n" + head + "CSeq: 3 REGISTER\r\n\r\n"))
		if !ok {
			t.Fatalf("%s: no request", name)
		}
		response, ok := ParseResponse([]byte("SIP/2.0 401 x\r\n" + head + "CSeq: 3 REGISTER\r\n\r\n"))
		if !ok {
			t.Fatalf("%s: no response", name)
		}
		id, ok := response.Transaction()
		if !ok || string(id.CallID) != string(request.ID.CallID) || id.Number != request.ID.Number || string(id.Method) != string(request.ID.Method) {
			t.Errorf("%s: response %s %d %s, request %s %d %s", name, id.CallID, id.Number, id.Method, request.ID.CallID, request.ID.Number, request.ID.Method)
		}
	}
}

func TestStale(t *testing.T) {
	for header, want := range map[string]bool{
		`WWW-Authenticate: Digest realm="a",nonce="1/a",stale=true`:                             true,
		`WWW-Authenticate: Digest realm="a", nonce="b", stale=TRUE`:                             true,
		`Proxy-Authenticate: Digest stale="true"`:                                               true,
		"WWW-Authenticate: Digest nonce=a\r\nWWW-Authenticate: Digest algorithm=MD5,stale=true": true,
		`WWW-Authenticate: Digest realm="stale=true",nonce="a"`:                                 false,
		`WWW-Authenticate: Digest stale=false`:                                                  false,
		`X: Digest stale=true`:                                                                  false,
	} {
		r, ok := ParseResponse([]byte("SIP/2.0 401 x\r\nVia: a\r\nCSeq: 1 A\r\n" + header + "\r\n\r\n"))
		if !ok || r.Stale() != want {
			t.Errorf("%s: stale %t, want %t", header, r.Stale(), want)
		}
	}
}

// Nothing that is sent breaks anything, and what is read lies in the message.
func FuzzRequest(f *testing.F) {
	f.Add([]byte("REGISTER sip:pbx SIP/2.0\r\nCall-ID: x\r\nCSeq: 7 REGISTER\r\nAuthorization: Digest username=\"1002\",nonce=\"1/abc\"\r\n\r\n"))
	f.Add([]byte("A B SIP/2.0\nCall-ID:\nCSeq: 4294967296 A\nAuthorization\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		r, ok := ParseRequest(data)
		if ok && (!strings.Contains(string(data), string(r.ID.CallID)) || len(r.User) > maxUser || len(r.Nonce) > maxNonce) {
			t.Errorf("%+v", r)
		}
		if response, ok := ParseResponse(data); ok {
			response.Stale()
			response.Transaction()
			response.Challenges(func(Challenge) {})
		}
	})
}

// Where a request wants its response sent to is read as chan_sip reads it.
func TestAnswerTo(t *testing.T) {
	for via, want := range map[string]string{
		"SIP/2.0/UDP 192.0.2.66:5060;rport;branch=a":                   "invalid IP",
		"SIP/2.0/UDP 192.0.2.66;maddr=198.51.100.44;rport":             "198.51.100.44",
		"SIP/2.0/UDP 192.0.2.66;rport;maddr=[2001:db8::1]":             "2001:db8::1",
		"SIP/2.0/UDP 192.0.2.66;maddr=198.51.100.44,SIP/2.0/UDP b":     "198.51.100.44",
		"SIP/2.0/UDP 192.0.2.66;branch=maddr=198.51.100.44":            "198.51.100.44",
		"SIP/2.0/UDP 192.0.2.66;maddr=pbx.example":                     "invalid IP",
		"SIP/2.0/UDP 192.0.2.66\r\nVia: SIP/2.0/UDP b;maddr=192.0.2.9": "invalid IP",
	} {
		r, ok := ParseRequest([]byte("REGISTER sip:pbx SIP/2.0\r\nVia: " + via + "\r\nCall-ID: a\r\nCSeq: 1 REGISTER\r\n\r\n"))
		if got := r.AnswerTo.String(); !ok || got != want || r.AnswerToName != strings.Contains(via, "=pbx") {
			t.Errorf("%s: %s, a name %t, want %s", via, got, r.AnswerToName, want)
		}
	}
}
