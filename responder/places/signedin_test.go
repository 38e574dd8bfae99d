package places

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
)

// Who is signed in is listed in order, without control characters, and not without end.
func TestSignedIn(t *testing.T) {
	got := SignedIn([]Contact{
		{"1002", home, 5060, "evil\x1b]0;x", ""}, {"1001", office, 5071, "Snom", ""}, {"1001", office, 5070, "", ""}, {"99", netip.Addr{}, 0, "Snom", ""},
	})
	want := []string{
		`99 from an unknown address, User-Agent "Snom"`, "1001 from 198.51.100.10, no User-Agent", `1001 from 198.51.100.10, User-Agent "Snom"`,
		`1002 from ` + home.String() + `, User-Agent "evil\x1b]0;x"`,
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("%q\nwant %q", got, want)
	}
	var many []Contact
	for i := range 70 {
		many = append(many, Contact{fmt.Sprint(1000 + i), office, 5060, "Snom", ""})
	}
	if got := SignedIn(many); len(got) != 51 || got[50] != "and 20 more" {
		t.Errorf("%d lines, at last %q", len(got), got[len(got)-1])
	}
}
