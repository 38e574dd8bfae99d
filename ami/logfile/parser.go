package logfile

import (
	"bytes"
	"time"

	"github.com/tollwarden/tollwarden/ami/event"
)

// Finding is the kind of a Record.
type Finding uint8

// The findings.
const (
	// Seen means that Asterisk logged Event.
	Seen Finding = iota + 1
	// Tampered means that lines were forged. Event.Remote is the sender, if Asterisk's
	// own text shows it.
	Tampered
	// Blinded means that Asterisk failed to raise a security event.
	Blinded
)

// Record is one finding. The text of its event is valid only during the call of emit.
type Record struct {
	Finding  Finding
	At       time.Time // of the line; zero if it has no date
	Security bool      // from a SECURITY line
	Missed   bool      // written while no process followed the log
	Event    event.Event
}

// Counts counts the lines and findings of a Parser.
type Counts struct {
	Lines    uint64 // all lines
	Foreign  uint64 // lines that do not start like Asterisk's
	Undated  uint64 // lines with an unknown date format, which are ignored
	Seen     uint64
	Tampered uint64
	Blinded  uint64
}

// maxTorn bounds the distance from the start of a broken entry to its end, in bytes. It is
// longer than the names and the session that a sender can insert.
const maxTorn = 1024

// Parser parses the lines of one log in order. It is not safe for concurrent use.
type Parser struct {
	Clock  Clock
	Counts Counts
	// Comments makes the Parser skip lines that start with '#', which people add to log
	// collections. Asterisk writes no such lines.
	Comments bool
	// Missed is the value of Record.Missed for the next lines.
	Missed bool

	line   []byte // text of the held record
	record Record
	held   bool // record is held until the next line

	torn tornEntry

	// manager.c writes two lines if it rejects the name or address of a login: the
	// reason and the failure. rejected is the address and name in the first line.
	rejected []byte
}

// tornEntry is an entry that contains a sender's line feed.
type tornEntry struct {
	room      int // bytes within which it must end; 0 if there is no torn entry
	at        time.Time
	security  bool // from the security log
	hasSource bool // its end contains the genuine source
}

// Line parses the next line, without its line feed. A finding is passed to emit when the
// next line shows that it is complete.
func (p *Parser) Line(line []byte, emit func(*Record)) {
	p.Counts.Lines++
	if p.Comments && len(line) > 0 && line[0] == '#' {
		return
	}
	line = stripColour(line)
	e, ok := parseEntry(line)
	if ok && len(e.date) > 0 {
		if _, ok = p.Clock.Parse(e.date); !ok {
			p.Counts.Undated++
		}
	}
	if p.torn.room > 0 {
		p.continueTorn(line, emit)
		return
	}
	if !ok {
		p.Counts.Foreign++
		p.taint(line, emit)
		return
	}
	p.Flush(emit)
	p.read(line, &e)
}

// Flush emits the held finding. It is called if no further line has arrived for long
// enough.
func (p *Parser) Flush(emit func(*Record)) {
	if !p.held {
		return
	}
	p.held = false
	p.record.Event.Raw = p.line
	switch p.record.Finding {
	case Seen:
		p.Counts.Seen++
	case Tampered:
		p.Counts.Tampered++
	case Blinded:
		p.Counts.Blinded++
	}
	emit(&p.record)
}

// taint turns the held finding into tampering, because the line after it does not start
// like Asterisk's: one of the two is forged.
func (p *Parser) taint(line []byte, emit func(*Record)) {
	if !p.held || len(bytes.TrimSpace(line)) == 0 {
		return
	}
	p.record.Finding, p.record.Event = Tampered, event.Event{Kind: p.record.Event.Kind}
	p.appendLine(line)
	p.Flush(emit)
}

// read looks for a finding in a line of Asterisk's.
func (p *Parser) read(line []byte, e *entry) {
	switch string(e.level) {
	case "SECURITY":
		if !bytes.HasPrefix(e.message, []byte(securityOpening)) {
			return
		}
	case "NOTICE", "WARNING":
		if !mayBeNotice(e) {
			return
		}
	case "ERROR":
		if !bytes.HasPrefix(e.message, []byte("Failed to issue security event of type ")) {
			return
		}
		at, _ := p.Clock.Parse(e.date)
		p.line = append(p.line[:0], line...)
		p.hold(Record{Finding: Blinded, At: at})
		return
	default:
		return
	}
	p.line = append(p.line[:0], line...)
	own, _ := parseEntry(p.line)
	at, _ := p.Clock.Parse(own.date)
	r := Record{Finding: Seen, At: at}
	if string(own.level) == "SECURITY" {
		r.Security = true
		if parseSecurity(own.message, &r.Event) {
			p.hold(r)
			return
		}
		p.torn = tornEntry{room: maxTorn, at: at, security: true, hasSource: string(r.Event.Service) != "SIP"}
		return
	}
	switch notice, valid := parseNotice(own.file, own.message, &r.Event); {
	case !notice:
	case valid && p.isRepeat(&r.Event):
	case valid:
		p.hold(r)
	case bytes.Equal(r.Event.ACLName, aclExtension):
		p.torn = tornEntry{room: maxTorn, at: at}
	default:
		p.hold(Record{Finding: Tampered, At: at})
	}
}

// isRepeat reports whether a failed login is the second line of a rejected one.
func (p *Parser) isRepeat(e *event.Event) bool {
	if !bytes.Equal(e.Service, serviceAMI) {
		return false
	}
	login := append(e.Remote.Addr().AppendTo(nil), e.AccountID...)
	if e.Kind != event.InvalidPassword {
		p.rejected = login
		return false
	}
	repeat := bytes.Equal(p.rejected, login)
	p.rejected = nil
	return repeat
}

// mayBeNotice is a cheap check for messages that parseNotice may recognise.
func mayBeNotice(e *entry) bool {
	if len(e.message) == 0 {
		return false
	}
	return bytes.HasSuffix(e.file, []byte(".c")) || bytes.HasPrefix(e.file, []byte("Ext. "))
}

// appendLine appends a line to the text of the held or torn entry. It invalidates the byte
// slices of its event.
func (p *Parser) appendLine(line []byte) {
	p.line = append(append(p.line, '\n'), line...)
}

func (p *Parser) hold(r Record) {
	r.Missed = p.Missed
	p.record, p.held = r, true
}

// continueTorn handles the lines after the start of a torn entry. No line is accepted
// before the end of the entry.
func (p *Parser) continueTorn(line []byte, emit func(*Record)) {
	p.Flush(emit)
	p.appendLine(line)
	r := Record{Finding: Tampered, At: p.torn.at, Security: p.torn.security}
	over := false
	if p.torn.security {
		over = tornSource(line, &r.Event)
	} else {
		over = callEnds(line)
	}
	p.torn.room -= len(line) + 1
	if !over && p.torn.room > 0 {
		return
	}
	if !over || !p.torn.hasSource {
		r.Event = event.Event{}
	}
	p.torn = tornEntry{}
	p.hold(r)
}
