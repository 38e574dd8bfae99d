package calls_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/tollwarden/tollwarden/responder/calls"
)

// What Asterisk lists of a caller from outside whose call 1002 forwards, of a phone's call
// and of one within the site.
func TestStanding(t *testing.T) {
	s := newSite(usual())
	up := []calls.Channel{
		{Name: "PJSIP/carrier-00000007", Account: "carrier", Linkedid: "1", Dialled: "1002", Calling: true, Data: "Local/00881612345678@internal/n,10", Answered: noon},
		{Name: "Local/00881612345678@internal-00000001;1", Linkedid: "1", Called: true, CallerID: "00881612345678", Answered: noon},
		{Name: "Local/00881612345678@internal-00000001;2", Linkedid: "1", Dialled: "00881612345678", Data: "PJSIP/00881612345678@carrier,10", Answered: noon},
		{Name: "PJSIP/carrier-00000008", Account: "carrier", Linkedid: "1", Called: true, CallerID: "00881612345678", Answered: noon},
		{Name: "PJSIP/1003-00000009", Account: "1003", Linkedid: "2", Dialled: "0033142685300", Calling: true, Data: "PJSIP/0033142685300@backup&PJSIP/0033142685300@carrier"},
		{Name: "PJSIP/carrier-0000000a", Account: "carrier", Linkedid: "2", Called: true, CallerID: "0033142685300"},
		{Name: "PJSIP/1001-0000000b", Account: "1001", Linkedid: "3", Dialled: "1002", Calling: true, Data: "PJSIP/1002,30"},
		{Name: "PJSIP/1002-0000000c", Account: "1002", Linkedid: "3", Called: true, CallerID: "1002"},
	}
	for _, order := range []func(){func() {}, func() { slices.Reverse(up) }} {
		order()
		s.ApplySnapshot(noon, nil)
		s.ApplySnapshot(noon, up)
		var got []string
		for _, l := range s.Standing(noon, up) {
			got = append(got, fmt.Sprintf("%s by %s to %s %q %v", l.Channel, l.Cause, l.Trunk, l.Costs, !l.Answered.IsZero()))
		}
		slices.Sort(got)
		want := `PJSIP/carrier-00000008 by 1002 to carrier "forbidden (satellite)" true, ` +
			`PJSIP/carrier-0000000a by 1003 to carrier "international (FR)" false`
		if strings.Join(got, ", ") != want {
			t.Errorf("%s", strings.Join(got, "\n"))
		}
		if again := s.Standing(noon, up); len(again) != 0 {
			t.Errorf("again: %v", again)
		}
	}
}
