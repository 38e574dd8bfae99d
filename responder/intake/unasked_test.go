package intake

import (
	"fmt"
	"testing"

	"github.com/tollwarden/tollwarden/responder/sip"
)

// What chan_sip accepts without a password is told from a login by how long the phone is
// registered then. In a dialog that has registered one, that says nothing.
func TestUnasked(t *testing.T) {
	w := newWire()
	for _, tc := range []struct {
		name    string
		cseq    int
		request bool
		expires int
		want    Outcome
	}{
		{"a login", 1, true, 60, Accepted},
		{"another account's, as sent again", 1, false, 60, Unasked},
		{"the next login", 2, true, 60, Accepted},
		{"the end of the registration", 3, true, 0, Unasked},
	} {
		id := fmt.Sprintf("Call-ID: a\r\nCSeq: %d REGISTER\r\n", tc.cseq)
		if tc.request {
			r, _ := sip.ParseRequest([]byte("REGISTER sip:pbx SIP/2.0\r\n" + id + "Authorization: Digest username=\"1\"\r\n\r\n"))
			w.Request(noon, at(5060), &r)
		}
		r, _ := sip.ParseResponse(fmt.Appendf(nil, "SIP/2.0 200 OK\r\n%sExpires: %d\r\nX: %s\r\n\r\n", id, tc.expires, tc.name))
		if got := w.Response(noon, at(5060), &r).Outcome; got != tc.want {
			t.Errorf("%s: %d, want %d", tc.name, got, tc.want)
		}
	}
}
