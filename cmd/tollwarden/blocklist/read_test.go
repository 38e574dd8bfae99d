package blocklist_test

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tollwarden/tollwarden/cmd/tollwarden/blocklist"
	"github.com/tollwarden/tollwarden/cmd/tollwarden/takeover"
)

var noon = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

// read reads a list in words; bans without a time of their own last a day.
func read(text, set string) (string, error) {
	im := takeover.New("x", "", noon, []netip.Prefix{netip.MustParsePrefix("192.168.1.0/24")})
	err := blocklist.Read(im, strings.NewReader(text), "list", noon, blocklist.Source{Set: set, For: 24 * time.Hour})
	var words []string
	for _, b := range im.Bans {
		words = append(words, fmt.Sprintf("%s %s %s", b.Jail, b.Prefix, b.Left(noon)))
	}
	slices.Sort(words)
	for _, s := range im.Skipped {
		words = append(words, "skip "+s.What+": "+s.Why)
	}
	return strings.Join(words, "\n"), err
}

const ipsetSave = `create sipban hash:net family inet hashsize 1024 maxelem 65536 timeout 604800 bucketsize 12 initval 0x1
add sipban 203.0.113.7 timeout 600
add sipban 203.0.113.0/28 timeout 0
create other hash:ip family inet6
add other 2001:db8::7
add other 0.0.0.0/0
add other 192.168.1.7
create pairs hash:ip,port family inet
add pairs 203.0.113.8,tcp:22
create all list:set size 8
`

const ipsetList = `Name: sipban
Type: hash:net
Revision: 7
Header: family inet hashsize 1024 maxelem 65536 timeout 604800 bucketsize 12 initval 0xe3
Size in memory: 568
References: 1
Number of entries: 2
Members:
203.0.113.7 timeout 600
203.0.113.0/28 timeout 5 comment "x"
198.51.100.0/24 nomatch
`

const nftList = `table inet f2b-table {
	set addr-set-asterisk {
		type ipv4_addr
		flags interval,timeout
		timeout 1h
		elements = { 203.0.113.7 timeout 1h expires 59m30s500ms, 203.0.113.0/28,
			     198.51.100.4-198.51.100.6, 198.51.100.9 expires 1d2h }
	}
	set other {
		type ipv4_addr . inet_service
		elements = { 203.0.113.8 . 22 }
	}
	chain APIBAN {
		ip saddr 203.0.113.9 counter packets 0 bytes 0 drop
		ip saddr @other counter drop
	}
}
`

const nftJSON = `{"nftables": [{"metainfo": {"version": "1.0.6", "json_schema_version": 1}},
 {"set": {"family": "inet", "name": "blackhole", "table": "filter", "type": "ipv4_addr", "flags": ["interval", "timeout"],
  "elem": ["203.0.113.7", {"prefix": {"addr": "198.51.100.0", "len": 24}}, {"range": ["198.51.100.4", "198.51.100.5"]},
   {"elem": {"val": "203.0.113.9", "timeout": 3600, "expires": 60}}, {"concat": ["203.0.113.8", 22]}]}}]}`

const iptables = `-N APIBAN
-A APIBAN -s 203.0.113.7/32 -d 0.0.0.0/0 -j REJECT --reject-with icmp-port-unreachable
-A APIBAN -s 203.0.113.8/32 -j DROP
-A APIBAN -s 198.51.100.0/24 -j ACCEPT
-A APIBAN -j RETURN
-A INPUT -j APIBAN
-A OTHER -s 203.0.113.99 -j DROP
`

func TestRead(t *testing.T) {
	for name, tc := range map[string]struct{ text, set, want string }{
		"ipset save": {ipsetSave, "", "other 2001:db8::7/128 24h\nsipban 203.0.113.0/28 24h\nsipban 203.0.113.7/32 10m\n" +
			"skip 0.0.0.0/0: this bans everybody\nskip 192.168.1.7: this host is in 192.168.1.0/24\nskip 203.0.113.8,tcp:22: its ban covers single ports or pairs of addresses\nskip set all: it lists other sets: import these"},
		"one set of ipset save": {ipsetSave, "sipban", "sipban 203.0.113.0/28 24h\nsipban 203.0.113.7/32 10m\nskip set all: it lists other sets: import these"},
		"ipset list":            {ipsetList, "", "sipban 203.0.113.0/28 5s\nsipban 203.0.113.7/32 10m\nskip 198.51.100.0/24: an exception within the set (nomatch)"},
		"nft list": {nftList, "addr-set-asterisk", "addr-set-asterisk 198.51.100.4/31 24h\naddr-set-asterisk 198.51.100.6/32 24h\naddr-set-asterisk 198.51.100.9/32 26h\n" +
			"addr-set-asterisk 203.0.113.0/28 24h\naddr-set-asterisk 203.0.113.7/32 59m31s"},
		"nft list chain":      {nftList, "APIBAN", "APIBAN 203.0.113.9/32 24h\nskip @other: neither an address nor a prefix"},
		"pairs of nft":        {nftList, "other", "skip 203.0.113.8 . 22: its ban covers single ports or pairs of addresses"},
		"nft --json":          {nftJSON, "blackhole", "blackhole 198.51.100.0/24 24h\nblackhole 198.51.100.4/31 24h\nblackhole 203.0.113.7/32 24h\nblackhole 203.0.113.9/32 1m\nskip {\"concat\": [\"203.0.113.8\", 22]}: an element of set blackhole that is neither an address nor a range"},
		"iptables":            {iptables, "APIBAN", "APIBAN 203.0.113.7/32 24h\nAPIBAN 203.0.113.8/32 24h"},
		"an empty chain":      {"-N APIBAN\n", "APIBAN", ""},
		"sipban, before":      {"# 2026-11-22 12:00:00\n203.0.113.7,1795350000\n203.0.113.8,1795000000\n", "", " 203.0.113.7/32 20m"},
		"APIBAN's log":        {"2026/11/22 11:00:00 ** Started APIBAN CLIENT\n2026/11/22 11:00:00 Blocking 203.0.113.7\n2026-11-22 11:00:00 - Adding 203.0.113.8 to nftables\n", "", " 203.0.113.7/32 24h\n 203.0.113.8/32 24h\nskip line 1 of list: \"2026/11/22 11:00:00 ** Started APIBAN CLIENT\" is no entry of a list in a known form"},
		"a plain list":        {"# blocked\n203.0.113.7 # a scanner\n; old\n198.51.100.0/24\r\n\nnobody\n", "", " 198.51.100.0/24 24h\n 203.0.113.7/32 24h\nskip line 6 of list: \"nobody\" is no entry of a list in a known form"},
		"everybody, anyhow":   {"0.0.0.0/0\n::/0\n0.0.0.0-255.255.255.255\n", "", "skip 0.0.0.0/0: this bans everybody\nskip ::/0: this bans everybody\nskip line 3 of list: \"0.0.0.0-255.255.255.255\" is no entry of a list in a known form"},
		"a range in a set":    {"add x 0.0.0.0-255.255.255.255\nadd x 203.0.113.9-203.0.113.1\n", "", "skip 0.0.0.0/0: this bans everybody\nskip 203.0.113.9-203.0.113.1: neither an address nor a prefix"},
		"a time that is none": {"add x 203.0.113.7 timeout soon\n", "", "skip 203.0.113.7: \"soon\" is no duration"},
	} {
		t.Run(name, func(t *testing.T) {
			if got, err := read(tc.text, tc.set); err != nil || got != tc.want {
				t.Errorf("%v\n got %s\nwant %s", err, got, tc.want)
			}
		})
	}
	for _, text := range []string{ipsetSave, nftJSON} {
		if _, err := read(text, "nothing"); err == nil {
			t.Error("a set that is not there gave no error")
		}
	}
}

// Nothing in a list bans everybody or this host.
func FuzzBlocklist(f *testing.F) {
	for _, text := range []string{ipsetSave, ipsetList, nftList, nftJSON, iptables, "203.0.113.7,1795350000\n"} {
		f.Add(text)
	}
	own := netip.MustParsePrefix("192.168.1.0/24")
	f.Fuzz(func(t *testing.T, text string) {
		im := takeover.New("x", "", noon, []netip.Prefix{own})
		_ = blocklist.Read(im, strings.NewReader(text), "list", noon, blocklist.Source{})
		for _, b := range im.Bans {
			if b.Prefix.Bits() == 0 || b.Prefix.Overlaps(own) || b.Until != nil && !b.Until.After(noon) {
				t.Fatalf("%+v of %q", b, text)
			}
		}
	})
}
