package score

import (
	"encoding/json"
	"fmt"
	"net/netip"
)

// UnmarshalText parses a name.
func (s *Signal) UnmarshalText(text []byte) (err error) {
	if string(text) == NoSignal.String() {
		*s = NoSignal
		return nil
	}
	*s, err = ParseSignal(string(text))
	return err
}

// UnmarshalText parses a name.
func (p *Proof) UnmarshalText(text []byte) (err error) {
	*p, err = ParseProof(string(text))
	return err
}

// keyJSON is the JSON form of a key.
type keyJSON struct {
	Kind  string `json:"kind"`  // source, network, account, site or origin
	Value string `json:"value"` // an address, a prefix, the name of an account or origin, or "site"
}

// Kind returns the kind of the key: source, network, account, site or origin.
func (k Key) Kind() string { return k.Per.String() }

// Value returns the same as String, or "" for the zero Key.
func (k Key) Value() string {
	if k.Per == 0 {
		return ""
	}
	return k.String()
}

// MarshalJSON writes the kind and the value.
func (k Key) MarshalJSON() ([]byte, error) { return json.Marshal(keyJSON{k.Kind(), k.Value()}) }

// UnmarshalJSON parses the output of MarshalJSON.
func (k *Key) UnmarshalJSON(text []byte) error {
	var raw keyJSON
	if err := json.Unmarshal(text, &raw); err != nil {
		return fmt.Errorf("score key: %w", err)
	}
	if raw == (keyJSON{}) {
		*k = Key{}
		return nil
	}
	var err error
	*k, err = ParseKey(raw.Kind, raw.Value)
	return err
}

// ParseKey parses a key from its Kind and Value.
func ParseKey(kind, value string) (Key, error) {
	per, err := ParsePer(kind)
	if err != nil {
		return Key{}, err
	}
	switch per {
	case PerAccount, PerOrigin:
		return Key{Per: per, Account: value}, nil
	case PerSite:
		return Key{Per: per}, nil
	}
	prefix, err := netip.ParsePrefix(value)
	if err != nil {
		addr, err := netip.ParseAddr(value)
		if err != nil {
			return Key{}, fmt.Errorf("score key %q: neither an address nor a prefix", value)
		}
		prefix = netip.PrefixFrom(addr, addr.BitLen())
	}
	return Key{Per: per, Prefix: prefix}, nil
}
