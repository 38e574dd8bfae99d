package setup

import (
	"fmt"
	"slices"
	"strings"
)

// accounts are the names of the phones and trunks in Asterisk's files, nil if they cannot be
// known for certain: with realtime, a database has others.
func accounts(etc string) (names []string) {
	for _, name := range []string{"extconfig.conf", "sorcery.conf"} {
		for _, s := range load(etc, name).Sections {
			for _, v := range s.Variables {
				if strings.HasPrefix(v.Name, "ps_endpoints") || strings.HasPrefix(v.Name, "sippeers") || strings.HasPrefix(v.Name, "iaxpeers") || strings.HasPrefix(v.Value, "realtime") {
					return nil
				}
			}
		}
	}
	for _, name := range []string{"pjsip.conf", "pjsip_wizard.conf", "sip.conf", "iax.conf", "users.conf"} {
		for _, s := range load(etc, name).Sections {
			if !s.Template && s.Name != "general" && s.Name != "global" && value(s, "type") != "transport" {
				names = append(names, s.Name)
			}
		}
	}
	return names
}

// knownCarrier refuses a name that no account of Asterisk's has, such as that of the company.
// A pattern may be for what comes later.
func knownCarrier(f *site, _ Answers, word string) error {
	if err := checkKey("calls.carriers", []string{word}); err != nil {
		return err
	}
	if len(f.accounts) == 0 || strings.ContainsAny(word, `*?[\`) || slices.Contains(f.accounts, word) || slices.Contains(f.carriers, word) {
		return nil
	}
	return fmt.Errorf("%q: Asterisk has no trunk of that name: want the name of its section in pjsip.conf, sip.conf or iax.conf, or a pattern such as \"trunk-*\"", word)
}
