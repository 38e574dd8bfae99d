package takeover

import (
	"net/netip"
	"strings"
	"testing"
	"time"
)

var noon = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

func TestPrint(t *testing.T) {
	until := noon.Add(time.Hour)
	im := New("fail2ban", "", noon, nil)
	im.Bans = []Ban{{Prefix: netip.MustParsePrefix("192.0.2.66/32"), Jail: "asterisk\x1b", Since: noon, Until: &until}, {Prefix: netip.MustParsePrefix("192.0.2.67/32"), Since: noon}}
	for want, print := range map[string]func(*strings.Builder){
		"2 bans and 0 allowed ranges would be imported, 0 skipped.":                       func(b *strings.Builder) { im.Print(b, true) },
		"2 bans and 0 allowed ranges written for the next start of the daemon, 0 skipped": func(b *strings.Builder) { im.Offline = true; im.Print(b, false) },
	} {
		var out strings.Builder
		print(&out)
		if !strings.Contains(out.String(), want) || !strings.Contains(out.String(), "released by hand") || strings.Contains(out.String(), "\x1b") {
			t.Errorf("%q lacks %q", out.String(), want)
		}
	}
}

// Nobody is locked out of this host by a list that somebody else has made.
func TestUnsafeBans(t *testing.T) {
	own := []netip.Prefix{netip.MustParsePrefix("192.168.1.0/24"), netip.MustParsePrefix("203.0.113.5/32"), netip.MustParsePrefix("2001:db8::5/128")}
	for prefix, want := range map[string]string{
		"0.0.0.0/0": "this bans everybody", "::/0": "this bans everybody", "0.0.0.0/1": "a large part", "2000::/3": "a large part",
		"192.168.0.0/16": "this host is in 192.168.1.0/24", "192.168.1.77/32": "this host is in", "203.0.113.5/32": "this host is in 203.0.113.5", "2001:db8::/32": "this host is in",
		"203.0.113.6/32": "", "198.51.100.0/24": "", "192.168.2.0/24": "",
	} {
		im := New("ipset", "", noon, own)
		im.Ban(netip.MustParsePrefix(prefix), "set", noon, time.Time{})
		if want == "" && len(im.Bans) == 1 && len(im.Skipped) == 0 {
			continue
		}
		if want == "" || len(im.Bans) > 0 || len(im.Skipped) != 1 || !strings.Contains(im.Skipped[0].Why, want) {
			t.Errorf("%s: bans %v, skipped %v", prefix, im.Bans, im.Skipped)
		}
	}
}

// An interface's network is our own if it is private; at a hoster only the address is.
func TestOwnNetwork(t *testing.T) {
	for text, want := range map[string]string{
		"192.168.1.7/24": "192.168.1.0/24", "203.0.113.7/24": "203.0.113.7/32", "127.0.0.1/8": "127.0.0.0/8", "fe80::1/64": "fe80::/64", "2001:db8::7/64": "2001:db8::7/128",
	} {
		if got := ownNetwork(netip.MustParsePrefix(text)).String(); got != want {
			t.Errorf("%s: %s, want %s", text, got, want)
		}
	}
	if list, err := Own(); err != nil || len(list) == 0 {
		t.Errorf("this host: %v, %v", list, err)
	}
}

// A list that is imported while no daemon runs cuts off nobody who is logged in.
func TestBansThatCutOff(t *testing.T) {
	people := []netip.Addr{netip.MustParseAddr("198.51.100.7"), {}}
	for prefix, want := range map[string]string{"198.51.100.7/32": "somebody is logged in by SSH from 198.51.100.7", "198.51.0.0/16": "somebody is logged in by SSH from 198.51.100.7", "198.51.100.8/32": ""} {
		if got := cutsOff(netip.MustParsePrefix(prefix), people); got != want {
			t.Errorf("%s: %q, want %q", prefix, got, want)
		}
	}
}
