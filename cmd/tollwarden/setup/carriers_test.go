package setup

import (
	"path/filepath"
	"testing"
)

// A carrier is the name of one of Asterisk's accounts, as far as these are known.
func TestKnownCarrier(t *testing.T) {
	files := map[string]string{
		"pjsip.conf": "[transport-udp]\ntype = transport\n[base](!)\ntype = endpoint\n#include more.conf\n", "more.conf": "[branch](base)\n",
		"iax.conf": "[general]\n[peer]\ntype = friend\n",
	}
	for name, tc := range map[string]struct {
		more map[string]string
		word string
		ok   bool
	}{
		"an endpoint":       {nil, "branch", true},
		"a peer of IAX2":    {nil, "peer", true},
		"found elsewhere":   {nil, "Carrier One", true},
		"a pattern":         {nil, "trunk-*", true},
		"the company":       {nil, "Deutsche Telekom", false},
		"a transport":       {nil, "transport-udp", false},
		"a template":        {nil, "base", false},
		"a bad pattern":     {nil, "trunk-[", false},
		"realtime":          {map[string]string{"extconfig.conf": "[settings]\nps_endpoints => odbc,asterisk\n"}, "other", true},
		"no files of SIP's": {map[string]string{"pjsip.conf": "", "iax.conf": ""}, "other", true},
	} {
		etc := t.TempDir()
		for file, text := range files {
			put(t, filepath.Join(etc, file), text)
		}
		for file, text := range tc.more {
			put(t, filepath.Join(etc, file), text)
		}
		f := &site{accounts: accounts(etc), detected: detected{carriers: []string{"Carrier One"}}}
		if err := knownCarrier(f, nil, tc.word); (err == nil) != tc.ok {
			t.Errorf("%s: %v", name, err)
		}
	}
}
