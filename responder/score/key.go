package score

import (
	"encoding/binary"
	"net/netip"
	"strings"

	"github.com/tollwarden/tollwarden/ami/event"
)

// Per is the kind of key that a threshold applies to.
type Per uint8

// A source is one IPv4 address or one IPv6 /64; a network is an IPv4 /24 or
// an IPv6 /48; an account is a name; the site is everything together. An origin is what
// calls come from that no account sets up (IsOrigin).
const (
	PerSource Per = iota + 1
	PerNetwork
	PerAccount
	PerSite
	PerOrigin

	perCount
)

var perNames = []string{"", "source", "network", "account", "site", "origin"}

// String returns the name used in the config.
func (p Per) String() string { return nameOf(p, perNames) }

// MarshalText returns the name.
func (p Per) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// ParsePer parses a name used in the config.
func ParsePer(name string) (Per, error) { return parse[Per]("key kind", name, perNames) }

// traced reports whether keys of this kind have a trail of evidence. The site has none:
// all observations are its own. Nor have origins: the calls of an incident are its evidence.
func (p Per) traced() bool { return p < PerSite }

// named reports whether keys of this kind are names.
func (p Per) named() bool { return p == PerAccount || p == PerOrigin }

// Key is something that a score is kept for: a Prefix for sources and networks, an
// Account for accounts and origins, neither for the site.
type Key struct {
	Per     Per
	Prefix  netip.Prefix
	Account string
}

// String returns the address, prefix or account name, or "site".
func (k Key) String() string {
	switch {
	case k.Per == PerSite:
		return k.Per.String()
	case k.Per.named():
		return k.Account
	case k.Prefix.IsSingleIP():
		return k.Prefix.Addr().String()
	default:
		return k.Prefix.String()
	}
}

// ManagerAccounts is the prefix of AMI users among the accounts, so that the AMI user
// admin and the SIP peer admin never share a score. SIP peers cannot have a slash in
// their names because of Asterisk's dial strings (PJSIP/name).
const ManagerAccounts = "AMI/"

// accountBuffer is room for a manager account's name.
type accountBuffer [maxAccount]byte

// accountName returns the account of an observation, as used in keys. ok is false if
// there is none: no name, "<unknown>", a name longer than any account's, or the name in
// an InvalidAccountID, which does not exist. The name points into the observation or
// buf.
func accountName(o *Observation, buf *accountBuffer) (name []byte, ok bool) {
	name = o.Account
	if len(name) == 0 || o.Signal == InvalidAccountID || string(name) == event.Unknown {
		return nil, false
	}
	if string(o.Service) == "AMI" {
		name = append(append(buf[:0], ManagerAccounts...), name...)
	}
	return name, len(name) <= maxAccount
}

// id is the internal form of a key: the bits and family of an address, or the hash of
// an account's name, together with the name to compare.
type id struct {
	word   uint64
	family uint8 // 4, 6, 0 for an account or origin, or familySite
	name   []byte
}

// familySite is the family of the only key per site.
const familySite = 1

// addressID returns the id of the source or network of an address.
func addressID(per Per, a netip.Addr) (id, bool) {
	switch a = a.Unmap(); {
	case a.Is4():
		b := a.As4()
		word := uint64(binary.BigEndian.Uint32(b[:]))
		if per == PerNetwork {
			word &^= 0xff
		}
		return id{word: word, family: 4}, true
	case a.Is6():
		b := a.As16()
		word := binary.BigEndian.Uint64(b[:8])
		if per == PerNetwork {
			word &^= 0xffff
		}
		return id{word: word, family: 6}, true
	default:
		return id{}, false
	}
}

// addressKey is the inverse of addressID.
func addressKey(per Per, word uint64, family uint8) Key {
	var a netip.Addr
	if family == 4 {
		var b [4]byte
		binary.BigEndian.PutUint32(b[:], uint32(word))
		a = netip.AddrFrom4(b)
	} else {
		var b [16]byte
		binary.BigEndian.PutUint64(b[:8], word)
		a = netip.AddrFrom16(b)
	}
	if per == PerNetwork {
		return Key{Per: per, Prefix: event.NetworkPrefix(a)}
	}
	return Key{Per: per, Prefix: event.SourcePrefix(a)}
}

// Words names the key for people, like "address 192.0.2.66".
func (k Key) Words() string {
	switch k.Per {
	case PerSource:
		return "address " + k.Value()
	case PerSite:
		return "the whole site"
	case PerAccount:
		if name, ok := strings.CutPrefix(k.Value(), ManagerAccounts); ok {
			return "manager user " + name
		}
		return "extension " + k.Value()
	case PerOrigin:
		return OriginWords(k.Account)
	}
	return k.Kind() + " " + k.Value()
}

// SourceKey is the key of an address as a source.
func SourceKey(a netip.Addr) Key { return Key{Per: PerSource, Prefix: event.SourcePrefix(a)} }

// NetworkKey is the key of the network of an address.
func NetworkKey(a netip.Addr) Key { return Key{Per: PerNetwork, Prefix: event.NetworkPrefix(a)} }
