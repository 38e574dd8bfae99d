package places

import "net/netip"

// Contact is one registration that Asterisk holds.
type Contact struct {
	Account string
	Source  netip.Addr // where the registration came from, not what it claims
	Port    uint16     // of Source
	Agent   string     // what the phone calls itself; "" when Asterisk does not say
}

// Carrier is an address that Asterisk's configuration speaks to: a carrier,
// another PBX.
type Carrier struct {
	Prefix netip.Prefix
	Why    string // what in the configuration names it
}
