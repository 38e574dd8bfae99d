package calls

import "testing"

func TestNumberIn(t *testing.T) {
	for _, c := range []struct{ tech, dialString, want string }{
		{"PJSIP", "0044@trunk", "0044"},
		{"PJSIP", "PJSIP/0044@trunk", "0044"},
		{"PJSIP", "trunk/sip:+44@host:5060;user=phone", "+44"},
		{"PJSIP", "trunk/sips:0044@host", "0044"},
		{"PJSIP", "trunk/sip:0044;phone-context=x@host", "0044"},
		{"PJSIP", "trunk/sip:612345678;user=x;phone-context=+881@host", "612345678;phone-context=+881"},
		{"PJSIP", "612345678;phone-context=+881@trunk", "612345678;phone-context=+881"},
		{"PJSIP", "trunk/SIP:0044@host", "0044"},
		{"PJSIP", "trunk/<sip:0044@host>", "0044"},
		{"PJSIP", "trunk/\"x\" <Sips:0044@host>;tag=1", "0044"},
		{"PJSIP", "1002", ""},
		{"SIP", "trunk/0044", "0044"},
		{"SIP", "0044@host", "0044"},
		{"SIP", "0044:secret@host", "0044"},
		{"SIP", "0044@host//192.0.2.9", "0044"},
		{"SIP", "112@trunk!0044@host", "112&0044"},
		{"SIP", "trunk!sip:0044@host!sip:1002@host", "0044"},
		{"IAX2", "user:secret@peer/0044@context", "0044"},
		{"IAX2", "0044:secret@peer", ""},
		{"DAHDI", "g0/0044", "0044"},
		{"DAHDI", "G1/w0044", "0044"},
		{"DAHDI", "1", ""},
		{"Motif", "voice/+44@voice.google.com", "+44"},
		{"Local", "0044@internal/n", "0044"},
		{"Local", "Local/0044@internal/n", "0044"},
		{"SIP", "", ""},
		{"SIP", "/", ""},
	} {
		if got := numberIn(c.tech, c.dialString); got != c.want {
			t.Errorf("%s to %q: %q, want %q", c.tech, c.dialString, got, c.want)
		}
	}
}

// A phone that is dialled by its contact is where its registration came from.
func TestHostIn(t *testing.T) {
	for dialString, want := range map[string]string{
		"1002/sip:1002@192.0.2.7:5060;ob":       "192.0.2.7",
		"1002/sip:1002@[2001:db8::7]:5060":      "2001:db8::7",
		"1002/<sip:1002@192.0.2.7>":             "192.0.2.7",
		"1002/sip:0044@192.0.2.9;x=y@192.0.2.7": "192.0.2.9",
		"0044@192.0.2.9!x@192.0.2.7":            "192.0.2.9",
		"1002":                                  "invalid IP",
		"1002/sip:1002@phone.example":           "invalid IP",
	} {
		if got := hostIn(dialString); got.String() != want {
			t.Errorf("%q: %s, want %s", dialString, got, want)
		}
	}
}

func TestPeerOf(t *testing.T) {
	for channel, want := range map[string]string{
		"PJSIP/front-desk-0000002a":   "PJSIP front-desk",
		"SIP/1002-0000002a<ZOMBIE>":   "SIP 1002",
		"IAX2/branch-1234":            "IAX2 branch",
		"DAHDI/i1/0044-1":             "DAHDI i1/0044",
		"Local/0044@out-00000001;2":   "Local 0044@out",
		"AsyncGoto/SIP/1002-00000001": "AsyncGoto SIP/1002",
		"Dongle/dongle0-0100000000":   "Dongle dongle0",
		"no channel":                  "no channel ",
		"":                            " ",
	} {
		if tech, peer := peerOf(channel); tech+" "+peer != want {
			t.Errorf("%q: %q %q, want %q", channel, tech, peer, want)
		}
	}
}

// FuzzNumberIn looks for dial strings that bring the reader down: part of them is what a
// caller dialled.
func FuzzNumberIn(f *testing.F) {
	f.Add("PJSIP", "trunk/sip:0044@host:5060", "PJSIP/trunk-00000001")
	f.Fuzz(func(_ *testing.T, tech, dialString, channel string) {
		numberIn(tech, dialString)
		hostIn(dialString)
		peerOf(channel)
		sentTo(dialString, channel)
	})
}
