package responder_test

import (
	"bytes"
	"net/netip"
	"strings"
	"testing"

	"github.com/rs/zerolog"

	"github.com/tollwarden/tollwarden/responder"
	"github.com/tollwarden/tollwarden/responder/ledger"
	"github.com/tollwarden/tollwarden/responder/places"
)

// The first start, and no other, says who is signed in: a thief may be among them.
func TestFirstStartListsThePhones(t *testing.T) {
	l, err := ledger.Open("", ledger.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	h := &harness{kernel: &memoryFirewall{}, pbx: &exchange{contacts: []places.Contact{
		{Account: "1002", Source: netip.MustParseAddr("192.0.2.66"), Agent: "friendly-scanner"}, {Account: "1001", Source: netip.MustParseAddr("198.51.100.10"), Agent: "Snom"},
	}}}
	for _, want := range []int{2, 0} {
		var log bytes.Buffer
		e, err := responder.New(t.Context(), noon, guessing(3), responder.Parts{Firewall: h.kernel, Calls: h.pbx, Accounts: h.pbx, Inventory: h.pbx, Ledger: l, Log: zerolog.New(&log)})
		if err != nil {
			t.Fatal(err)
		}
		for range 2 { // once is enough
			if err := e.Resync(t.Context(), noon); err != nil {
				t.Fatal(err)
			}
		}
		text := log.String()
		if got := strings.Count(text, "signed in at the first start: "); got != want || strings.Contains(text, "Which of these are not yours?") != (want > 0) {
			t.Errorf("%d lines, want %d: %s", got, want, text)
		}
		l.PutPlace(ledger.Place{Account: "1001", Prefix: netip.MustParsePrefix("198.51.100.10/32"), LastSuccess: noon})
	}
}
