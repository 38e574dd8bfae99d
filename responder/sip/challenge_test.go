package sip

import (
	"bytes"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
)

// refusal is a 401 as PJSIP and chan_sip write it.
func refusal(nonce string) string {
	return "SIP/2.0 401 Unauthorized\r\nVia: SIP/2.0/UDP 198.51.100.7:5061;rport=5061;received=198.51.100.7;branch=z9hG4bK1\r\n" +
		"Call-ID: a\r\nCSeq: 1 REGISTER\r\nWWW-Authenticate: Digest realm=\"a \\\"nonce=\\\"lie\\\"\", algorithm=MD5,nonce=\"" + nonce +
		"\",opaque=\"0\",qop=\"auth\"\r\nContent-Length: 0\r\n\r\n"
}

// each calls fn for each challenge in a message.
func each(message []byte, fn func(Challenge)) {
	if r, ok := ParseResponse(message); ok {
		r.Challenges(fn)
	}
}

// challenges lists the challenges in a message.
func challenges(message string) string {
	var list []string
	each([]byte(message), func(c Challenge) {
		list = append(list, fmt.Sprintf("%s for %s", c.Nonce, c.For))
	})
	return strings.Join(list, ", ")
}

func TestChallenges(t *testing.T) {
	with := func(headers string) string {
		return "SIP/2.0 401 x\r\nVia: SIP/2.0/UDP h;received=198.51.100.7\r\nCSeq: 1 REGISTER\r\n" + headers
	}
	// forged is a response to a request whose sender filled its Via (RFC 3261
	// section 25.1, IPv6reference).
	forged := func(host string) string {
		return strings.Replace(refusal("1/abc"), "198.51.100.7:5061;", host+";", 1)
	}
	const plain = "1/abc for [198.51.100.7]"
	for name, tc := range map[string]struct{ message, want string }{
		"a challenge":                 {refusal("1/abc"), plain},
		"of a proxy":                  {with("proxy-authenticate : Digest nonce = \"1/abc\"\r\n\r\n"), plain},
		"two algorithms":              {with("WWW-Authenticate: Digest nonce=\"1/a\",algorithm=SHA-256\r\nWWW-Authenticate: Digest algorithm=MD5,nonce=1/b\r\n\r\n"), "1/a for [198.51.100.7], 1/b for [198.51.100.7]"},
		"of chan_sip":                 {with("WWW-Authenticate: Digest algorithm=MD5, realm=\"asterisk\", nonce=\"4c79d0eb\"\r\n\r\n"), ""},
		"in the body":                 {with("\r\nWWW-Authenticate: Digest nonce=\"1/a\"\r\n"), ""},
		"truncated":                   {with("WWW-Authenticate: Digest nonce=\"1/a"), ""},
		"another status":              {strings.Replace(refusal("1/abc"), "401", "403", 1), ""},
		"no status":                   {strings.Replace(refusal("1/abc"), "401", "4x1", 1), ""},
		"a request":                   {strings.Replace(refusal("1/abc"), "SIP/2.0 401", "REGISTER sip:", 1), ""},
		"another parameter":           {with("WWW-Authenticate: Digest cnonce=\"1/a\"\r\n\r\n"), ""},
		"inside a parameter":          {with("WWW-Authenticate: Digest realm=\"nonce=\\\"1/a\\\"\"\r\n\r\n"), ""},
		"too long":                    {with("WWW-Authenticate: Digest nonce=\"1/" + strings.Repeat("a", 200) + "\"\r\n\r\n"), ""},
		"nothing":                     {"", ""},
		"before CSeq":                 {"SIP/2.0 401 x\r\nWWW-Authenticate: Digest nonce=\"1/a\"\r\nCSeq: 1 REGISTER\r\n\r\n", ""},
		"no CSeq":                     {"SIP/2.0 401 x\r\nWWW-Authenticate: Digest nonce=\"1/a\"\r\n\r\n", ""},
		"the sender's header":         {forged("x;received=198.51.100.7\r\nWWW-Authenticate: Digest nonce=\"1/his\"\r\nX: y"), "1/abc for [198.51.100.7 198.51.100.7]"},
		"the sender's response":       {forged("x;received=198.51.100.7\r\nCSeq: 1 REGISTER\r\nWWW-Authenticate: Digest nonce=\"1/his\"\r\n\r\n"), "1/abc for [198.51.100.7 198.51.100.7]"},
		"the sender's header only":    {forged("x\r\nWWW-Authenticate: Digest nonce=\"1/his\"\r\nX: y"), plain},
		"not an address":              {forged("x;received=z:5099;maddr=192.0.2.66"), "1/abc for [invalid IP 198.51.100.7]"},
		"somebody else's address":     {forged("x;received=203.0.113.1"), "1/abc for [203.0.113.1 198.51.100.7]"},
		"the sender's, in upper case": {forged("x;RECEIVED=203.0.113.1\r\ncseq: 1 A\r\nWWW-Authenticate: Digest nonce=\"1/his\"\r\nX: y"), plain},
	} {
		t.Run(name, func(t *testing.T) {
			if got := challenges(tc.message); got != tc.want {
				t.Errorf("got %q, want %q", got, tc.want)
			}
		})
	}
}

// A response names the source of the request, wherever it goes itself. If the
// sender wrote similar text into it, the source is among several.
func TestReceivedFrom(t *testing.T) {
	for via, want := range map[string]string{
		"SIP/2.0/UDP 192.0.2.66:5099;rport=5060;maddr=192.0.2.66;received=198.51.100.44;branch=z9hG4bKa":    "[198.51.100.44]",
		"SIP/2.0/UDP host;rport=5060;received=198.51.100.44":                                                "[198.51.100.44]",
		"SIP/2.0/UDP host;received=::ffff:198.51.100.44":                                                    "[198.51.100.44]",
		"SIP/2.0/UDP [::1]:5060;received=2001:db8::1;branch=a;foo=\";Received=192.0.2.1\"":                  "[2001:db8::1]",
		"SIP/2.0/UDP [::1]:5060;received=[2001:db8::1];branch=a":                                            "[2001:db8::1]",
		"SIP/2.0/UDP " + strings.Repeat("a", 30000) + ";received=198.51.100.44":                             "[198.51.100.44]",
		"SIP/2.0/UDP 192.0.2.66;branch=z9hG4bKa":                                                            "[]",
		"SIP/2.0/UDP x;received=z:5099;maddr=192.0.2.66;received=198.51.100.44;branch=a":                    "[invalid IP 198.51.100.44]",
		"SIP/2.0/UDP x;received=;received=198.51.100.44":                                                    "[invalid IP 198.51.100.44]",
		"SIP/2.0/UDP x\r\nA: ;received=192.0.2.9\r\nB: ;received=198.51.100.44;foo=\";received=192.0.2.8\"": "[192.0.2.9 198.51.100.44 invalid IP]",
	} {
		if got := receivedFrom("SIP/2.0 401 x\r\nVia: " + via + "\r\nFrom: a"); got != want {
			t.Errorf("%.80s: received from %s, want %s", via, got, want)
		}
	}
}

func receivedFrom(head string) string {
	r := Response{Echoed: []byte(head)}
	return fmt.Sprint(r.Received())
}

// What a proxy wrote into the Vias beneath its own does not count, unless the sender
// may have written what looks like the first line.
func TestReceivedOnTop(t *testing.T) {
	const phone = "\r\nVia: SIP/2.0/UDP 192.168.1.20:5060;received=203.0.113.9;rport=5060;branch=b"
	for via, want := range map[string]string{
		"SIP/2.0/UDP 198.18.77.7:5060;received=198.18.77.7;branch=a" + phone:            "[198.18.77.7]",
		"SIP/2.0/UDP 198.18.77.7:5060;rport=5060;received=198.18.77.7;branch=a" + phone: "[198.18.77.7]",
		"SIP/2.0/UDP a;maddr=192.0.2.66;received=198.51.100.44;branch=a" + phone:        "[198.51.100.44]",
		"SIP/2.0/UDP a;received=192.0.2.66;received=198.51.100.44;rport=5":              "[192.0.2.66 198.51.100.44]",
		"SIP/2.0/UDP [x;received=192.0.2.66\r\nX: y]:5;received=198.51.100.44":          "[192.0.2.66 198.51.100.44]",
		"SIP/2.0/UDP a;b=\";received=192.0.2.66\r\nX: y\";received=198.51.100.44":       "[192.0.2.66 198.51.100.44]",
		"SIP/2.0/UDP a, SIP/2.0/UDP b;received=192.0.2.66" + phone:                      "[192.0.2.66 203.0.113.9]",
		"SIP/2.0/UDP a;branch=a" + phone:                                                "[203.0.113.9]",
		"SIP/2.0/UDP a;branch=a":                                                        "[]",
	} {
		r := Response{Echoed: []byte("SIP/2.0 401 x\r\nVia: " + via + "\r\nFrom: a\r\n")}
		if got := fmt.Sprint(r.ReceivedOnTop()); got != want {
			t.Errorf("%s: received from %s, want %s", via, got, want)
		}
	}
}

// No message breaks anything, and a nonce always comes from behind the last CSeq.
// Whatever a sender writes before it, and around what PJSIP adds to the Via, the
// nonce is PJSIP's and the sender is among those it is for.
func FuzzChallenge(f *testing.F) {
	for _, s := range []string{
		refusal("1/abc"),
		"SIP/2.0 401 x\r\nCSeq: 1\r\nWWW-Authenticate: Digest nonce=\"\\",
		"SIP/2.0 407 \r\nCSeq:\r\nProxy-Authenticate:\r\n\r\n",
		"x;received=198.51.100.7\r\nCSeq: 1 A\r\nWWW-Authenticate: Digest nonce=\"1/his\"\r\n\r\n",
		";received=z;received=",
	} {
		f.Add([]byte(s))
	}
	source := netip.MustParseAddr("198.51.100.44")
	f.Fuzz(func(t *testing.T, data []byte) {
		each(data, func(c Challenge) {
			if len(c.Nonce) == 0 || len(c.Nonce) > maxNonce {
				t.Errorf("a nonce of %d bytes", len(c.Nonce))
			}
			if own := bytes.LastIndex(data, []byte("\r\nCSeq:")); own < 0 || !bytes.Contains(data[own:], c.Nonce) {
				t.Errorf("the nonce %q is not behind CSeq in %q", c.Nonce, data)
			}
		})
		n, sender := 0, string(data)
		each([]byte("SIP/2.0 401 Unauthorized\r\nVia: SIP/2.0/UDP "+sender+":5099;rport=5060;received="+source.String()+";branch=a;"+sender+
			"\r\nCall-ID: "+sender+"\r\nFrom: "+sender+"\r\nTo: "+sender+"\r\nCSeq: 1 REGISTER\r\nWWW-Authenticate: Digest realm=\"asterisk\",nonce=\"1/abc\"\r\n\r\n"), func(c Challenge) {
			n++
			if string(c.Nonce) != "1/abc" || !slices.Contains(c.For, source) {
				t.Errorf("nonce %q for %s", c.Nonce, c.For)
			}
		})
		if n != 1 {
			t.Errorf("%d challenges in one response", n)
		}
	})
}

// Of a response, every nonce counts as issued, and the name in From as whose it is.
func TestNoncesAndFrom(t *testing.T) {
	for name, tc := range map[string]struct{ message, nonces, from string }{
		"PJSIP's":         {refusal("1/abc"), "1/abc", ""},
		"chan_sip's":      {"SIP/2.0 407 x\r\nFrom: \"A\" <sip:1002@pbx>;tag=1\r\nCSeq: 1 INVITE\r\nProxy-Authenticate: Digest algorithm=MD5, nonce=\"4c79d0eb\"\r\n\r\n", "4c79d0eb", "1002"},
		"two algorithms":  {"SIP/2.0 401 x\r\nf: x\r\nFrom: <sip:anna@pbx>\r\nFrom: <sip:bob@pbx>\r\nCSeq: 1 REGISTER\r\nWWW-Authenticate: Digest nonce=1/a\r\nWWW-Authenticate: Digest nonce=1/b\r\n\r\n", "1/a 1/b", "bob"},
		"of the sender's": {"SIP/2.0 401 x\r\nWWW-Authenticate: Digest nonce=1/a\r\nCSeq: 1 REGISTER\r\n\r\n", "", ""},
		"an empty one":    {"SIP/2.0 401 x\r\nCSeq: 1 REGISTER\r\nWWW-Authenticate: Digest nonce=\"\"\r\n\r\n", "", ""},
		"another status":  {strings.Replace(refusal("1/abc"), "401", "200", 1), "", ""},
	} {
		r, ok := ParseResponse([]byte(tc.message))
		if !ok {
			t.Fatal(name)
		}
		var nonces []string
		r.Nonces(func(nonce []byte) { nonces = append(nonces, string(nonce)) })
		from, _ := r.Names()
		if got := strings.Join(nonces, " "); got != tc.nonces || string(from) != tc.from {
			t.Errorf("%s: nonces %q of %q, want %q of %q", name, got, from, tc.nonces, tc.from)
		}
	}
}
