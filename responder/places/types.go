package places

import "net/netip"

// Contact is one registration that Asterisk holds.
type Contact struct {
	Account string
	Source  netip.Addr // where the registration came from, not what it claims
	Port    uint16     // of Source
	Agent   string     // what the phone calls itself; "" when Asterisk does not say
	URI     string     // where calls to it are sent, which the phone chooses; "" when Asterisk does not say
}

// Protected is an address that evidence which may be spoofed does not ban. Asterisk's
// configuration names it, as a carrier's or that of another PBX, or a host name on the allow
// list leads there, or a phone is in use there.
type Protected struct {
	Prefix netip.Prefix
	Why    string // what names it, or which account is used there
}
