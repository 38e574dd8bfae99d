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
	o := lab.Options{Append: map[string]string{}}
	for version, tc := range map[lab.Version]struct {
		file, text string
		want       []places.Carrier
	}{
		lab.Asterisk22: {
			"pjsip.conf",
			"[carrier]\ntype = endpoint\ncontext = internal\n" +
				"[carrier-id]\ntype = identify\nendpoint = carrier\nmatch = 203.0.113.80,203.0.113.96/28\nmatch = 198.51.100.64/255.255.255.192\n" +
				"[trunk]\ntype = registration\nserver_uri = sip:203.0.113.90:5070\nclient_uri = sip:us@203.0.113.90\noutbound_proxy = sip:203.0.113.91\\;lr\n",
			[]places.Carrier{
				{Prefix: netip.MustParsePrefix("203.0.113.80/32"), Why: "identify of carrier"},
				{Prefix: netip.MustParsePrefix("203.0.113.96/28"), Why: "identify of carrier"},
				{Prefix: netip.MustParsePrefix("198.51.100.64/26"), Why: "identify of carrier"},
				{Prefix: netip.MustParsePrefix("203.0.113.90/32"), Why: "outbound registration trunk"},
				{Prefix: netip.MustParsePrefix("203.0.113.91/32"), Why: "outbound registration trunk"},
			},
		},
		lab.Asterisk16: {
			"sip.conf",
			"[general](+)\nregister => us:secret@203.0.113.90\n[carrier]\ntype = peer\nhost = 203.0.113.80\n",
			[]places.Carrier{
				{Prefix: netip.MustParsePrefix("203.0.113.80/32"), Why: "peer carrier"},
				{Prefix: netip.MustParsePrefix("203.0.113.90/32"), Why: "registration as us"},
			},
		},
	} {
		t.Run("Asterisk"+string(version), func(t *testing.T) {
			o.Version, o.Append = version, map[string]string{tc.file: tc.text}
			l := lab.New(t, o)
			m, _ := manager(t, l)
			got, err := m.Carriers(soon(t))
			if err != nil || !slices.Equal(got, tc.want) {
				t.Errorf("carriers: %v, %+v\nwant %+v", err, got, tc.want)
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
				if !strings.HasPrefix(got[i], want) {
					t.Errorf("risk %q, want %s", got[i], want)
				}
			}
		})
	}
}
