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
			`PJSIP/carrier-0000000a by 1003 to carrier "international (France)" false`
		if strings.Join(got, ", ") != want {
			t.Errorf("%s", strings.Join(got, "\n"))
		}
		if again := s.Standing(noon, up); len(again) != 0 {
			t.Errorf("again: %v", again)
		}
	}
}

// What a real Asterisk lists of calls that the PBX sends out again: each belongs to the
// extension that forwards, also behind a queue, or as the dialplan goes on at "s"; otherwise to
// where its caller came in, or to the PBX itself.
func TestStandingForwards(t *testing.T) {
	const n = "00881612345678"
	in := func(exten, data string) calls.Channel {
		return calls.Channel{Name: "PJSIP/carrier-00000001", Account: "carrier", Linkedid: "1", Dialled: exten, Calling: true, Data: data, Answered: noon}
	}
	local := func(number, half, exten, data string, called bool) calls.Channel {
		return calls.Channel{Name: "Local/" + number + "@internal-00000001;" + half, Linkedid: "1", Dialled: exten, Called: called, Data: data, Answered: noon}
	}
	out := calls.Channel{Name: "PJSIP/carrier-00000009", Account: "carrier", Linkedid: "1", Called: true, CallerID: n, Answered: noon}
	for name, tc := range map[string]struct {
		up   []calls.Channel
		want string
	}{
		"a forward":        {[]calls.Channel{in("1002", "Local/"+n+"@internal/n,10"), local(n, "1", "", "", true), local(n, "2", n, "PJSIP/"+n+"@carrier,30", false), out}, "1002"},
		"to another trunk": {[]calls.Channel{in("1002", "PJSIP/"+n+"@carrier,10"), out}, "1002"},
		"a queue": {[]calls.Channel{
			in("601", "Local/1002@internal/n&Local/1001@internal/n,10"), local("1002", "1", "", "", true), local("1002", "2", "1002", "PJSIP/"+n+"@carrier,10", false), out,
		}, "1002"},
		"a queue, and macros": {[]calls.Channel{
			in("601", "Local/1002@internal/n,10"), local("1002", "1", "", "", true), local("1002", "2", "s", "PJSIP/"+n+"@carrier,10", false), out,
		}, "1002"},
		"sent out again":            {[]calls.Channel{in("s", "PJSIP/"+n+"@carrier,10"), out}, "trunk/carrier"},
		"a program":                 {[]calls.Channel{local(n, "1", n, "", false), local(n, "2", n, "PJSIP/"+n+"@carrier,30", false), out}, "pbx/itself"},
		"a program, by a forward":   {[]calls.Channel{local("1002", "1", "1002", "", false), local("1002", "2", "1002", "PJSIP/"+n+"@carrier,30", false), out}, "1002"},
		"a number that is no phone": {[]calls.Channel{in("601", "Local/77@internal/n,10"), local("77", "1", "", "", true), local("77", "2", "s", "PJSIP/"+n+"@carrier,10", false), out}, "trunk/carrier"},
	} {
		s := newSite(usual())
		s.ApplySnapshot(noon, tc.up)
		var got []string
		for _, l := range s.Standing(noon, tc.up) {
			got = append(got, l.Channel+" by "+l.Cause)
		}
		if want := "PJSIP/carrier-00000009 by " + tc.want; strings.Join(got, ", ") != want {
			t.Errorf("%s: %s, want %s", name, strings.Join(got, ", "), want)
		}
	}
}
