package config_test

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/tollwarden/tollwarden/config"
)

func TestAllowItems(t *testing.T) {
	for text, want := range map[string]string{
		"198.51.100.7":                  "198.51.100.7",
		"198.51.100.7/24":               "198.51.100.0/24",
		"::ffff:198.51.100.7":           "198.51.100.7",
		"2001:db8:1::/48":               "2001:db8:1::/48",
		"Office.Example.ORG.":           "office.example.org",
		"a_b.dyn-dns.example":           "a_b.dyn-dns.example",
		"198.51.100.7 until 2026-12-31": "198.51.100.7 until 2026-12-31T00:00:00Z",
		"8.0.0.0/8  force":              "8.0.0.0/8 force",

		"8.0.0.0/8 until 2026-12-31T18:00:00+01:00 force": "8.0.0.0/8 force until 2026-12-31T17:00:00Z",
	} {
		item, err := config.ParseAllow(text)
		if err != nil || item.String() != want {
			t.Errorf("%q is read as %q, %v, want %q", text, item, err, want)
		}
		if again, err := config.ParseAllow(item.String()); err != nil || again.String() != want {
			t.Errorf("%q is read again as %q, %v", item, again, err)
		}
	}
	for text, want := range map[string]string{
		"": "no entry", "office": "host name", "198.51.100.700": "want an address", "198.51.100": "want an address", "-a.example": "host name", "a..example": "host name",
		"192.0.2.0/33": "want an address", "192.0.2.1 forever": `"forever" after 192.0.2.1`, "192.0.2.1 until": `"until" after`, "192.0.2.1 until soon": "want a time",
	} {
		if item, err := config.ParseAllow(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q is read as %q, %v, want %q", text, item, err, want)
		}
	}
}

// What is too wide is not in force unless it is forced; what has ended is not either.
func TestAllowInForce(t *testing.T) {
	for text, want := range map[string]bool{
		"0.0.0.0/0": false, "::/0": false, "8.0.0.0/15": false, "2400::/31": false, "192.0.0.0/8": false, "10.0.0.0/7": false,
		"8.8.0.0/16": true, "2400::/32": true, "10.0.0.0/8": true, "192.168.0.0/16": true, "100.64.0.0/10": true, "127.0.0.0/8": true, "fc00::/7": true, "fe80::/10": true, "::1": true,
		"0.0.0.0/0 force": true, "198.51.100.7 until 2026-11-22": false, "198.51.100.7 until 2026-11-23": true, "office.example.org": true,
	} {
		if got := allowItem(t, text).InForce(noon); got != want {
			t.Errorf("%s is in force: %t", text, got)
		}
	}
}

func TestCovered(t *testing.T) {
	for text, want := range map[string]config.Coverage{
		"":                                     {},
		"8.8.8.8/32":                           {V4: 1},
		"8.8.0.0/16 8.8.8.0/24 8.8.0.0/16":     {V4: 1 << 16},
		"8.8.0.0/16 9.0.0.0/16 10.0.0.0/8":     {V4: 2 << 16},
		"192.0.2.0/24 198.51.100.0/24 ::1/128": {},
		"2400::/32 2400::1/128 2500::/64":      {V6: 1<<32 + 1},
		"224.0.0.0/4 240.0.0.0/4":              {},
	} {
		var list []netip.Prefix
		for _, w := range strings.Fields(text) {
			list = append(list, netip.MustParsePrefix(w))
		}
		if got := config.Covered(list); got != want {
			t.Errorf("%s covers %+v, want %+v", text, got, want)
		}
	}
	everything := config.Covered([]netip.Prefix{netip.MustParsePrefix("0.0.0.0/0"), netip.MustParsePrefix("::/0")})
	if !everything.Huge() || everything.V4 < 3<<30 || everything.V6 < 1<<60 {
		t.Errorf("everything is %+v", everything)
	}
	if c := config.Covered([]netip.Prefix{netip.MustParsePrefix("8.0.0.0/15")}); !c.Wide() || c.Huge() {
		t.Errorf("a /15 is %+v", c)
	}
}

func FuzzAllow(f *testing.F) {
	for _, s := range []string{"198.51.100.7", "8.0.0.0/8 force until 2026-12-31", "office.example.org", "::/0"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		item, err := config.ParseAllow(text)
		if err != nil {
			return
		}
		again, err := config.ParseAllow(item.String())
		if err != nil || again.String() != item.String() {
			t.Errorf("%q is written as %q and read as %q, %v", text, item, again, err)
		}
		_ = item.InForce(time.Unix(0, 0))
	})
}
