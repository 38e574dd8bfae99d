package numbers_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/tollwarden/tollwarden/responder/numbers"
)

func TestEmergency(t *testing.T) {
	london := numbers.Dialling{Country: "GB", Outside: []string{"9"}, Internal: 6}
	rome := numbers.Dialling{Country: "IT"}
	berne := numbers.Dialling{Country: "CH", Outside: []string{"0"}}
	sydney := numbers.Dialling{Country: "AU", Outside: []string{"0"}}
	chicago := numbers.Dialling{Country: "US", EmergencyNumbers: []string{"5555"}}
	unknown := numbers.Dialling{EmergencyNumbers: []string{"2222"}}
	for _, tc := range []struct {
		d    numbers.Dialling
		yes  []string
		no   []string
		name string
	}{
		{
			name: "Britain", d: london,
			yes: []string{"999", "112", "9999", "9112", "0999", "8112", "0112", "sip:112@192.0.2.1", "tel:999", "999@carrier", "112;user=phone"},
			no: []string{
				"", "9", "99", "911", "110", "1123", "99999", "7999", "+112", "112#", "112w00881612345678", "112,1", "112&PJSIP/0033@x",
				"112;x=00881612345678", "112 00881612345678", "112/00881612345678", "00112", "*112", "112;phone-context=+44", "112%3B0088", "112p1", "11200881612345678", "112%2300", "sip:sip:", "one112",
				"112\x00", "\uff11\uff11\uff12", "99112",
			},
		},
		{name: "Italy", d: rome, yes: []string{"112", "113", "115", "118", "0118"}, no: []string{"999", "118118", "1180", "0118118"}},
		{name: "Switzerland", d: berne, yes: []string{"117", "118", "144", "0118", "0112"}, no: []string{"118118", "00118", "1811"}},
		{name: "Australia", d: sydney, yes: []string{"000", "0000", "112", "106"}, no: []string{"00", "00000", "999", "0001"}},
		{name: "the United States", d: chicago, yes: []string{"911", "112", "5555", "9911", "0911"}, no: []string{"999", "5555000", "911911", "7911", "99911"}},
		{
			name: "no country", d: unknown,
			yes: []string{"112", "911", "999", "000", "110", "113", "118", "2222", "9112", "0112"},
			no:  []string{"1180", "118118", "144", "7112", "0144"},
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			for _, s := range tc.yes {
				if !tc.d.Emergency(s) {
					t.Errorf("%q is no emergency number", s)
				}
			}
			for _, s := range tc.no {
				if tc.d.Emergency(s) {
					t.Errorf("%q is an emergency number", s)
				}
			}
		})
	}
}

// Every number of the list is one that Emergency takes, and those of two digits or five are
// among them.
func TestEmergencyList(t *testing.T) {
	for want, d := range map[string]numbers.Dialling{
		"0112 0999 112 8112 8999 9112 999 9999":                        {Country: "GB", Outside: []string{"9"}},
		"010111 10111 810111 910111":                                   {Country: "NA"},
		"0112 112 15 17 18 8112 9112":                                  {Country: "FR"},
		"0112 015 017 018 112 15 17 18 8112 9112":                      {Country: "FR", Outside: []string{"0"}},
		"00112 00999 0112 0999 112 8112 8999 9112 999 9999":            {Country: "GB", Outside: []string{"00", "123"}},
		"0112 05555 0911 112 5555 8112 85555 8911 911 9112 95555 9911": {Country: "US", EmergencyNumbers: []string{"5555", "112"}},
	} {
		list := d.EmergencyList()
		for _, number := range list {
			if !d.Emergency(number) {
				t.Errorf("%s: %s is no emergency number", d.Country, number)
			}
		}
		for _, number := range strings.Fields(want) {
			if !slices.Contains(list, number) {
				t.Errorf("%s: %v lacks %s", d.Country, list, number)
			}
		}
		if got := strings.Join(list, " "); got != want {
			t.Errorf("%s: %s, want %s", d.Country, got, want)
		}
	}
}
