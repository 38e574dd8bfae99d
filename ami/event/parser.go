package event

import (
	"errors"
	"net/netip"
)

var (
	// ErrUnknown reports a block that is no event that is read, such as the
	// answer to an action. It says nothing bad of the block.
	ErrUnknown = errors.New("ami: not an event that is read")
	// ErrTampered reports a block that is not exactly what Asterisk writes. It
	// must not be read for its meaning. The error is a Tampering.
	ErrTampered = errors.New("ami: a block that Asterisk did not write so")
)

// Tampering is why a block is not believed. It is an error that is ErrTampered
// and holds nothing of the block.
type Tampering uint8

// The reasons, each of which stands for one defect found first.
const (
	TamperedFraming  Tampering = iota + 1 // Block.Damage is not Undamaged
	TamperedHeadless                      // it begins with neither Event nor Response
	TamperedClass                         // Privilege is not the event's
	TamperedMissing                       // a required header is not in its place, or another one is
	TamperedSurplus                       // a header that is double, unknown or out of order
	TamperedValue                         // a value that Asterisk cannot have written
	tamperings
)

var tamperingNames = [tamperings]string{
	"", "framing", "headless", "class", "missing header", "surplus header", "value",
}

// String names the reason.
func (t Tampering) String() string {
	if t < tamperings {
		return tamperingNames[t]
	}
	return "unknown"
}

// Error names the reason and quotes nothing.
func (t Tampering) Error() string { return "ami: tampered block: " + t.String() }

// Is makes every Tampering an ErrTampered.
func (t Tampering) Is(target error) bool { return target == ErrTampered }

// Parser reads the blocks of one connection as events. It is for one goroutine.
// The zero value is ready.
type Parser struct {
	// torn is set from a security event that was refused after a sound
	// beginning until the SessionID, LocalAddress and RemoteAddress that
	// Asterisk wrote at its end have come.
	torn bool
	tail tail
	memo memo

	// What severed reads into.
	next  Event
	lines []Header
	ahead memo
}

// tail is the end of a torn security event.
type tail struct {
	remote    netip.AddrPort
	transport Transport
	found     bool
}

// Parse reads a block into e, which it empties first. The error is ErrUnknown,
// or a Tampering, which is ErrTampered; e is then of no use. It allocates
// nothing.
func (p *Parser) Parse(b *Block, e *Event) error {
	*e = Event{}
	sound, refused, known := e.read(b, &p.memo)
	if e.chanSIP() && p.severed(b.Rest) {
		known, refused, sound = true, TamperedFraming, true
		b = &Block{} // its addresses are the stranger's, too
	}
	if known && refused == 0 {
		p.torn, p.tail = false, tail{}
		e.Raw = b.Raw
		return nil
	}
	p.torn = p.torn || sound
	p.follow(b)
	if !known && p.tail.found {
		refused = TamperedHeadless // what a stranger began, with a real end
	}
	kind := e.Kind
	*e = Event{}
	if refused != 0 {
		e.Kind = kind
		return refused
	}
	return ErrUnknown
}

// TrueSource tells where the tampering came from that Parse has just refused a
// block for: the RemoteAddress that Asterisk itself wrote at the end of the torn
// security event, which can be some blocks after the first refused one. It says
// no when there is none, as for channel events. It is as certain as the
// RemoteAddress of a sound event from the same transport, and with chan_sip it
// can be forged altogether (Event.Proven).
//
// It wants SessionID, LocalAddress and RemoteAddress in a row, after a security
// event with a sound beginning: the last RemoteAddress alone would be the
// stranger's own when he ends the block with it.
func (p *Parser) TrueSource() (netip.AddrPort, Transport, bool) {
	return p.tail.remote, p.tail.transport, p.tail.found
}

// follow looks for the end of a torn security event in a block.
func (p *Parser) follow(b *Block) {
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

// read says whether the block is known to be an event that is read, or one that
// should be, and why it is refused. It is sound when it is a security event that
// keeps its schema up to SessionID, whatever follows.
func (e *Event) read(b *Block, m *memo) (sound bool, refused Tampering, known bool) {
	if len(b.Headers) == 0 {
		return false, TamperedHeadless, true
	}
	switch string(b.Headers[0].Name) {
	case "Event":
		e.Kind = kindOf(b.Headers[0].Value)
	case "Response":
	default:
		refused, known = TamperedHeadless, true
	}
	if e.Kind != NoEvent {
		known = true
		sound, refused = e.match(b.Headers, m)
	}
	if b.Damage != Undamaged {
		return sound, TamperedFraming, true
	}
	return sound, refused, known
}

// match walks the event's schema and the headers side by side.
func (e *Event) match(headers []Header, m *memo) (sound bool, refused Tampering) {
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
		sound = sound || slot.field == sessionID
		here := at < len(headers) && string(headers[at].Name) == slot.name
		switch {
		case slot.rule == opens:
			group = here
		case slot.rule == within && here && !group:
			return sound, TamperedSurplus
		case !here && (slot.rule == once || slot.rule == within && group):
			return sound, TamperedMissing
		}
		for here {
			if !e.set(slot.field, headers[at].Value, m) {
				return sound, TamperedValue
			}
			at++
			here = slot.rule == many && at < len(headers) && string(headers[at].Name) == slot.name
		}
	}
	if at < len(headers) {
		return sound, TamperedSurplus
	}
	return sound, 0
}

// order is the schema's order of headers for these.
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
