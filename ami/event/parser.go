package event

import (
	"errors"
	"net/netip"
)

var (
	// ErrUnknown reports a block that is not a supported event, such as the answer
	// to an action. The block may be perfectly valid.
	ErrUnknown = errors.New("ami: unsupported event")
	// ErrTampered reports a block that is not exactly what Asterisk writes. Its
	// content must not be used. The error is a Tampering.
	ErrTampered = errors.New("ami: tampered block")
)

// Tampering is the reason why a block is rejected. It is an error that matches
// ErrTampered and contains no text from the block.
type Tampering uint8

// The reasons. Each names the first defect found in a block.
const (
	TamperedFraming  Tampering = iota + 1 // Block.Damage is not Undamaged
	TamperedHeadless                      // the first header is neither Event nor Response
	TamperedClass                         // Privilege is not the event's
	TamperedMissing                       // a required header is missing, or another one is in its place
	TamperedSurplus                       // a header is duplicate, unknown or out of order
	TamperedValue                         // a value that Asterisk cannot have written
	tamperings
)

var tamperingNames = [tamperings]string{
	"", "framing", "headless", "class", "missing header", "surplus header", "value",
}

// String returns the name of the reason.
func (t Tampering) String() string {
	if t < tamperings {
		return tamperingNames[t]
	}
	return "unknown"
}

// Error returns the reason and quotes nothing from the block.
func (t Tampering) Error() string { return "ami: tampered block: " + t.String() }

// Is reports that every Tampering is an ErrTampered.
func (t Tampering) Is(target error) bool { return target == ErrTampered }

// Parser parses the blocks of one connection. It is not safe for concurrent use.
// The zero Parser is ready to use.
type Parser struct {
	// torn is set when a security event with a valid start is rejected, until the
	// SessionID, LocalAddress and RemoteAddress that Asterisk wrote at its end
	// have arrived.
	torn bool
	tail tail
	memo memo

	// Scratch space of splitEarly.
	next     Event
	lines    []Header
	nextMemo memo
}

// tail is the end of a torn security event.
type tail struct {
	remote    netip.AddrPort
	transport Transport
	found     bool
}

// Parse resets e and parses a block into it. The error is ErrUnknown or a
// Tampering, which matches ErrTampered; e then holds no values. Parse does not
// allocate.
func (p *Parser) Parse(b *Block, e *Event) error {
	*e = Event{}
	startsValid, reason, known := e.read(b, &p.memo)
	if e.chanSIP() && p.splitEarly(b.Rest) {
		known, reason, startsValid = true, TamperedFraming, true
		b = &Block{} // the sender chose its addresses, too
	}
	if known && reason == 0 {
		p.torn, p.tail = false, tail{}
		e.Raw = b.Raw
		return nil
	}
	p.torn = p.torn || startsValid
	p.findTail(b)
	if !known && p.tail.found {
		reason = TamperedHeadless // a forged start with a genuine end
	}
	kind := e.Kind
	*e = Event{}
	if reason != 0 {
		e.Kind = kind
		return reason
	}
	return ErrUnknown
}

// TrueSource returns the source of the tampering in the block that Parse has just
// rejected: the RemoteAddress that Asterisk itself wrote at the end of the torn
// security event. It may arrive several blocks after the first rejected one. The
// last result is false if there is none, as for channel events. The address is as
// trustworthy as the RemoteAddress of a valid event over the same transport; with
// chan_sip it may be spoofed (Event.Proven).
//
// TrueSource requires SessionID, LocalAddress and RemoteAddress in a row, after a
// security event with a valid start. A sender can end a block with a RemoteAddress,
// so the last one alone proves nothing.
func (p *Parser) TrueSource() (netip.AddrPort, Transport, bool) {
	return p.tail.remote, p.tail.transport, p.tail.found
}

// findTail looks for the end of a torn security event in a block.
func (p *Parser) findTail(b *Block) {
	p.tail = tail{}
	if !p.torn {
		return
	}
	for i := len(b.Headers) - 1; i >= 2; i-- {
		h := b.Headers[i-2 : i+1]
		if string(h[2].Name) != "RemoteAddress" {
			continue
		}
		if string(h[1].Name) == "LocalAddress" && string(h[0].Name) == "SessionID" && isAddress(h[1].Value) {
			p.tail.remote, p.tail.transport, p.tail.found = ParseAddress(h[2].Value)
			p.torn = !p.tail.found
		}
		return
	}
}

// read parses a block into e. reason is 0 if the block is accepted. known is true
// if the block is a supported event, or is damaged. startsValid is true for a
// security event that follows its schema up to SessionID, whatever comes after.
func (e *Event) read(b *Block, m *memo) (startsValid bool, reason Tampering, known bool) {
	if len(b.Headers) == 0 {
		return false, TamperedHeadless, true
	}
	switch string(b.Headers[0].Name) {
	case "Event":
		e.Kind = kindOf(b.Headers[0].Value)
	case "Response":
	default:
		reason, known = TamperedHeadless, true
	}
	if e.Kind != NoEvent {
		known = true
		startsValid, reason = e.match(b.Headers, m)
	}
	if b.Damage != Undamaged {
		return startsValid, TamperedFraming, true
	}
	return startsValid, reason, known
}

// match compares the headers with the event's schema, one by one.
func (e *Event) match(headers []Header, m *memo) (startsValid bool, reason Tampering) {
	s := &schemas[e.Kind]
	if len(headers) < 2 || string(headers[1].Name) != "Privilege" {
		return false, TamperedMissing
	}
	if string(headers[1].Value) != s.privilege {
		return false, TamperedClass
	}
	at := 2
	group := false
	for _, slot := range s.order(headers) {
		startsValid = startsValid || slot.field == sessionID
		here := at < len(headers) && string(headers[at].Name) == slot.name
		switch {
		case slot.rule == opens:
			group = here
		case slot.rule == within && here && !group:
			return startsValid, TamperedSurplus
		case !here && (slot.rule == once || slot.rule == within && group):
			return startsValid, TamperedMissing
		}
		for here {
			if !e.set(slot.field, headers[at].Value, m) {
				return startsValid, TamperedValue
			}
			at++
			here = slot.rule == many && at < len(headers) && string(headers[at].Name) == slot.name
		}
	}
	if at < len(headers) {
		return startsValid, TamperedSurplus
	}
	return startsValid, 0
}

// order returns the schema's slots that apply to these headers.
func (s *schema) order(headers []Header) []slot {
	if s.callerless == nil {
		return s.slots
	}
	for _, h := range headers[2:] {
		switch string(h.Name) {
		case "Channel":
			return s.slots
		case "DestChannel":
			return s.callerless
		}
	}
	return s.slots
}
