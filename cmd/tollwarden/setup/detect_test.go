package setup

import (
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tollwarden/tollwarden/ami/pbx/mariadb"
	"github.com/tollwarden/tollwarden/cmd/tollwarden/settings"
	"github.com/tollwarden/tollwarden/test/freepbx"
)

// generated are files as FreePBX 17 writes them for a site in Germany.
var generated = map[string]string{
	"pjsip.transports.conf": freepbx.Header + "#include pjsip.transports_custom.conf\n[0.0.0.0-udp]\ntype=transport\nprotocol=udp\nbind=0.0.0.0:5160\nallow_reload=no\n" +
		"[0.0.0.0-tcp]\ntype=transport\nprotocol=tcp\nbind=0.0.0.0:5060\n[::-udp]\ntype=transport\nprotocol=udp\nbind=[::]:5160\n" +
		"[0.0.0.0-tls]\ntype=transport\nprotocol=tls\nbind=0.0.0.0:5161\n[0.0.0.0-wss]\ntype=transport\nprotocol=wss\nbind=0.0.0.0\n",
	"pjsip.endpoint.conf": freepbx.Header + "[1001]\ntype=endpoint\ncontext=from-internal\n[Carrier One]\ntype=endpoint\ncontext=from-pstn\n" +
		"[rented*]\ntype=endpoint\ncontext=from-pstn-toheader\n[branch]\ntype=endpoint\ncontext=from-internal\n",
	"pjsip.registration.conf":             freepbx.Header + "[branch]\ntype=registration\nendpoint=branch\nclient_uri=sip:x@192.0.2.200\n",
	"indications.conf":                    freepbx.Header + "[general]\n#include indications_general_additional.conf\n#include indications_additional.conf\n",
	"indications_general_additional.conf": freepbx.Header + "country=de\n",
}

func TestDetect(t *testing.T) {
	for name, tt := range map[string]struct {
		files    map[string]string
		settings [][3]string // table, key, value
		zone     string
		want     detected
	}{
		"nothing": {},
		"files alone": {files: generated, zone: "Europe/Berlin", want: detected{
			udp: []uint16{5160}, tcp: []uint16{5161}, country: "DE", carriers: []string{"Carrier One", "branch"},
		}},
		"chan_sip": {files: map[string]string{
			"sip.conf": "[general]\n#include sip_general_additional.conf\n", "sip_general_additional.conf": "bindport=5070\ntcpenable=yes\n",
			"sip_additional.conf": freepbx.Header + "[1001]\ncontext=from-internal\n[old]\ncontext=from-trunk-sip-old\n",
		}, want: detected{udp: []uint16{5070}, tcp: []uint16{5070}, carriers: []string{"old"}}},
		"settings": {settings: [][3]string{
			{"kvstore_FreePBX_modules_Firewall", "networkmaps", `{"198.51.100.0/24":"trusted","192.0.2.7/32":"internal","office.example.org":"trusted","2001:db8:7::/48":"trusted","127.0.0.1":"trusted","":"trusted"}`},
			{"kvstore_FreePBX_modules_Firewall", "custom_whitelist", "198.51.100.0/24\n203.0.113.9\r\n"},
			{"freepbx_settings", "TONEZONE", "uk"},
			{"trunks", "pjsip", "carrier"},
			{"trunks", "dahdi", "g0"},
			{"trunks", "custom", "Local/x"},
			{"trunks", "iax2", "branch"},
			{"admin", "email", "admin@example.org"},
			{"freepbx_settings", "AMPUSERMANEMAILFROM", "PBX <pbx@example.org>"},
		}, want: detected{
			allow:   []network{{what: "198.51.100.0/24"}, {what: "2001:db8:7::/48"}, {what: "office.example.org"}, {what: "203.0.113.9/32"}},
			country: "GB", carriers: []string{"branch", "carrier"}, mail: "admin@example.org", from: "pbx@example.org",
		}},
		"too much is trusted": {settings: [][3]string{
			{"f", "networkmaps", `{"0.0.0.0/0":"trusted","10.0.0.0/8":"trusted","11.0.0.0/8":"trusted","172.16.0.0/12":"trusted","20.0.0.0/12":"trusted","::/0":"trusted","2001::/16":"trusted","1.2.3.4/0":"trusted","nonsense":"trusted"}`},
		}, want: detected{allow: []network{
			{"0.0.0.0/0", "everybody"},
			{"10.0.0.0/8", large},
			{"11.0.0.0/8", large},
			{what: "172.16.0.0/12"},
			{"20.0.0.0/12", large},
			{"2001::/16", large},
			{"::/0", "everybody"},
			{`"nonsense"`, "not an address, a network or a host name"},
		}}},
		"none trusted":                  {settings: [][3]string{{"f", "networkmaps", `[]`}, {"f", "networkmaps", `b:0;`}, {"f", "custom_whitelist", `""`}}},
		"a list of JSON":                {settings: [][3]string{{"f", "custom_whitelist", `["192.0.2.7"]`}}, want: detected{allow: []network{{what: "192.0.2.7/32"}}}},
		"country by default":            {settings: [][3]string{{"freepbx_settings", "TONEZONE", "us"}}, zone: "Europe/Berlin", want: detected{country: "US", doubt: "that is the default, and the time zone is Europe/Berlin"}},
		"country and its zone":          {settings: [][3]string{{"freepbx_settings", "TONEZONE", "us"}, {"freepbx_settings", "PHPTIMEZONE", "America/Chicago"}}, zone: "Etc/UTC", want: detected{country: "US"}},
		"an old country":                {settings: [][3]string{{"freepbx_settings", "TONEZONE", "us-old"}}, zone: "US/Eastern", want: detected{country: "US"}},
		"no country":                    {settings: [][3]string{{"freepbx_settings", "TONEZONE", "zz"}}},
		"e-mail that is not an address": {settings: [][3]string{{"admin", "email", "x\"]\n[web]"}, {"u", "notification_emails", "a@example.org,b@example.org"}}, want: detected{mail: "a@example.org"}},
	} {
		etc := t.TempDir()
		write(t, etc, tt.files)
		if diff := cmp.Diff(tt.want, detect(etc, rows(tt.settings), tt.zone), cmp.AllowUnexported(detected{}, network{})); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func rows(list [][3]string) (out []mariadb.Setting) {
	for _, r := range list {
		out = append(out, mariadb.Setting{Table: r[0], Key: r[1], Value: r[2]})
	}
	return out
}

const large = "very large; name the parts that are yours"

func write(t *testing.T, folder string, files map[string]string) {
	t.Helper()
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(text), 0o640); err != nil {
			t.Fatal(err)
		}
	}
}

// What was detected is proposed, and makes a valid configuration.
func TestDetectedAsConfiguration(t *testing.T) {
	all := detected{
		udp: []uint16{5160}, tcp: []uint16{5161}, allow: []network{{what: "198.51.100.0/24"}, {"0.0.0.0/0", "everybody"}, {what: "office.example.org"}},
		country: "DE", carriers: []string{"Carrier One", "branch"}, mail: "admin@example.org",
	}
	for name, tt := range map[string]struct {
		d             detected
		mail          bool
		to, country   string
		allowed, sips int
	}{
		"all":       {all, true, "admin@example.org", "DE", 4, 3},
		"no server": {all, false, "", "DE", 4, 3},
		"nothing":   {detected{}, true, "", zoneCountry(machineTimezone()), 2, 2},
		"refused":   {detected{allow: []network{{"0.0.0.0/0", "everybody"}}}, true, "", zoneCountry(machineTimezone()), 2, 2},
	} {
		s, _ := newSetup(t, "")
		f := &site{detected: tt.d, takesMail: tt.mail, etc: s.Asterisk, host: "pbx", manager: managerConf{enabled: true, address: netip.MustParseAddrPort("127.0.0.1:5038")}}
		a, err := s.interview(f, Answers{"log": {"none"}}, nil)
		if err != nil {
			t.Fatal(err)
		}
		text, err := s.newConfiguration(f, a)
		if err != nil {
			t.Fatal(err)
		}
		cfg, err := settings.Parse("x", checkable(text, s.secretFile()))
		if err != nil {
			t.Errorf("%s: %v\n%s", name, err, text)
			continue
		}
		if len(cfg.Firewall.Allow) != tt.allowed || len(cfg.Firewall.SIPPorts) != tt.sips || cfg.Calls.Country != tt.country ||
			strings.Join(cfg.Notify.Mail.To, "") != tt.to || !slices.Equal(cfg.Calls.Carriers, tt.d.carriers) {
			t.Errorf("%s: %+v %+v %+v\n%s", name, cfg.Firewall, cfg.Calls, cfg.Notify.Mail, text)
		}
	}
}

// The settings come from FreePBX's own tables, and are in the file that setup writes.
func TestSettingsOfFreePBX(t *testing.T) {
	server := freepbx.NewServer(t)
	tables, err := freepbx.NewTables(t.Context(), server)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { tables.DB.Close() })
	if err := tables.AddTrunk(t.Context(), freepbx.Trunk{ID: 1, Name: "carrier", Secret: "x", Server: "192.0.2.200"}); err != nil {
		t.Fatal(err)
	}
	for _, statement := range []string{
		"CREATE TABLE kvstore_FreePBX_modules_Firewall (`key` CHAR(255) NOT NULL, val LONGBLOB, `type` CHAR(16), id CHAR(255), UNIQUE KEY uniqueindex (`key`(50), id(50)))",
		`INSERT INTO kvstore_FreePBX_modules_Firewall VALUES ('networkmaps', '{"198.51.100.0/24":"trusted","10.0.0.0/8":"trusted"}', 'json-arr', 'noid'), ('status', '1', NULL, 'noid')`,
		"CREATE TABLE freepbx_settings (keyword VARCHAR(50) NOT NULL PRIMARY KEY, value VARCHAR(255))",
		"INSERT INTO freepbx_settings VALUES ('TONEZONE', 'de'), ('AMPMGRPASS', 'not to be read')",
	} {
		if _, err := tables.DB.ExecContext(t.Context(), statement); err != nil {
			t.Fatalf("%s: %v", statement, err)
		}
	}
	s, out := newFreePBX(t, nil)
	s.Socket, s.Given = server.Socket, Answers{}
	if err := s.Go(t.Context()); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, want := range []string{`"198.51.100.0/24"`, `country = "DE"`, `carriers = ["carrier"]`} {
		if !strings.Contains(text(t, s.config()), want) || !strings.Contains(out.String(), want) {
			t.Errorf("no %s:\n%s\n%s", want, text(t, s.config()), out)
		}
	}
}
