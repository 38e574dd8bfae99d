package logfile

import (
	"bytes"
	"time"

	"github.com/tollwarden/tollwarden/ami/event"
)

// Finding is what a line tells.
type Finding uint8

// What can be found.
const (
	// Seen: Event is what Asterisk says.
	Seen Finding = iota + 1
	// Tampered: lines that Asterisk did not write so. Event.Remote is their
	// sender, where Asterisk's own words tell it.
	Tampered
	// Blinded: Asterisk says that it could not issue a security event.
	Blinded
)

// Record is one finding. Its event's text is valid until the function it is
// passed to returns.
type Record struct {
	Finding  Finding
	At       time.Time // of the line; the zero time when it has none
	Security bool      // it stands in a SECURITY line
	Missed   bool      // it was written while nobody read the log
	Event    event.Event
}

// Counts is what a Parser has read.
type Counts struct {
	Lines    uint64 // all of them
	Foreign  uint64 // that do not begin as a line of Asterisk's
	Undated  uint64 // with a date that is not understood; they are not believed
	Seen     uint64
	Tampered uint64
	Blinded  uint64
}

// tornRoom is how far the end of a broken entry may be from its beginning:
// longer than the names and the session that a stranger can put in between.
const tornRoom = 1024

// Parser reads the lines of one log in their order. It has no lock.
type Parser struct {
	Clock  Clock
	Counts Counts
	// Comments passes over lines that begin with '#', which a person has put
	// into a collection. Asterisk writes none.
	Comments bool
	// Missed is what Record.Missed is to be of the lines that come.
	Missed bool

	line   []byte // the held record's own memory
	record Record
	held   bool // record waits for the next line

	torn tear

	// manager.c writes two lines of a login whose name or address it refuses:
	// the reason, and that it failed. refused is who has had the first.
	refused []byte
}

// tear is an entry that a stranger's line feed has broken.
type tear struct {
	room     int // bytes within which it must end; 0: none is broken
	at       time.Time
	security bool // it is an entry of the security log
	told     bool // its end tells its source
}

// Line takes the next line, without its line feed. What it finds is passed to
// emit when the line behind it shows that it is whole.
func (p *Parser) Line(line []byte, emit func(*Record)) {
	p.Counts.Lines++
	if p.Comments && len(line) > 0 && line[0] == '#' {
		return
	}
	line = uncolour(line)
	e, ok := parseEntry(line)
	if ok && len(e.date) > 0 {
		if _, ok = p.Clock.Parse(e.date); !ok {
			p.Counts.Undated++
		}
	}
	if p.torn.room > 0 {
		p.mend(line, emit)
		return
	}
	if !ok {
		p.Counts.Foreign++
		p.doubt(line, emit)
		return
	}
	p.Flush(emit)
	p.read(line, &e)
}

// Flush passes on what waits for the next line, when none has come for long
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

// doubt makes what is held tampering, for a line that Asterisk did not begin
// follows it: one of the two is a stranger's.
func (p *Parser) doubt(line []byte, emit func(*Record)) {
	if !p.held || len(bytes.TrimSpace(line)) == 0 {
		return
	}
	p.record.Finding, p.record.Event = Tampered, event.Event{Kind: p.record.Event.Kind}
	p.more(line)
	p.Flush(emit)
}

// read looks for something in a line of Asterisk's.
func (p *Parser) read(line []byte, e *entry) {
	switch string(e.level) {
	case "SECURITY":
		if !bytes.HasPrefix(e.message, []byte(securityOpening)) {
			return
		}
	case "NOTICE", "WARNING":
		if !promising(e) {
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
		p.torn = tear{room: tornRoom, at: at, security: true, told: string(r.Event.Service) != "SIP"}
		return
	}
	switch notice, sound := parseNotice(own.file, own.message, &r.Event); {
	case !notice:
	case sound && p.again(&r.Event):
	case sound:
		p.hold(r)
	case bytes.Equal(r.Event.ACLName, aclExtension):
		p.torn = tear{room: tornRoom, at: at}
	default:
		p.hold(Record{Finding: Tampered, At: at})
	}
}

// again says whether a login that failed is one whose reason was told before.
func (p *Parser) again(e *event.Event) bool {
	if !bytes.Equal(e.Service, serviceAMI) {
		return false
	}
	who := append(e.Remote.Addr().AppendTo(nil), e.AccountID...)
	if e.Kind != event.InvalidPassword {
		p.refused = who
		return false
	}
	told := bytes.Equal(p.refused, who)
	p.refused = nil
	return told
}

// promising says whether a message can be one that is read, cheaply.
func promising(e *entry) bool {
	if len(e.message) == 0 {
		return false
	}
	return bytes.HasSuffix(e.file, []byte(".c")) || bytes.HasPrefix(e.file, []byte("Ext. "))
}

// more adds a line to the text of what is held or torn. Views of its event end
// here.
func (p *Parser) more(line []byte) {
	p.line = append(append(p.line, '\n'), line...)
}

func (p *Parser) hold(r Record) {
	r.Missed = p.Missed
	p.record, p.held = r, true
}

// mend takes the lines behind a broken entry, of which none is believed until
// its end.
func (p *Parser) mend(line []byte, emit func(*Record)) {
	p.Flush(emit)
	p.more(line)
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
	if !over || !p.torn.told {
		r.Event = event.Event{}
	}
	p.torn = tear{}
	p.hold(r)
}
