package pbx_test

import (
	"fmt"
	"testing"

	"github.com/tollwarden/tollwarden/responder/people"
	"github.com/tollwarden/tollwarden/test/lab"
)

// Who the accounts of two real Asterisks belong to, by files as FreePBX writes them.
func TestPeopleOfAsterisk(t *testing.T) {
	const voicemail = "[general]\nformat = wav\n[default]\n1006 => 4242,Desk box,desk@example.org|two@example.org,,attach=no|saycid=no\n1009 => 9,Ninth floor,,,\n"
	for version, change := range map[lab.Version]map[string]string{
		lab.Asterisk22: {"pjsip.conf": "[office](!)\ntype = endpoint\ncontext = internal\n[1006](office)\ncallerid=Front desk <1006>\nmailboxes=1006@default\n[1009](office)\ncallerid=device <1009>\n[1010](office)\ncallerid=\"Zoë, \\\"Z\\\"\" <1010>\n"},
		lab.Asterisk16: {"sip.conf": "[1006]\ntype=friend\nhost=dynamic\ncallerid=Front desk <1006>\nmailbox=1006@device\n[1009]\ntype=friend\nhost=dynamic\ncallerid=device <1009>\n[1010]\ntype=friend\nhost=dynamic\ncallerid=\"Zoë, \\\"Z\\\"\" <1010>\n"},
	} {
		t.Run("Asterisk"+string(version), func(t *testing.T) {
			l := lab.New(t, lab.Options{Version: version, Files: map[string]string{"voicemail.conf": voicemail}, Append: change})
			m, _ := manager(t, l)
			list, err := m.People(soon(t))
			if err != nil {
				t.Fatal(err)
			}
			d := people.NewDirectory(list)
			got := fmt.Sprintf("%s %q, %s %q, %s", d.Name("1006"), d.Emails("1006"), d.Name("1009"), d.Emails("1009"), d.Name("1010"))
			if want := `Front desk ["desk@example.org" "two@example.org"], Ninth floor [], Zoë, "Z"`; got != want {
				t.Errorf("%s, want %s", got, want)
			}
		})
	}
}
