package event

import "testing"

// Names of accounts as they stand in the names of channels.
func TestChannelsOfOddAccounts(t *testing.T) {
	for name, want := range map[string]string{
		"IAX2/2001-1":                    "IAX2 2001",
		"IAX2/Front Desk-12932":          "IAX2 Front Desk",
		"IAX2/büro/1-32767":              "IAX2 büro/1",
		"IAX2/branch-7-15494":            "IAX2 branch-7",
		"IAX2/203.0.113.66:4569-1234":    "IAX2 203.0.113.66:4569",
		"IAX2/2001-1<ZOMBIE>":            "IAX2 2001",
		"IAX2/2001-0000002a":             "", // no call number
		"IAX2/2001-":                     "",
		"IAX2/-1":                        "",
		"IAX2/2001":                      "",
		"PJSIP/o'brien-0000002a":         "PJSIP o'brien",
		"PJSIP/a/b-0000002a":             "PJSIP a/b",
		"PJSIP/a<b-0000002a":             "PJSIP a<b",
		"PJSIP/a<b-0000002a<MASQ>":       "PJSIP a<b",
		"SIP/-dash-0000002a":             "SIP -dash",
		"PJSIP/2001-12345":               "",
		"Local/2001@internal-0000002a;1": "",
	} {
		tech, account, ok := SplitChannel([]byte(name))
		if got := string(tech) + " " + string(account); ok != (want != "") || ok && got != want {
			t.Errorf("%s: %q, %v", name, got, ok)
		}
	}
	for name, want := range map[string]bool{"203.0.113.66:4569": true, "[2001:db8::7]:4569": true, "2001": false, "Front Desk": false, "anna@example.org": false} {
		if IsGuest([]byte(name)) != want {
			t.Errorf("%s", name)
		}
	}
}

// A user part is decoded as chan_sip and PJSIP do.
func TestUnescapeUser(t *testing.T) {
	for in, want := range map[string]string{
		"1002": "1002", "Front%20Desk": "Front Desk", "b%C3%BCro": "büro", "o'brien": "o'brien", "a%2fb": "a/b", "100%": "100%", "100%2": "100%2", "%zz%41": "%zzA", "a+b": "a+b",
	} {
		if got := string(UnescapeUser([]byte(in))); got != want {
			t.Errorf("%s: %q, want %q", in, got, want)
		}
	}
	for uri, want := range map[string]string{"sip:Front%20Desk@pbx": "Front Desk", "sip:1002@pbx": "1002"} {
		e := Event{Kind: ChallengeSent, Service: []byte("SIP"), AccountID: []byte(uri)}
		if got := string(e.Account()); got != want {
			t.Errorf("%s: %q, want %q", uri, got, want)
		}
	}
}
