package event

import "testing"

func TestSplitURI(t *testing.T) {
	for text, want := range map[string]struct {
		user, host string
		ok         bool
	}{
		"sip:1002@192.0.2.1":              {"1002", "192.0.2.1", true},
		"sips:1002:pw@192.0.2.1:5061;x=y": {"1002", "192.0.2.1", true},
		"SIP:1002;phone-context=x@pbx":    {"1002", "pbx", true},
		"sip:@192.0.2.1":                  {"", "192.0.2.1", true},
		"sip:192.0.2.1:5060":              {"none", "192.0.2.1", true},
		"sip:[2001:db8::1]:5060;lr":       {"none", "2001:db8::1", true},
		"sip:us@[2001:db8::1]":            {"us", "2001:db8::1", true},
		"sip:us@pbx.example?subject=x":    {"us", "pbx.example", true},
		"sip:[2001:db8::1":                {"none", "[2001", true},
		"tel:+442079460001;ext=1":         {"none", "+442079460001", true},
		"http:1002@192.0.2.1":             {"none", "", false},
		"1002@192.0.2.1":                  {"none", "", false},
		"1002":                            {"none", "", false},
		"":                                {"none", "", false},
	} {
		user, host, ok := SplitURI([]byte(text))
		got := string(user)
		if user == nil {
			got = "none"
		}
		if got != want.user || string(host) != want.host || ok != want.ok {
			t.Errorf("%q: user %s, host %q, %v, want %+v", text, got, host, ok, want)
		}
	}
}
