// Package places knows where the people of a PBX are.
package places

import "net/netip"

// Contact is one registration that Asterisk holds.
type Contact struct {
	Account string
	Source  netip.Addr // where the registration came from, not what it claims
	Port    uint16     // of the source
	Agent   string     // what the phone calls itself
}

// Carrier is somebody whom Asterisk's own configuration speaks to: a carrier or
// another PBX.
type Carrier struct {
	Prefix netip.Prefix
	Why    string // for people, such as `identify of carrier`
}
