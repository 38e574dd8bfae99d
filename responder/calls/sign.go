package calls

import (
	"net/netip"

	"github.com/tollwarden/tollwarden/ami/event"
)

// Kind is the kind of a Sign.
type Kind uint8

// The kinds of signs, named like the signals that they become. Placed and Unannounced become none.
const (
	Placed      Kind = iota // a call to the outside
	Unannounced             // a call over IAX2, of which no event says where it comes from
	CallRate
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
	CostlyForward
	SharedNumber
	SequentialNumbers
	TestCalls
	EarlyMedia
	CostlyAfterLogin
	kindCount
)

var kindNames = [kindCount]string{
	"", "", "CallRate", "ConcurrentCalls", "Cadence", "DialProbing", "ForbiddenDestination", "NewCountry", "OffHours",
	"Dormant", "NewNetwork", "TwoNetworks", "ScannerAgent", "AnonymousCall", "UnseenLogin",
	"CostlyForward", "SharedNumber", "SequentialNumbers", "TestCalls", "EarlyMedia", "CostlyAfterLogin",
}

// String returns the name of the signal.
func (k Kind) String() string { return kindNames[k] }

// Kinds lists every kind.
func Kinds() []Kind {
	var all []Kind
	for k := CallRate; k < kindCount; k++ {
		all = append(all, k)
	}
	return all
}

// Sign is something suspicious about an account's calls.
type Sign struct {
	Kind    Kind
	Account string
	Channel string // of the call; "" for a login or a registration
	Detail  string // for people, with the dialled number
	From    Login  // the source, if it is known for certain
	Hint    Login  // the probable source, if nothing better is known

	// Of Placed: why the call costs more than others, "" if it does not, and whether
	// the account has never called that country abroad before.
	Cost       string
	Forbidden  bool // by the account's rules
	NewCountry bool
}

// Login is a source that an account was used from. The zero Login is unknown.
type Login struct {
	Source    netip.Addr
	Port      uint16
	Transport event.Transport
	Proven    bool
}
