package calls

import (
	"net/netip"

	"github.com/tollwarden/tollwarden/ami/event"
)

// Kind is what a Sign says.
type Kind uint8

// The kinds of signs, by the names of the signals that they become.
const (
	CallRate Kind = iota + 1
	ConcurrentCalls
	Cadence
	DialProbing
	ForbiddenDestination
	NewCountry
	OffHours
	Dormant
	NewNetwork
	TwoNetworks
	ScannerAgent
	AnonymousCall
	UnseenLogin
	kindCount
)

var kindNames = [kindCount]string{
	"", "CallRate", "ConcurrentCalls", "Cadence", "DialProbing", "ForbiddenDestination", "NewCountry", "OffHours",
	"Dormant", "NewNetwork", "TwoNetworks", "ScannerAgent", "AnonymousCall", "UnseenLogin",
}

// String gives the signal's name.
func (k Kind) String() string { return kindNames[k] }

// Kinds lists every kind.
func Kinds() []Kind {
	var all []Kind
	for k := CallRate; k < kindCount; k++ {
		all = append(all, k)
	}
	return all
}

// Sign is one thing about an account's calls that is not as it should be.
type Sign struct {
	Kind    Kind
	Account string
	Channel string // the call's; "" when it is about a login or a registration
	Detail  string // in words, with what was dialled
	From    Login  // where it came from, as far as that is certain
	Hint    Login  // where it claims to come from, when nothing better is known
}

// Login is where an account was used from. The zero Login is unknown.
type Login struct {
	Source    netip.Addr
	Port      uint16
	Transport event.Transport
	Proven    bool
}
