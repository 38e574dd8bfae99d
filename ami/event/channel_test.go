package event

import "testing"

func TestSplitChannel(t *testing.T) {
	for _, c := range []struct {
		name, tech, account string // "" if it is not a phone's channel
	}{
		{"PJSIP/1002-00000000", "PJSIP", "1002"},
		{"SIP/1002-0000001f", "SIP", "1002"},
		{"PJSIP/front-desk-2-0000002a", "PJSIP", "front-desk-2"},
		{"PJSIP/a/b-0000002a", "PJSIP", "a/b"},
		{"PJSIP/1002-0000002a<ZOMBIE>", "PJSIP", "1002"},
		{"PJSIP/1002-0000002a<MASQ>", "PJSIP", "1002"},
		{"PJSIP/-0000002a", "", ""},
		{"PJSIP/1002-002a", "", ""},
		{"PJSIP/1002-0000002A", "", ""},
		{"PJSIP/1002-00000000;1", "", ""},
		{"PJSIP/1002", "", ""},
		{"PJSIP/", "", ""},
		{"PJSIP", "", ""},
		{"", "", ""},
		{"Local/100@internal-0000002a;1", "", ""},
		{"Surrogate/1002-0000002a", "", ""},
		{"Message/ast_msg_queue", "", ""},
	} {
		tech, account, ok := SplitChannel([]byte(c.name))
		if ok != (c.tech != "") || string(tech) != c.tech || string(account) != c.account {
			t.Errorf("%q = %q, %q, %v; want %q, %q", c.name, tech, account, ok, c.tech, c.account)
		}
	}
}
