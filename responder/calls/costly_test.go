package calls_test

import (
	"testing"
	"time"

	"github.com/tollwarden/tollwarden/responder/calls"
	"github.com/tollwarden/tollwarden/responder/numbers"
	"github.com/tollwarden/tollwarden/responder/places"
)

// What costs is what goes abroad, to numbers that pay, or is forbidden.
func TestPlaced(t *testing.T) {
	for _, tt := range []struct {
		country, number, cost string
		deny                  string
	}{
		{"GB", "02079460001", "", ""},
		{"GB", "00442079460001", "", ""},
		{"GB", "442079460001", "", ""},
		{"GB", "0800123456789", "", ""},
		{"GB", "0033140205050", "international (France)", ""},
		{"GB", "+33140205050", "international (France)", ""},
		{"GB", "33140205050", "international (France)", ""},
		{"GB", "881612345678", "satellite", ""},
		{"GB", "00881612345678", "satellite", ""},
		{"GB", "09098790879", "premium", ""},
		{"GB", "08431234567", "shared-cost", ""},
		{"GB", "02079460001", "forbidden (0207)", "0207"},
		{"GB", "0012345678901234567890", "international (United States)", ""},
		{"DE", "8812345678", "", ""}, // a local number that looks like a satellite's
		{"DE", "03012345678", "", ""},
		{"US", "2125550123", "", ""},
		{"US", "12125550123", "", ""},
		{"US", "011442079460001", "international (United Kingdom)", ""},
		{"US", "5551234", "", ""},
		{"", "02079460001", "", ""},
		{"", "0033140205050", "international (France)", ""},
		// behind what the site's dialplan or its carrier takes away
		{"GB", "70033140205050", "international (France)", ""},
		{"GB", "809098790879", "premium", ""},
		{"GB", "*31#0033140205050", "international (France)", ""},
		{"GB", "++33140205050", "international (France)", ""},
		{"GB", "00*33140205050", "international (France)", ""},
		{"GB", "1001&PJSIP/0033140205050@trunk", "international (France)", ""},
		{"US", "1010288011442079460001", "international (United Kingdom)", ""},
		{"GB", "802079460001", "", ""},
		{"GB", "7946000", "", ""},
	} {
		rules := calls.Rules{Dialling: numbers.Dialling{Country: tt.country, Internal: 6}}
		if tt.deny != "" {
			rules.Limits.Destinations.Deny = []string{tt.deny}
		}
		d := calls.NewDetector(costlyNow, rules, places.New(places.Config{}, nil))
		d.List([]calls.Account{{Name: "1002", Login: true}})
		d.Call(costlyNow, calls.Channel{Name: "PJSIP/1002-1", Account: "1002", Dialled: tt.number, Calling: true})
		s, ok := d.Placed(costlyNow, "1002", tt.number, "PJSIP/1002-1")
		if !ok || s.Cost != tt.cost {
			t.Errorf("%s from %s: %q, %v, want %q", tt.number, tt.country, s.Cost, ok, tt.cost)
		}
		if got := d.Cost("1002", tt.number); got != tt.cost {
			t.Errorf("%s from %s costs %q, want %q", tt.number, tt.country, got, tt.cost)
		}
	}
}

var costlyNow = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

// A country is new for an hour from the first call to it, also while habits are learned.
func TestPlacedToANewCountry(t *testing.T) {
	d := calls.NewDetector(costlyNow, calls.Rules{Dialling: numbers.Dialling{Country: "GB", Internal: 6}, Learn: time.Hour}, places.New(places.Config{}, nil))
	d.List([]calls.Account{{Name: "1002", Login: true}})
	for _, tc := range []struct {
		after  time.Duration
		number string
		want   bool
	}{
		{0, "0033140205050", true},
		{59 * time.Minute, "0068221234", true},
		{time.Hour, "0037160000000", true},
		{119 * time.Minute, "0037160000001", true},
		{2 * time.Hour, "0037160000001", false},
		{2 * time.Hour, "0033140205051", false},
	} {
		now := costlyNow.Add(tc.after)
		d.Call(now, calls.Channel{Name: "PJSIP/1002-1", Account: "1002", Dialled: tc.number, Calling: true})
		if s, _ := d.Placed(now, "1002", tc.number, "PJSIP/1002-1"); s.NewCountry != tc.want {
			t.Errorf("%s after %s: new %v", tc.number, tc.after, s.NewCountry)
		}
	}
	for _, internal := range []string{"1001", "1001#", "*981001", "*72"} {
		if _, ok := d.Placed(costlyNow, "1002", internal, "PJSIP/1002-1"); ok {
			t.Errorf("a call to %s is one to the outside", internal)
		}
	}
	if _, ok := d.Placed(costlyNow, "carrier", "0033140205050", "PJSIP/carrier-1"); ok {
		t.Error("a carrier's call is one of a phone")
	}
}
