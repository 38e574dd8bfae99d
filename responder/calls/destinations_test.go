package calls_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/tollwarden/tollwarden/responder/calls"
)

// What an account may not call is seen in each plausible reading, also of a number that is
// internal by its length.
func TestForbiddenDestinations(t *testing.T) {
	for name, tc := range map[string]struct {
		country     string
		outside     string
		allow, deny string // items
		number      string
		forbidden   bool
	}{
		"a short number":                      {"GB", "", "", "118", "118118", true},
		"another one":                         {"GB", "", "", "118", "11855", true},
		"behind the outside line":             {"GB", "9", "", "118", "9118118", true},
		"an extension that begins alike":      {"GB", "", "", "118", "1180", false},
		"no extension":                        {"GB", "", "", "118", "1189", true},
		"an extension that is named":          {"GB", "", "", "118 1180", "1180", true},
		"Reading":                             {"GB", "", "", "118", "01184960000", false},
		"Reading behind the outside line":     {"GB", "9", "", "118", "901184960000", false},
		"an emergency number":                 {"IT", "", "", "118", "118", false},
		"an emergency number, outside":        {"CH", "0", "", "118", "0118", false},
		"more digits than an emergency has":   {"IT", "", "", "118", "118118", true},
		"the same where 118 is none":          {"GB", "", "", "118", "118", true},
		"a country":                           {"GB", "", "", "CU", "005371234567", true},
		"a country in another reading":        {"US", "", "", "CU", "005371234567", true},
		"a country, bare":                     {"GB", "", "", "CU", "5371234567", true},
		"a country behind a feature code":     {"GB", "", "", "CU", "*67005371234567", true},
		"a range":                             {"GB", "", "", "+4490", "9098790000", true},
		"a number of this country":            {"GB", "", "", "CU", "02079460001", false},
		"allowed":                             {"GB", "", "FR", "", "0033140205050", false},
		"not allowed":                         {"GB", "", "FR", "", "0034910000000", true},
		"not allowed in one reading of two":   {"KR", "", "JP", "", "00881612345678", true},
		"at home, which needs no permission":  {"GB", "", "FR", "", "02079460001", false},
		"an extension needs none":             {"GB", "", "FR", "", "1001", false},
		"nor does one that nobody has":        {"GB", "", "FR", "", "4711", false},
		"iNum costs nothing":                  {"GB", "", "FR", "satellite", "00883510012345678", false},
		"no number of any country":            {"GB", "", "FR", "", "0012345678901234567890", true},
		"a satellite among internal numbers":  {"GB", "", "", "satellite", "00881612345678", true},
		"premium":                             {"GB", "", "", "premium", "09098790000", true},
		"premium with digits behind":          {"GB", "", "", "premium", "0909879000012", true},
		"premium behind an unknown line":      {"GB", "", "", "premium", "709098790000", true},
		"shared cost, which is not forbidden": {"GB", "", "", "premium", "08431234567", false},
	} {
		t.Run(name, func(t *testing.T) {
			r := usual()
			r.Dialling.Country = tc.country
			if tc.outside != "" {
				r.Dialling.Outside = []string{tc.outside}
			}
			r.Limits.Destinations = calls.Destinations{Allow: strings.Fields(tc.allow), Deny: strings.Fields(tc.deny)}
			s := newSite(r)
			s.List([]calls.Account{{Name: "1001", Login: true}, {Name: "1002", Login: true}, {Name: "1180", Login: true}})
			s.activate("1002")
			got := names(s.call(noon, "1002", tc.number, office))
			if strings.Contains(got, "ForbiddenDestination") != tc.forbidden {
				t.Errorf("%s: %q, want forbidden %v", tc.number, got, tc.forbidden)
			}
			if cost := s.Cost("1002", tc.number); strings.HasPrefix(cost, "forbidden") != tc.forbidden {
				t.Errorf("%s costs %q, want forbidden %v", tc.number, cost, tc.forbidden)
			}
			guest := s.Call(noon, calls.Channel{Name: "PJSIP/anonymous-00000001", Account: "anonymous", Dialled: tc.number, Calling: true})
			if strings.Contains(names(guest), "ForbiddenDestination") != tc.forbidden {
				t.Errorf("%s by a guest: %q, want forbidden %v", tc.number, names(guest), tc.forbidden)
			}
		})
	}
}

// A caller without a login may call what the site can have itself, and nothing that costs.
func TestGuestsAreJudged(t *testing.T) {
	for number, want := range map[string]string{
		"02079460001":       "",
		"+442079460001":     "",
		"442079460001":      "",
		"08431234567":       "", // the site's own, for all that is known
		"12125550123":       "",
		"1001":              "",
		"999":               "",
		"118118":            "AnonymousCall ForbiddenDestination",
		"09098790000":       "AnonymousCall ForbiddenDestination",
		"909098790000":      "AnonymousCall ForbiddenDestination",
		"00881612345678":    "AnonymousCall ForbiddenDestination",
		"881612345678":      "AnonymousCall ForbiddenDestination",
		"00883510012345678": "",
		"005371234567":      "AnonymousCall ForbiddenDestination",
		"0033140205050":     "AnonymousCall",
		"90033140205050":    "AnonymousCall",
		"*670033140205050":  "AnonymousCall",
	} {
		s := newSite(usual())
		got := names(s.Call(noon, calls.Channel{Name: "PJSIP/anonymous-00000001", Account: "anonymous", Dialled: number, Calling: true}))
		if got != want {
			t.Errorf("%s: %q, want %q", number, got, want)
		}
	}
}

// Emergency calls are not counted.
func TestEmergencyCallsAreNoSigns(t *testing.T) {
	s := newSite(usual())
	s.activate("1002")
	for i := range 20 {
		if got := names(s.call(noon.Add(time.Duration(i)*100*time.Millisecond), "1002", "999", office)); got != "" {
			t.Fatalf("call %d: %q", i, got)
		}
	}
	if n := s.Outgoing("1002"); n != 0 {
		t.Errorf("%d calls count as outgoing", n)
	}
}

// Numbers that end alike are dialled every day; one number with many prefixes is not.
func TestDialProbing(t *testing.T) {
	for name, tc := range map[string]struct {
		dialled []string
		want    bool
	}{
		"a satellite and a French number, in turns": {[]string{"00881612345678", "0033612345678", "+33612345678", "0034612345678"}, false},
		"numbers in a row":                          {[]string{"02079460001", "02079460002", "02079460003", "02079460004"}, false},
		"a mistake and the outside line":            {[]string{"02079460001", "902079460001"}, false},
		"war dialling":                              {[]string{"00972592345678", "011972592345678", "900972592345678"}, true},
		"war dialling with feature codes":           {[]string{"9*00972592345678", "7700972592345678", "*6700972592345678"}, true},
		"war dialling a number that cannot be":      {[]string{"009725900000", "9009725900000", "77009725900000"}, true},
		"war dialling inside the country":           {[]string{"02079460001", "902079460001", "7702079460001"}, true},
	} {
		s := newSite(usual())
		s.activate("1002")
		found := false
		for i, number := range tc.dialled {
			got := names(s.call(noon.Add(time.Duration(i)*20*time.Second), "1002", number, office))
			found = found || strings.Contains(got, "DialProbing")
			s.hangUp(noon.Add(time.Duration(i)*20*time.Second+time.Second), "1002")
		}
		if found != tc.want {
			t.Error(fmt.Sprint(name, ": ", found, ", want ", tc.want))
		}
	}
}
