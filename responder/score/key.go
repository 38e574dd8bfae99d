package score

import (
	"encoding/binary"
	"net/netip"

	"github.com/tollwarden/tollwarden/ami/event"
)

// Per is what a threshold counts for.
type Per uint8

// A source is one IPv4 address or one IPv6 /64; a network is an IPv4 /24 or
// an IPv6 /48; an account is a name.
const (
	PerSource Per = iota + 1
	PerNetwork
	PerAccount

	perCount
)

var perNames = []string{"", "source", "network", "account"}

// String gives the name the config uses.
func (p Per) String() string { return nameOf(p, perNames) }

// MarshalText writes the name.
func (p Per) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// ParsePer reads the name the config uses.
func ParsePer(name string) (Per, error) { return parse[Per]("key kind", name, perNames) }

// Key is what a score is kept for: a Prefix for sources and networks, an
// Account for accounts.
type Key struct {
	Per     Per
	Prefix  netip.Prefix
	Account string
}

// String gives the address, prefix or account name.
func (k Key) String() string {
	switch {
	case k.Per == PerAccount:
		return k.Account
	case k.Prefix.IsSingleIP():
		return k.Prefix.Addr().String()
	default:
		return k.Prefix.String()
	}
}

// ManagerAccounts precedes the names of AMI users among the accounts, so that
// the AMI user admin and the SIP peer admin never share a score: Asterisk's
// own dial strings (PJSIP/name) leave no SIP peer a slash in its name.
const ManagerAccounts = "AMI/"

// accountBuffer is room for a manager account's name.
type accountBuffer [maxAccount]byte

// accountName is the account an observation speaks of, as keys name it; ok is
// false when it speaks of none: no name, "<unknown>", a name longer than any
// account's, or the name of an InvalidAccountID, which Asterisk does not know.
// The name lies in the observation or in buf.
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

// id is a key as the tables hold it: the bits of an address and its family,
// or the hash of an account's name, which then has to be compared as well.
type id struct {
	word   uint64
	family uint8 // 4, 6, or 0 for an account
	name   []byte
}

// addressID is the id of the source or the network of an address.
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

// addressKey is the way back from addressID.
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
