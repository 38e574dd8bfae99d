package pbx_test

import (
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/tollwarden/tollwarden/ami/pbx"
	"github.com/tollwarden/tollwarden/responder/places"
	"github.com/tollwarden/tollwarden/test/lab"
)

// Whom the configurations of two real Asterisks speak to.
func TestCarriers(t *testing.T) {
	const iax = "[general]\nregister => us:pw@203.0.113.71\n[branch]\ntype = peer\nhost = 203.0.113.70\n[1009]\ntype = friend\nhost = dynamic\nsecret = x\n"
	const loadIAX = "load = res_crypto.so\nload = chan_iax2.so\n"
	is := func(address, why string) places.Protected {
		return places.Protected{Prefix: netip.MustParsePrefix(address), Why: why}
	}
	for version, tc := range map[lab.Version]struct {
		change map[string]string
		want   []places.Protected
	}{
		lab.Asterisk22: {
			map[string]string{
				"modules.conf": loadIAX + "load = res_pjsip_config_wizard.so\n",
				"pjsip.conf": "[carrier]\ntype = endpoint\ncontext = internal\naors = carrier\noutbound_proxy = sip:203.0.113.82\\;lr\n" +
					"[carrier]\ntype = aor\ncontact = sip:203.0.113.81:5070\n" +
					"[carrier-id]\ntype = identify\nendpoint = carrier\nmatch = 203.0.113.80,203.0.113.96/28\nmatch = 198.51.100.64/255.255.255.192\n" +
					"[both]\ntype = aor\nmax_contacts = 2\ncontact = sip:us@203.0.113.83\n" +
					"[trunk]\ntype = registration\nserver_uri = sip:203.0.113.90:5070\nclient_uri = sip:us@203.0.113.90\noutbound_proxy = sip:203.0.113.91\\;lr\n",
				"pjsip_wizard.conf": "[pbx2]\ntype = wizard\naccepts_registrations = no\nsends_registrations = no\naccepts_auth = no\nsends_auth = no\n" +
					"remote_hosts = 203.0.113.84,203.0.113.85:5070\noutbound_proxy = sip:203.0.113.86\\;lr\nendpoint/context = internal\n",
			},
			[]places.Protected{
				is("203.0.113.80/32", "identify of carrier"), is("203.0.113.96/28", "identify of carrier"), is("198.51.100.64/26", "identify of carrier"),
				is("203.0.113.90/32", "outbound registration trunk"), is("203.0.113.91/32", "outbound registration trunk"),
				is("203.0.113.82/32", "outbound proxy of carrier"), is("203.0.113.81/32", "contact of carrier"), is("203.0.113.83/32", "contact of both"),
				is("203.0.113.84/32", "remote host of pbx2"), is("203.0.113.85/32", "remote host of pbx2"), is("203.0.113.86/32", "outbound proxy of pbx2"),
				is("203.0.113.70/32", "IAX2 peer branch"), is("203.0.113.71/32", "IAX2 registration as us"),
			},
		},
		lab.Asterisk16: {
			map[string]string{
				"modules.conf": loadIAX,
				"sip.conf":     "[general](+)\noutboundproxy = 203.0.113.95\nregister => us:secret@203.0.113.90\n[carrier]\ntype = peer\nhost = 203.0.113.80\noutboundproxy = 203.0.113.96:5080,force\n",
			},
			[]places.Protected{
				is("203.0.113.80/32", "peer carrier"), is("203.0.113.90/32", "registration as us"),
				is("203.0.113.95/32", "outbound proxy of general"), is("203.0.113.96/32", "outbound proxy of carrier"),
				is("203.0.113.70/32", "IAX2 peer branch"), is("203.0.113.71/32", "IAX2 registration as us"),
			},
		},
	} {
		t.Run("Asterisk"+string(version), func(t *testing.T) {
			l := lab.New(t, lab.Options{Version: version, Files: map[string]string{"iax.conf": iax}, Append: tc.change})
			m, _ := manager(t, l)
			registers(t, phone(t, host(t, l, "phone", "198.51.100.10"), "1001")) // which is none
			got, err := m.Carriers(soon(t))
			if err != nil || !slices.Equal(got, tc.want) {
				t.Errorf("carriers: %v, %s\nwant %s", err, got, tc.want)
			}
		})
	}
}

// Two real Asterisks with and without doors that stand open.
func TestRisks(t *testing.T) {
	for version, tc := range map[lab.Version]struct {
		open map[string]string
		want []string
	}{
		lab.Asterisk22: {map[string]string{"manager.conf": "[general](+)\nwebenabled = yes\n"}, []string{"webenabled"}},
		lab.Asterisk16: {map[string]string{"sip.conf": "[general](+)\nallowguest = yes\n"}, []string{"allowguest"}},
	} {
		t.Run("Asterisk"+string(version), func(t *testing.T) {
			l := lab.New(t, lab.Options{Version: version, Append: tc.open})
			m, _ := manager(t, l)
			got, err := m.Risks(soon(t), []pbx.Technology{pbx.PJSIP, pbx.ChanSIP})
			if err != nil || len(got) != len(tc.want) {
				t.Fatalf("risks: %q, %v; want those of %q", got, err, tc.want)
			}
			for i, want := range tc.want {
				if !strings.HasPrefix(got[i].Text, want) {
					t.Errorf("risk %q, want %s", got[i], want)
				}
			}
		})
	}
}
