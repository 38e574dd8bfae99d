package config

import (
	"math"
	"net/netip"
	"slices"
)

// Coverage is how much of the internet a list of prefixes covers.
type Coverage struct {
	V4 uint64 // public addresses
	V6 uint64 // public /64s; math.MaxUint64 at most
}

const (
	wideV4 = 1 << 16 // addresses of a /16
	wideV6 = 1 << 32 // /64s of a /32
	hugeV4 = 1 << 24
	hugeV6 = 1 << 40
)

// Wide reports whether this is more than an IPv4 /16 or an IPv6 /32: more than offices and
// carriers of one site have.
func (c Coverage) Wide() bool { return c.V4 > wideV4 || c.V6 > wideV6 }

// Huge reports whether this is more than an IPv4 /8 or an IPv6 /24: attackers can hardly be
// blocked any more.
func (c Coverage) Huge() bool { return c.V4 > hugeV4 || c.V6 > hugeV6 }

// TooWide reports whether a prefix covers more of the internet than an IPv4 /16 or an IPv6
// /32. Private networks are not the internet.
func TooWide(p netip.Prefix) bool { return Covered([]netip.Prefix{p}).Wide() }

// notPublic are the networks from which nobody reaches this host over the internet (IANA's
// special-purpose address registries, RFC 6890).
var notPublic = prefixes("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24", "192.0.2.0/24",
	"192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/3",
	"::/3", "4000::/2", "8000::/1", "2001:db8::/32") // IPv6: all but 2000::/3 is unassigned or local

func prefixes(words ...string) (list []netip.Prefix) {
	for _, w := range words {
		list = append(list, netip.MustParsePrefix(w))
	}
	return list
}

// Covered counts the public addresses in a list of masked prefixes, each once.
func Covered(list []netip.Prefix) (c Coverage) {
	for _, p := range outermost(list) {
		if p.Addr().Is4() {
			c.V4 += publicIn(p)
			continue
		}
		if c.V6 += publicIn(p); c.V6 < publicIn(p) {
			c.V6 = math.MaxUint64
		}
	}
	return c
}

// publicIn is the number of public addresses, or /64s, in p.
func publicIn(p netip.Prefix) uint64 {
	n := sizeOf(p)
	for _, local := range notPublic {
		switch {
		case local.Bits() <= p.Bits() && local.Contains(p.Addr()):
			return 0
		case p.Contains(local.Addr()):
			n -= sizeOf(local)
		}
	}
	return n
}

// sizeOf is the number of addresses in an IPv4 prefix and of /64s in an IPv6 one.
func sizeOf(p netip.Prefix) uint64 {
	bits := 32
	if p.Addr().Is6() {
		bits = 64
	}
	if p.Bits() == 0 && bits == 64 {
		return math.MaxUint64
	}
	return 1 << max(0, bits-p.Bits())
}

// outermost leaves out the prefixes that others cover.
func outermost(list []netip.Prefix) (out []netip.Prefix) {
	sorted := slices.Clone(list)
	slices.SortFunc(sorted, netip.Prefix.Compare) // a prefix comes before those it covers
	for _, p := range sorted {
		if n := len(out); n == 0 || !(out[n-1].Bits() <= p.Bits() && out[n-1].Contains(p.Addr())) {
			out = append(out, p)
		}
	}
	return out
}
