package intake

import (
	"net/netip"
	"testing"

	"github.com/tollwarden/tollwarden/responder/sip"
)

// When PJSIP made a nonce is in front of its first slash.
func TestIssueTime(t *testing.T) {
	for nonce, want := range map[string]int64{
		"1700000000/0123": 1700000000, "1/": 1, "/abc": -1, "": -1, "4c79d0eb": -1, "17": -1, "1x/a": -1, "-1/a": -1, " 1/a": -1,
		"999999999999/a": 999999999999, "1234567890123/a": -1,
	} {
		at, ok := issueTime(nonce)
		if !ok {
			at = -1
		}
		if at != want {
			t.Errorf("%q: %d, want %d", nonce, at, want)
		}
	}
}

// A flood of challenges costs no memory.
func TestIssuedNoncesDoNotAllocate(t *testing.T) {
	r, _ := sip.ParseResponse([]byte("SIP/2.0 401 x\r\nFrom: <sip:1002@pbx>\r\nCall-ID: i\r\nCSeq: 1 REGISTER\r\nWWW-Authenticate: Digest nonce=\"1/a\"\r\n\r\n"))
	n, to := newNonces(), netip.MustParseAddr("192.0.2.1")
	if a := testing.AllocsPerRun(100, func() { n.Issued(noon, to, &r) }); a != 0 {
		t.Errorf("%v allocations", a)
	}
}

// Whatever a nonce says, it is judged.
func FuzzForeign(f *testing.F) {
	f.Add("1700000000/a", "1002")
	f.Add("4c79d0eb", "%31")
	n := newNonces()
	f.Fuzz(func(t *testing.T, nonce, account string) {
		n.Used(account, nonce)
		n.Foreign(noon, account, netip.Addr{}, nonce)
		n.Issued(noon, netip.Addr{}, &sip.Response{Status: 401})
	})
}
