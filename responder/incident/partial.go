package incident

import (
	"fmt"
	"net/netip"
	"strings"
	"time"
)

// PartialBlock is what is done at an address that is not banned, since others may use
// it: one phone's flow is dropped, or the address is throttled, or closed but for the
// phones that are registered there.
type PartialBlock struct {
	Kind PartialKind `json:"kind"`
	// Flow is the remote end of what is dropped, and Connection whether it is a
	// connection. Otherwise it is SIP over UDP.
	Flow       netip.AddrPort `json:"flow,omitzero"`
	Connection bool           `json:"connection,omitempty"`
	Account    string         `json:"account,omitempty"` // whose phone it is; "" if that is not known
	Phone      string         `json:"phone,omitempty"`   // the same in words, for people

	// Address is an IPv4 address or an IPv6 /64 that is throttled or closed: over TCP, TLS
	// and WebSocket if Connection, otherwise over UDP. Phones is how many connections, or
	// flows, of registered phones keep working there.
	Address netip.Prefix `json:"address,omitzero"`
	Phones  int          `json:"phones,omitempty"`

	Since    time.Time `json:"since"`
	Until    time.Time `json:"until"`
	Reason   string    `json:"reason"` // in words
	Origin   string    `json:"origin"` // name of the threshold, OriginMisdirected or OriginKernel
	Incident int64     `json:"incident,omitempty"`
}

// PartialKind is the kind of a PartialBlock.
type PartialKind string

// The kinds of a PartialBlock.
const (
	BlockedFlow      PartialKind = "flow"
	ThrottledAddress PartialKind = "throttle"
	ClosedAddress    PartialKind = "closed" // nothing is let in but from the registered phones
)

// OriginMisdirected is the origin of what no threshold decided: responses to somebody
// else's guesses were sent to the address.
const OriginMisdirected = "misdirected responses"

// Target is what `unban` takes: an address with its port, or an address.
func (b PartialBlock) Target() string {
	if b.Kind != BlockedFlow {
		return PrefixText(b.Address)
	}
	return b.Flow.String()
}

// Source is the address, as a prefix.
func (b PartialBlock) Source() netip.Prefix {
	if b.Kind != BlockedFlow {
		return b.Address
	}
	return netip.PrefixFrom(b.Flow.Addr(), b.Flow.Addr().BitLen())
}

// Concerns says whether lifting everything about a prefix lifts the block. An IPv6
// address is throttled with its /64.
func (b PartialBlock) Concerns(prefix netip.Prefix) bool { return prefix.Overlaps(b.Source()) }

// InForce says whether the block has time left.
func (b PartialBlock) InForce(now time.Time) bool { return now.Before(b.Until) }

// Words says what kind of block it is.
func (b PartialBlock) Words() string {
	switch {
	case b.Kind == ThrottledAddress:
		return "throttled"
	case b.Kind == ClosedAddress && b.Connection:
		return "new connections"
	case b.Kind == ClosedAddress:
		return "UDP but of registered phones"
	case b.Connection:
		return "one phone's connection"
	}
	return "one phone's flow"
}

// ClosedWords says what it means for those at an address that it is closed, and what to do;
// "" if it is not.
func (b PartialBlock) ClosedWords() string {
	if b.Kind != ClosedAddress {
		return ""
	}
	what := "new phones over UDP"
	if b.Connection {
		what = "new connections over TCP, TLS and WebSocket"
	}
	keep := Count(b.Phones, "phone") + " keep theirs"
	if b.Phones == 1 {
		keep = "1 phone keeps its own"
	}
	return fmt.Sprintf("%s is closed to %s until %s, %s: find what guesses there; %s opens it",
		PrefixText(b.Address), what, TimeText(b.Until), keep, Command("unban", PrefixText(b.Address)))
}

// Why is the reason, with the phone.
func (b PartialBlock) Why() string {
	if b.Phone == "" {
		return b.Reason
	}
	return b.Phone + ": " + b.Reason
}

// A partial block comes into force, or is renewed. It is Released or Ended as a ban is.
const (
	Blocked   BanChange = "blocked"
	Throttled BanChange = "throttled"
	Closed    BanChange = "closed"
)

// What the detail of a ban that was skipped says was done in its place, with until when
// behind it.
const (
	InsteadThrottled = "; throttled "
	InsteadClosed    = "; nothing is let in from there "
)

// Instead is what was done about an address that was not banned since others use it, from
// the detail of the skipped step; "" if nothing was.
func Instead(detail string) string {
	for _, begins := range []string{InsteadThrottled, InsteadClosed} {
		if n := strings.Index(detail, begins); n >= 0 {
			return strings.TrimPrefix(detail[n:], "; ")
		}
	}
	return ""
}

// Dropped says what became of a flow that is dropped since a time, and what to do.
func (f Flow) Dropped(since time.Time) string {
	return fmt.Sprintf("until %s, and again while it goes on: %s; %s then lets it through at once; the other phones at this address keep working",
		TimeText(since.Add(f.For)), f.About, Command("unban", f.At.String()))
}
