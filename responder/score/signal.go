package score

import "fmt"

// Signal is a kind of observation that can carry points: a security event of Asterisk,
// or a signal derived from several events.
type Signal uint8

// The security events of Asterisk (main/security_events.c) under their own names, then
// the derived signals. NoSignal is no signal.
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

	SuccessAfterFailures  // an unknown address's success after its own wrong passwords: a break-in
	NewPlaceAfterFailures // an unknown address's success on an account that others guessed at: its owner's, or a thief's
	Tampering             // an event whose framing or schema was forged

	SlowGuesser      // an address's wrong passwords for several accounts, over days (package slow)
	SlowNetwork      // a network's wrong passwords for many accounts, over days
	SlowAttack       // wrong passwords for one account from changing addresses, over days
	LastingFailures  // wrong passwords for one account, over days: an attack or an old password
	GuessingCampaign // wrong passwords for many accounts of the site, over days

	SpendingSoft     // an account reached a soft limit of what calls may cost (package spending)
	SpendingHard     // an account reached a hard one
	SiteSpendingSoft // the site, or a trunk, reached a soft limit
	SiteSpendingHard // the site, or a trunk, reached a hard one

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

	CostlyForward     // an account's calls are forwarded to a number that costs
	SharedNumber      // one new costly number from several accounts
	SequentialNumbers // costly numbers one after another
	TestCalls         // calls of a few seconds to many countries, or to one range of numbers
	EarlyMedia        // minutes of unanswered calls to costly numbers
	CostlyAfterLogin  // a call to a number known for fraud, minutes after the first login from a network

	signalCount
)

var signalNames = [signalCount]string{
	"NoSignal",
	"FailedACL", "InvalidAccountID", "SessionLimit", "MemoryLimit", "LoadAverageLimit",
	"RequestNotSupported", "RequestNotAllowed", "AuthMethodNotAllowed", "RequestBadFormat",
	"SuccessfulAuth", "UnexpectedAddress", "ChallengeResponseFailed", "InvalidPassword",
	"ChallengeSent", "InvalidTransport",
	"SuccessAfterFailures", "NewPlaceAfterFailures", "Tampering",
	"SlowGuesser", "SlowNetwork", "SlowAttack", "LastingFailures", "GuessingCampaign",
	"SpendingSoft", "SpendingHard", "SiteSpendingSoft", "SiteSpendingHard",
	"CallRate", "ConcurrentCalls", "Cadence", "DialProbing", "ForbiddenDestination",
	"NewCountry", "OffHours", "Dormant", "NewNetwork", "TwoNetworks", "ScannerAgent",
	"AnonymousCall", "UnseenLogin",
	"CostlyForward", "SharedNumber", "SequentialNumbers", "TestCalls", "EarlyMedia", "CostlyAfterLogin",
}

// String returns the name used by Asterisk, the config and the ledger.
func (s Signal) String() string { return nameOf(s, signalNames[:]) }

// MarshalText returns the name.
func (s Signal) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// ParseSignal parses the output of String. It is case-sensitive, like Asterisk.
func ParseSignal(name string) (Signal, error) { return parse[Signal]("signal", name, signalNames[:]) }

// Signals lists every signal in a fixed order.
func Signals() []Signal {
	all := make([]Signal, 0, signalCount-1)
	for s := NoSignal + 1; s < signalCount; s++ {
		all = append(all, s)
	}
	return all
}

// Failure reports whether the signal is a wrong password for an existing account.
// InvalidAccountID is not, because its account does not exist.
func (s Signal) Failure() bool { return s == InvalidPassword || s == ChallengeResponseFailed }

// kept reports whether the signal is kept as evidence. ChallengeSent is not: every
// phone raises it before every success.
func (s Signal) kept() bool { return s != ChallengeSent }

// nameOf returns the name of an enumeration's value.
func nameOf[T ~uint8](v T, names []string) string {
	if int(v) < len(names) {
		return names[v]
	}
	return fmt.Sprintf("%T(%d)", v, uint8(v))
}

// parse returns the enumeration's value with that name. It does not accept the first
// name, which stands for no value.
func parse[T ~uint8](what, name string, names []string) (T, error) {
	for i, n := range names {
		if i > 0 && n == name {
			return T(i), nil
		}
	}
	return 0, fmt.Errorf("score: unknown %s %q", what, name)
}
