package peer

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/tollwarden/tollwarden/ami"
)

var office = []netip.Prefix{netip.MustParsePrefix("198.51.100.0/24"), netip.MustParsePrefix("2001:db8:5::/48")}

// A restriction is two lines in the account's own section, and its end is the
// file as it was, byte for byte, whatever else was changed meanwhile.
func TestRestrictAndLift(t *testing.T) {
	f := newFakePBX(t, nil)
	m := New(f, Options{Technologies: []Technology{PJSIP}, ConfigDir: f.dir, VerifyWithin: time.Second})
	detail, err := m.Restrict(t.Context(), "1001", office)
	if err != nil || !strings.Contains(detail, "198.51.100.0/24, 2001:db8:5::/48") {
		t.Fatalf("%q, %v", detail, err)
	}
	want := strings.Replace(pjsipConf, "aors = 1001\n", "aors = 1001\ndeny = 0.0.0.0/0,::/0\npermit = 198.51.100.0/24,2001:db8:5::/48\n", 1)
	if got := f.file("pjsip.conf"); got != want {
		t.Errorf("the file is\n%s", got)
	}
	if n := f.count("UpdateConfig"); n > 0 {
		t.Errorf("Asterisk was asked to write %d times", n)
	}
	if detail, err := m.Restrict(t.Context(), "1001", office); err != nil || detail != "restricted already" {
		t.Errorf("again: %q, %v", detail, err)
	}
	if _, err := m.Restrict(t.Context(), "1002", office[:1]); err != nil {
		t.Error(err)
	}
	for _, lift := range []struct {
		account string
		to      []netip.Prefix
	}{{"1001", office}, {"1002", office[:1]}} {
		if detail, err := m.Lift(t.Context(), lift.account, lift.to); err != nil || !strings.Contains(detail, "live value checked") {
			t.Errorf("%q, %v", detail, err)
		}
	}
	if got := f.file("pjsip.conf"); got != pjsipConf {
		t.Errorf("after it the file is\n%s", got)
	}
	if detail, err := m.Lift(t.Context(), "1001", office); err != nil || detail != "it was lifted already" {
		t.Errorf("lifted twice: %q, %v", detail, err)
	}
	if detail, err := m.Lift(t.Context(), "nobody", office); err != nil || detail != "the account is no more" {
		t.Errorf("lifted from nobody: %q, %v", detail, err)
	}
}

// What a person says of an account's addresses stays, before and after.
func TestRestrictLeavesAPersonsRulesAlone(t *testing.T) {
	conf := strings.Replace(pjsipConf, "aors = 1001\n", "aors = 1001\ndeny = 192.0.2.0/24\n", 1)
	f := newFakePBX(t, map[string]string{"pjsip.conf": conf})
	m := New(f, Options{Technologies: []Technology{PJSIP}, ConfigDir: f.dir, VerifyWithin: time.Second})
	if _, err := m.Restrict(t.Context(), "1001", office); err == nil || !strings.Contains(err.Error(), "of its own") {
		t.Errorf("got %v", err)
	}
	if detail, err := m.Lift(t.Context(), "1001", office); err != nil || !strings.Contains(detail, "stay") {
		t.Errorf("%q, %v", detail, err)
	}
	if got := f.file("pjsip.conf"); got != conf {
		t.Errorf("the file is\n%s", got)
	}
	if _, err := m.Restrict(t.Context(), "1002", nil); err == nil {
		t.Error("restricted to no network")
	}
}

// What Asterisk does not take is taken back.
func TestRestrictionThatDoesNotLive(t *testing.T) {
	f := newFakePBX(t, nil)
	f.sabotage = func(a ami.Action) (*ami.Response, error, bool) {
		return &ami.Response{}, nil, a.Name == "Reload" // and reloads nothing
	}
	m := New(f, Options{Technologies: []Technology{PJSIP}, ConfigDir: f.dir, VerifyWithin: 50 * time.Millisecond})
	if _, err := m.Restrict(t.Context(), "1001", office); err == nil || !strings.Contains(err.Error(), "does not show it") {
		t.Errorf("got %v", err)
	}
	if got := f.file("pjsip.conf"); got != pjsipConf {
		t.Errorf("the file is\n%s", got)
	}
}
