package daemon

import (
	"database/sql"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tollwarden/tollwarden/ami"
	"github.com/tollwarden/tollwarden/ami/amitest"
	"github.com/tollwarden/tollwarden/responder/bans"
	"github.com/tollwarden/tollwarden/responder/control"
	"github.com/tollwarden/tollwarden/responder/incident"
)

func amiField(name, value string) ami.Field { return ami.Field{Name: name, Value: value} }

// answered checks an answer: its message, or why it was refused.
func answered(t *testing.T, what, got string, err error, want string) {
	t.Helper()
	if err != nil {
		got = err.Error()
	}
	if !strings.Contains(got, want) {
		t.Errorf("%s: %q, want %q", what, got, want)
	}
}

// Bans by hand: what harms the person or the daemon takes --force.
func TestBansByHand(t *testing.T) {
	s := newSite(t, "[firewall]\nallow = [\"198.51.100.0/24\"]\n")
	s.start()
	s.listening()
	prefix := netip.MustParsePrefix
	here := netip.MustParseAddr("203.0.113.5")
	for _, tt := range []struct {
		what  string
		order control.BanOrder
		want  string
	}{
		{"an address", control.BanOrder{Prefix: prefix("192.0.2.66/32"), For: "1h"}, "banned 192.0.2.66, until "},
		{"forever", control.BanOrder{Prefix: prefix("192.0.2.67/32"), For: "forever"}, "banned 192.0.2.67, until it is released"},
		{"from Asterisk alone", control.BanOrder{Prefix: prefix("203.0.113.4/31"), For: "1h", Scope: incident.ScopeAsterisk, Operator: here, Sessions: []netip.Addr{here}}, "banned 203.0.113.4/31, until "},
		{"from what?", control.BanOrder{Prefix: prefix("192.0.2.66/32"), For: "1h", Scope: incident.ScopeSIP}, `--scope "sip": want all or asterisk`},
		{"for how long?", control.BanOrder{Prefix: prefix("192.0.2.66/32"), For: "soon"}, `--for "soon"`},
		{"one's own session", control.BanOrder{Prefix: prefix("203.0.113.0/24"), For: "1h", Operator: here}, "203.0.113.5 is where you are logged in from"},
		{"a colleague's session", control.BanOrder{Prefix: prefix("203.0.113.0/24"), For: "1h", Sessions: []netip.Addr{here}}, "somebody is logged in by SSH from 203.0.113.5"},
		{"forced", control.BanOrder{Prefix: prefix("203.0.113.0/24"), For: "1h", Operator: here, Force: true}, "banned 203.0.113.0/24"},
		{"an allowed address", control.BanOrder{Prefix: prefix("198.51.100.7/32"), For: "1h"}, "allow list"},
		{"the manager interface", control.BanOrder{Prefix: prefix("127.0.0.0/8"), For: "1h"}, "the manager interface"},
	} {
		changed, err := s.api.Ban(t.Context(), tt.order)
		answered(t, tt.what, changed.Message, err, tt.want)
	}
	for address, want := range map[string]bool{"192.0.2.66": true, "192.0.2.67": true, "203.0.113.5": true, "198.51.100.7": false, "127.0.0.1": false} {
		if s.dropped(address) != want {
			t.Errorf("%s dropped: %t", address, !want)
		}
	}
	for _, tt := range []struct {
		what  string
		order control.UnbanOrder
		want  string
	}{
		{"one", control.UnbanOrder{Prefix: prefix("192.0.2.66/32")}, "released 192.0.2.66"},
		{"inside a wider ban", control.UnbanOrder{Prefix: prefix("203.0.113.5/32")}, "held by the ban of 203.0.113.0/24"},
		{"not banned", control.UnbanOrder{Prefix: prefix("192.0.2.99/32"), Forgive: true}, "forgot its wrong passwords and 0 earlier bans"},
		{"all", control.UnbanOrder{All: true}, "released 3 bans"},
		{"all again", control.UnbanOrder{All: true}, "released 0 bans"},
	} {
		changed, err := s.api.Unban(t.Context(), tt.order)
		answered(t, tt.what, changed.Message, err, tt.want)
	}
	if n := s.status().Firewall.Bans; n != 0 {
		t.Errorf("%d bans are left", n)
	}
}

// What a person is told of a release.
func TestReleasedText(t *testing.T) {
	flow := incident.PartialBlock{Kind: incident.BlockedFlow, Flow: netip.MustParseAddrPort("198.51.100.20:59271")}
	throttle := incident.PartialBlock{Kind: incident.ThrottledAddress, Address: netip.MustParsePrefix("198.51.100.20/32")}
	closed := incident.PartialBlock{Kind: incident.ClosedAddress, Address: throttle.Address}
	ban := incident.Ban{Prefix: netip.MustParsePrefix("198.51.100.20/32")}
	address := control.UnbanOrder{Prefix: ban.Prefix}
	for _, tt := range []struct {
		order    control.UnbanOrder
		released bans.Released
		want     string
	}{
		{address, bans.Released{Bans: []incident.Ban{ban}}, "released 198.51.100.20"},
		{address, bans.Released{}, "198.51.100.20 was not banned"},
		{address, bans.Released{Partial: []incident.PartialBlock{throttle}}, "198.51.100.20 is no longer throttled"},
		{address, bans.Released{Partial: []incident.PartialBlock{throttle, closed, closed}}, "198.51.100.20 is no longer throttled or closed"},
		{address, bans.Released{Partial: []incident.PartialBlock{flow, throttle}}, "let 1 phone through again: 198.51.100.20:59271; 198.51.100.20 is no longer throttled"},
		{control.UnbanOrder{Flow: flow.Flow}, bans.Released{Partial: []incident.PartialBlock{flow}}, "let 1 phone through again: 198.51.100.20:59271"},
		{control.UnbanOrder{All: true}, bans.Released{}, "released 0 bans"},
		{control.UnbanOrder{All: true}, bans.Released{Bans: []incident.Ban{ban}, Partial: []incident.PartialBlock{flow, flow, throttle}}, "released 1 ban; let 2 phones through again: 198.51.100.20:59271, 198.51.100.20:59271; throttled or closed addresses set free: 1"},
	} {
		if got := releasedText(tt.order, tt.released); got != tt.want {
			t.Errorf("%q, want %q", got, tt.want)
		}
	}
}

// The allow list by hand: in force at once, and in the file.
func TestAllowListByHand(t *testing.T) {
	s := newSite(t, "[firewall]\nallow = [\"198.51.100.0/24\"]\n")
	s.start()
	s.listening()
	office := netip.MustParsePrefix("192.0.2.66/32")
	if _, err := s.api.Ban(t.Context(), control.BanOrder{Prefix: office, For: "1h"}); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(s.dir, "allow")
	text := func() string { b, _ := os.ReadFile(file); return string(b) }
	for _, tt := range []struct {
		what  string
		order control.AllowOrder
		want  string
	}{
		{"nothing", control.AllowOrder{}, "give an address"},
		{"a banned address", control.AllowOrder{Prefix: office, Comment: "our office"}, "allowed 192.0.2.66, released 1 of its bans"},
		{"twice", control.AllowOrder{Prefix: office}, "already"},
		{"remove within it", control.AllowOrder{Prefix: netip.MustParsePrefix("198.51.100.7/32"), Remove: true}, "firewall.allow: change it there"},
		{"remove the manager interface", control.AllowOrder{Prefix: netip.MustParsePrefix("127.0.0.1/32"), Remove: true}, "without it, no attack would be seen"},
		{"remove what is not on it", control.AllowOrder{Prefix: netip.MustParsePrefix("192.0.2.9/32"), Remove: true}, "is not on the allow list"},
	} {
		changed, err := s.api.Allow(t.Context(), tt.order)
		answered(t, tt.what, changed.Message, err, tt.want)
	}
	if s.dropped("192.0.2.66") || !strings.Contains(text(), "our office") {
		t.Errorf("dropped %t, the file has %q", s.dropped("192.0.2.66"), text())
	}
	changed, err := s.api.Allow(t.Context(), control.AllowOrder{Prefix: office, Remove: true})
	answered(t, "remove", changed.Message, err, "192.0.2.66 is no longer allowed")
	if strings.Contains(text(), "192.0.2.66") {
		t.Errorf("the file still has %q", text())
	}

	writeFile(t, file, "nonsense\n")
	if st := s.status().Allow; !st.Changed || st.Refused == "" {
		t.Errorf("status of a mistyped file: %+v", st)
	}
	_, err = s.api.Allow(t.Context(), control.AllowOrder{Prefix: office})
	answered(t, "beside a mistake", "", err, "in force, but only until the daemon's next start")
	if !s.table.allows(office) || text() != "nonsense\n" {
		t.Errorf("allowed %t, the file has %q", s.table.allows(office), text())
	}
}

// Orders about accounts reach Asterisk.
func TestAccountsByHand(t *testing.T) {
	s := newSite(t, "")
	s.pbx.Register(amitest.Contact{Account: "1001", Via: netip.MustParseAddrPort("198.51.100.10:5060")})
	s.start()
	s.listening()
	ctx, order := t.Context(), control.AccountOrder{Account: "1001"}
	done, err := s.api.Hangup(ctx, order)
	answered(t, "hangup without a call", done.Message, err, "1001 has no calls")
	s.pbx.AddChannel(amitest.Channel{Account: "1001", State: 6, Exten: "1002"})
	done, err = s.api.Hangup(ctx, order)
	answered(t, "hangup", done.Message, err, "ended 1 channel of 1001: PJSIP/1001-")
	done, err = s.api.Rotate(ctx, order)
	answered(t, "rotate", done.Message, err, "--expire removes it")
	if s.pbx.Secret("1001") == "office" || len(s.pbx.Contacts("1001")) != 1 {
		t.Errorf("password %q, registrations %v", s.pbx.Secret("1001"), s.pbx.Contacts("1001"))
	}
	done, err = s.api.Rotate(ctx, control.AccountOrder{Account: "1001", Expire: true})
	answered(t, "rotate and remove", done.Message, err, "1 registration removed")
	if len(s.pbx.Contacts("1001")) != 0 {
		t.Error("the registration is still there")
	}
	done, err = s.api.Lock(ctx, order)
	answered(t, "lock", done.Message, err, "locked 1001")
	done, err = s.api.Unlock(ctx, order)
	answered(t, "unlock", done.Message, err, "unlocked 1001")
	_, err = s.api.Unlock(ctx, order)
	answered(t, "unlock again", "", err, "not locked or limited")
	_, err = s.api.Lock(ctx, control.AccountOrder{Account: "1009"})
	answered(t, "lock of an unknown account", "", err, "1009")
	_, err = s.api.Trust(ctx, control.TrustOrder{Account: "1001", Address: netip.MustParseAddr("203.0.113.9")})
	answered(t, "trust without a reason", "", err, "nothing to trust")
	_, err = s.api.Compromise(ctx, control.AccountOrder{Account: "1009"})
	answered(t, "compromise of an unknown account", "", err, "no extension 1009")
	before := s.pbx.Secret("1001")
	done, err = s.api.Compromise(ctx, order)
	answered(t, "compromise", done.Message, err, "1001: the playbook of a break-in is being carried out")
	for deadline := time.Now().Add(10 * time.Second); s.pbx.Secret("1001") == before; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the password is not changed")
		}
	}
	after := s.pbx.Secret("1001")
	done, err = s.api.Compromise(ctx, order)
	answered(t, "compromise again", done.Message, err, "this joins incident 1,")
	list, err := s.api.Incidents(ctx, 10)
	if err != nil || len(list) != 1 || s.pbx.Secret("1001") != after {
		t.Errorf("%d incidents, %v; the password is changed again: %t", len(list), err, s.pbx.Secret("1001") != after)
	}
}

// What scores shows, the nearest to its threshold first.
func TestScoresShow(t *testing.T) {
	s := newSite(t, "")
	s.start()
	s.listening()
	s.guess("1002", "203.0.113.5")
	s.guess("1002", "203.0.113.6")
	s.guess("1002", "203.0.113.6")
	var list []control.ScoreStatus
	s.wait("the scores", func() bool {
		var err error
		list, err = s.api.Scores(t.Context(), "source", 10)
		return err == nil && len(list) == 2 && list[0].Share > list[1].Share
	})
	if list[0].Key.Value() != "203.0.113.6" || list[0].Last == nil || list[0].Ban != nil || len(list[0].Scores) == 0 || list[0].Scores[0].Points != 2 {
		t.Errorf("%+v", list[0])
	}
	if names, err := s.api.Accounts(t.Context()); err != nil || strings.Join(names, " ") != "1002" {
		t.Errorf("accounts %v, %v", names, err)
	}
	_, err := s.api.Scores(t.Context(), "planet", 10)
	answered(t, "an unknown kind", "", err, "want \"source\" (an IP address)")
	_, err = s.api.Incident(t.Context(), 77)
	answered(t, "an unknown incident", "", err, "there is no incident 77")
	if list, err := s.api.Incidents(t.Context(), 5); err != nil || list == nil || len(list) > 0 {
		t.Errorf("incidents: %v, %v", list, err)
	}
}

// An order that the disk has not taken yet is in force, and says so.
func TestAnOrderBeforeTheDisk(t *testing.T) {
	s := newSite(t, "")
	s.start()
	s.listening()
	other, err := sql.Open("sqlite", filepath.Join(s.dir, "ledger.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	conn, err := other.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	s.wait("the lock, after which nobody else can write", func() bool {
		_, err := conn.ExecContext(t.Context(), "BEGIN IMMEDIATE")
		return err == nil
	})
	changed, err := s.api.Ban(t.Context(), control.BanOrder{Prefix: netip.MustParsePrefix("192.0.2.66/32"), For: "1h"})
	answered(t, "ban", changed.Message, err, "in force, but not yet on disk")
	if !s.table.Dropped(netip.MustParseAddr("192.0.2.66"), time.Now()) {
		t.Error("it is not in force")
	}
	if _, err := conn.ExecContext(t.Context(), "ROLLBACK"); err != nil {
		t.Fatal(err)
	}
}
