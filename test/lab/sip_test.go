package lab

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// The example of RFC 2617, section 3.5.
func TestDigestAnswersAsTheRFCDoes(t *testing.T) {
	const challenge = `Digest realm="testrealm@host.com", qop="auth,auth-int", ` +
		`nonce="dcd98b7102dd2f0e8b11d0f600bfb0c093", opaque="5ccc069c403ebaf9f0171e9517f40e41"`
	got := credentials{"Mufasa", "Circle Of Life"}.answer(challenge, "GET", "/dir/index.html")
	if response := param(got, "response"); response != "6629fae49393a05397450978507c4ef1" {
		t.Errorf("answered %s", got)
	}
}

func TestParam(t *testing.T) {
	for _, c := range []struct{ value, name, want string }{
		{`<sip:1001@192.0.2.1>;tag=abc`, "tag", "abc"},
		{`SIP/2.0/UDP 192.0.2.66:5060;rport;branch=z9hG4bK1;received=1.2.3.4`, "branch", "z9hG4bK1"},
		{`Digest cnonce="1", nonce="2", realm="a, b"`, "nonce", "2"},
		{`Digest cnonce="1", nonce="2", realm="a, b"`, "realm", "a, b"},
		{`Digest algorithm=MD5, nonce="2"`, "algorithm", "MD5"},
		{`Digest nonce="2"`, "opaque", ""},
	} {
		if got := param(c.value, c.name); got != c.want {
			t.Errorf("%s of %s is %q, want %q", c.name, c.value, got, c.want)
		}
	}
}

func TestSecurityLogIsRead(t *testing.T) {
	const text = `[2026-11-22 00:26:26.070] SECURITY[55] res_security_log.c: SecurityEvent="ChallengeResponseFailed",EventTV="2026-11-22T00:26:26.070+0000",Severity="Error",Service="PJSIP",EventVersion="1",AccountID="1002",SessionID="1-26602@192.0.2.66",LocalAddress="IPV4/UDP/192.0.2.1/5060",RemoteAddress="IPV4/UDP/192.0.2.66/5060",Challenge="x",Response="y",ExpectedResponse=""
[2026-11-22 00:26:26.071] SECURITY[55] res_security_log.c: SecurityEvent="InvalidAccountID",EventTV="2026-11-22T00:26:26.071+0000",Severity="Error",Service="PJSIP",EventVersion="1",AccountID="x
RemoteAddress: IPV4/UDP/8.8.8.8/5",SessionID="2",LocalAddress="IPV6/TCP/2001:db8::1/5060",RemoteAddress="IPV6/TCP/2001:db8::66/5061"
[2026-11-22 00:26:26.072] SECURITY[55] res_security_log.c: SecurityEvent="InvalidPassword",EventTV="2026-11-22T00:26:26.072+0000",Severity="Error",Service="SIP",EventVersion="2",AccountID="1002",SessionID="0x55",LocalAddress="IPV4/UDP/192.0.2.1/5060",RemoteAddress="IPV4/UDP/192.0.2.66/5060",Challenge="4c79d0eb"
[2026-11-22 00:26:26.073] SECURITY[55] res_security_log.c: SecurityEvent="Torn",EventTV="2026`
	want := SecurityLog{
		{"ChallengeResponseFailed", "PJSIP", "1002", netip.MustParseAddrPort("192.0.2.66:5060")},
		{"InvalidAccountID", "PJSIP", "x\nRemoteAddress: IPV4/UDP/8.8.8.8/5", netip.MustParseAddrPort("[2001:db8::66]:5061")},
		{"InvalidPassword", "SIP", "1002", netip.MustParseAddrPort("192.0.2.66:5060")},
	}
	got := parseSecurityLog(text)
	if diff := cmp.Diff(want, got, cmp.Comparer(func(a, b netip.AddrPort) bool { return a == b })); diff != "" {
		t.Errorf("security log (-want +got):\n%s", diff)
	}
	thief := netip.MustParsePrefix("192.0.2.66/32")
	if n := got.From(thief).Against("1002").Guesses(); n != 2 {
		t.Errorf("%d guesses from %s, want 2", n, thief)
	}
}

func TestMessageSurvivesTheWire(t *testing.T) {
	sent := request("INVITE", "sip:1003@192.0.2.1",
		header{"From", "<sip:\xff%0d%0a@192.0.2.1>;tag=1"}, header{"CSeq", "7 INVITE"})
	sent.body = "v=0\r\n"
	got, err := parseMessage(sent.bytes())
	if err != nil {
		t.Fatal(err)
	}
	if got.get("from") != sent.get("From") || got.body != sent.body || got.method() != "INVITE" || !got.isRequest() {
		t.Errorf("sent %+v, got %+v", sent, got)
	}
}

func TestAnyAddressOfANetwork(t *testing.T) {
	for _, s := range []string{"2001:db8:66::/64", "203.0.113.64/26", "198.51.100.7/32", "2001:db8::/33"} {
		p := netip.MustParsePrefix(s)
		seen := map[netip.Addr]bool{}
		for range 100 {
			a := anyOf(p)
			if !p.Contains(a) {
				t.Errorf("%s is not within %s", a, p)
			}
			seen[a] = true
		}
		if single := p.IsSingleIP(); single != (len(seen) == 1) {
			t.Errorf("%d addresses of %s", len(seen), p)
		}
	}
}

func TestUnknownVersionAndAddress(t *testing.T) {
	if _, err := Root(t.Context(), "1.8", nil); err == nil || !strings.Contains(err.Error(), "1.8") {
		t.Errorf("root of an unknown version: %v", err)
	}
	if _, _, err := parseAddress("thief"); err == nil {
		t.Error("a word is an address")
	}
}
