package score

import "fmt"

// Signal is a kind of observation that can carry points: a security event of
// Asterisk by its own name, or one derived from several.
type Signal uint8

// The security events of Asterisk (main/security_events.c), by its own names,
// then the derived signals. NoSignal is none of them.
const (
	NoSignal Signal = iota

	FailedACL
	InvalidAccountID
	SessionLimit
	MemoryLimit
	LoadAverageLimit
	RequestNotSupported
	RequestNotAllowed
	AuthMethodNotAllowed
	RequestBadFormat
	SuccessfulAuth
	UnexpectedAddress
	ChallengeResponseFailed
	InvalidPassword
	ChallengeSent
	InvalidTransport

	SuccessAfterFailures // a stranger's success on an account that strangers guessed at
	Tampering            // an event whose framing or schema was forged

	CallRate             // calls per minute
	ConcurrentCalls      // calls at once
	Cadence              // calls set up less than a second apart
	DialProbing          // one number behind different prefixes
	ForbiddenDestination // a country or number type the account may not call
	NewCountry           // a country the account has never called
	OffHours             // outside the site's hours
	Dormant              // a silent account that suddenly calls
	NewNetwork           // a network the account was never seen in
	TwoNetworks          // two networks at once
	ScannerAgent         // a known scanner's User-Agent
	AnonymousCall        // an outgoing call without authentication
	UnseenLogin          // a call or contact without the login it needs

	signalCount
)

var signalNames = [signalCount]string{
	"NoSignal",
	"FailedACL", "InvalidAccountID", "SessionLimit", "MemoryLimit", "LoadAverageLimit",
	"RequestNotSupported", "RequestNotAllowed", "AuthMethodNotAllowed", "RequestBadFormat",
	"SuccessfulAuth", "UnexpectedAddress", "ChallengeResponseFailed", "InvalidPassword",
	"ChallengeSent", "InvalidTransport",
	"SuccessAfterFailures", "Tampering",
	"CallRate", "ConcurrentCalls", "Cadence", "DialProbing", "ForbiddenDestination",
	"NewCountry", "OffHours", "Dormant", "NewNetwork", "TwoNetworks", "ScannerAgent",
	"AnonymousCall", "UnseenLogin",
}

// String gives the name that Asterisk, the config and the ledger use.
func (s Signal) String() string { return nameOf(s, signalNames[:]) }

// MarshalText writes the name.
func (s Signal) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// ParseSignal reads a name that String gives. Case counts, as in Asterisk.
func ParseSignal(name string) (Signal, error) { return parse[Signal]("signal", name, signalNames[:]) }

// Signals lists every signal in a fixed order.
func Signals() []Signal {
	all := make([]Signal, 0, signalCount-1)
	for s := NoSignal + 1; s < signalCount; s++ {
		all = append(all, s)
	}
	return all
}

// Failure says whether the signal is a wrong password for an account that
// Asterisk knows. InvalidAccountID is none: it names no account.
func (s Signal) Failure() bool { return s == InvalidPassword || s == ChallengeResponseFailed }

// kept says whether the signal is worth remembering as evidence.
// ChallengeSent is not: every phone raises it before every success.
func (s Signal) kept() bool { return s != ChallengeSent }

// nameOf is the name of an enumeration's value.
func nameOf[T ~uint8](v T, names []string) string {
	if int(v) < len(names) {
		return names[v]
	}
	return fmt.Sprintf("%T(%d)", v, uint8(v))
}

// parse finds an enumeration's value by name; the first name, the value for
// none, is not to be asked for by name.
func parse[T ~uint8](what, name string, names []string) (T, error) {
	for i, n := range names {
		if i > 0 && n == name {
			return T(i), nil
		}
	}
	return 0, fmt.Errorf("score: unknown %s %q", what, name)
}
