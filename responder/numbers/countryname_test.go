package numbers

import "testing"

// Every country that a number can belong to has a name.
func TestCountryName(t *testing.T) {
	for region := range plans {
		if CountryName(region) == region {
			t.Errorf("%s has no name", region)
		}
	}
	for code, want := range map[string]string{"GB": "United Kingdom", Worldwide: "satellite or worldwide service", "": "", "QQ": "QQ"} {
		if got := CountryName(code); got != want {
			t.Errorf("%q is %q, want %q", code, got, want)
		}
	}
}
