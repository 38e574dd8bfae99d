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
	At       time.Time // of the line, or of the last one with a date; zero if there was none, or it was just written
	Security bool      // from a SECURITY line
	Missed   bool      // written while no process followed the log
	Doubtful bool      // others than Asterisk can have written it: see Trust

	carried bool // it may be part of a sender's text
	Event   event.Event
}

// Counts counts the lines and findings of a Parser.
type Counts struct {
	Lines    uint64 // all lines
	Entries  uint64 // of Asterisk's logger, with a known date or none
	Others   uint64 // of other programs, or shown by Asterisk's console besides the log
	Foreign  uint64 // in no known form
	Undated  uint64 // of Asterisk's logger, with an unknown date format, which are ignored
	Doubtful uint64 // of Entries, those that others than Asterisk can have written
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
	// Tags are names under which syslog, the journal or a container has Asterisk's lines,
	// besides the usual ones.
	Tags []string
	// Comments makes the Parser skip lines that start with '#', which people add to log
	// collections. Asterisk writes no such lines.
	Comments bool
	// Missed is the value of Record.Missed for the next lines.
	Missed bool
	// Sample is the beginning of the first line in no known form.
	Sample string

	unwrapper unwrapper
	pieces    [2][]byte // lines in pieces, by stream

	line   []byte // the lines of the held record
	text   []byte // Asterisk's text in them
	record Record
	times  int  // how often the record was logged
	held   bool // record is held until the next line
	whole  bool // the held record is complete, whatever follows

	torn    tornEntry
	last    time.Time // of the last line with a date
	form    form      // of the last entry
	carried int       // the next bytes may be a sender's text
	longest int       // line in that text
	brought int       // the next bytes may be text that an entry of Asterisk's brought with it
	console console
	doubted Trust // the widest of the entries so far

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

// maxSample bounds Parser.Sample.
const maxSample = 120

// Line parses the next line, without its line feed. A finding is passed to emit when the
// next line shows that it is complete. The line may be changed.
func (p *Parser) Line(line []byte, emit func(*Record)) {
	p.Counts.Lines++
	if p.Comments && len(line) > 0 && line[0] == '#' {
		return
	}
	line = stripColour(line)
	p.unwrapper.tags, p.unwrapper.stamps.clock = p.Tags, &p.Clock
	w := p.unwrapper.unwrap(line)
	if w.form == formContainer {
		var whole bool
		if w.text, whole = p.join(&w); !whole {
			return
		}
	}
	carried, brought := p.carried > 0, p.brought > 0
	p.carried, p.brought = max(0, p.carried-len(line)-1), max(0, p.brought-len(line)-1)
	undated := p.Counts.Undated
	e, at, ok := p.entry(&w)
	if p.torn.room > 0 {
		if w.ours {
			p.continueTorn(w.text, emit)
		} else {
			p.Counts.Others++
		}
		return
	}
	if !ok {
		p.notEntry(&w, line, p.Counts.Undated > undated || brought, emit)
		return
	}
	p.Flush(emit)
	trust := p.trust(&w, &e)
	p.Counts.Entries++
	if trust != Own {
		p.Counts.Doubtful++
	}
	if w.form != p.form && p.Counts.Entries > 1 {
		p.carry(carriedWithin) // one of the two may be forged
		carried = true
	}
	if w.form == formBare && p.Clock.others > 0 {
		carried = true // its date is not in the usual format: perhaps a short one, to fit into a name
	}
	p.form = w.form
	p.read(line, &w, &e, Record{At: at, Doubtful: trust != Own, carried: carried})
	if n := carrier(&e); n > 0 {
		p.carry(n)
		p.brought = carriedWithin
	}
}

// join joins a line that a container's runtime cut into pieces.
func (p *Parser) join(w *wrapped) (text []byte, whole bool) {
	stream := 0
	if w.stderr {
		stream = 1
	}
	piece := &p.pieces[stream]
	if !w.partial && len(*piece) == 0 {
		return w.text, true
	}
	if len(*piece)+len(w.text) <= longestLine {
		*piece = append(*piece, w.text...)
	}
	if w.partial {
		return nil, false
	}
	text, *piece = *piece, (*piece)[:0]
	return text, true
}

// entry returns the entry in a line, and its time. ok is false if it is none of Asterisk's
// logger.
func (p *Parser) entry(w *wrapped) (e entry, at time.Time, ok bool) {
	if !w.ours {
		return e, at, false
	}
	e, ok = w.entry, len(w.entry.level) > 0
	if !ok {
		e, ok = parseEntry(w.text)
	}
	if !ok {
		return e, at, false
	}
	if w.form == formBare {
		if len(e.date) == 0 && p.console.dated {
			return e, at, false // no line of this log
		}
		p.console.entries++
		p.console.dated = p.console.dated || len(e.date) > 0
	}
	at, ok = p.date(w, &e)
	return e, at, ok
}

// date is the time of an entry: a date with a time zone, then Asterisk's own, then that of
// the last line with one. ok is false if the entry has a date, but none can be read.
func (p *Parser) date(w *wrapped, e *entry) (at time.Time, ok bool) {
	switch at, ok = w.at, true; {
	case w.zoned:
	case len(e.date) > 0:
		own, known := p.Clock.Parse(e.date)
		if known {
			at = own
		} else if at.IsZero() {
			p.Counts.Undated++
			return at, false
		}
	}
	if at.IsZero() {
		if p.Clock.Follows {
			return at, true // of now
		}
		return p.last, true
	}
	if !p.Clock.tooLate(at) {
		p.last = at
	}
	return at, true
}

// trust is who can have written an entry.
func (p *Parser) trust(w *wrapped, e *entry) (t Trust) {
	switch {
	case w.form == formLogger:
	case w.form == formContainer:
		t = Anyone
	case e.layout == layoutSyslog:
		t = LocalUsers
	case w.form == formSyslog, e.layout == layoutConsole && p.console.shows():
		t = Anyone
	}
	p.doubted = max(p.doubted, t)
	return t
}

// Trust is who can have written the log so far. A few lines do not decide it: an attacker may
// have forged them.
func (p *Parser) Trust() Trust {
	if p.Counts.Doubtful*10 <= p.Counts.Entries {
		return Own
	}
	return p.doubted
}

// notEntry handles a line that is none of Asterisk's logger, or whose date is unknown. known
// says that the line shows nothing about whose log this is: it is counted as undated, or may
// be a sender's, who would make the log look like another program's.
func (p *Parser) notEntry(w *wrapped, line []byte, known bool, emit func(*Record)) {
	blank := len(bytes.TrimSpace(w.text)) == 0
	shown := w.ours && isConsoleText(w.text)
	opening := w.ours && isOpening(w.text)
	if shown && w.form == formBare {
		p.console.others++
	}
	switch {
	case blank, known:
	case !w.ours, w.form != formBare, shown, opening:
		p.Counts.Others++
	default:
		p.Counts.Foreign++
		if p.Sample == "" {
			p.Sample = string(line[:min(len(line), maxSample)])
		}
	}
	if blank || !p.held {
		if !blank && !opening {
			p.carry(carriedWithin)
		}
		return
	}
	if p.whole || opening || w.form != formBare && p.form != formBare || p.record.Doubtful && p.console.shows() {
		p.Flush(emit)
		return
	}
	p.carry(carriedWithin)
	p.taint(line, emit)
}

// IsEntry reports whether a line starts like one of Asterisk's logger, whatever stands before
// it. The line may be changed.
func (p *Parser) IsEntry(line []byte) bool {
	p.unwrapper.tags, p.unwrapper.stamps.clock = p.Tags, &p.Clock
	w := p.unwrapper.unwrap(stripColour(line))
	return w.ours && (len(w.entry.level) > 0 || IsEntry(w.text))
}

// Flush emits the held finding. It is called if no further line has arrived for long
// enough.
func (p *Parser) Flush(emit func(*Record)) {
	if !p.held {
		return
	}
	p.held = false
	p.record.Event.Raw = p.line
	for range max(p.times, 1) {
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
}

// taint turns the held finding into tampering, because the line after it does not start
// like Asterisk's: one of the two is forged.
func (p *Parser) taint(line []byte, emit func(*Record)) {
	p.record.Finding, p.record.Event, p.times = Tampered, event.Event{Kind: p.record.Event.Kind}, 0
	p.appendLine(line)
	p.Flush(emit)
}

// read looks for a finding in a line of Asterisk's.
func (p *Parser) read(line []byte, w *wrapped, e *entry, r Record) {
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
		p.line = append(p.line[:0], line...)
		r.Finding = Blinded
		p.hold(r, w)
		return
	default:
		return
	}
	p.line = append(p.line[:0], line...)
	p.text = append(append(p.text[:0], e.file...), e.message...)
	file, message := p.text[:len(e.file)], p.text[len(e.file):]
	r.Finding = Seen
	if string(e.level) == "SECURITY" {
		p.readSecurity(message, w, r)
		return
	}
	switch notice, valid := parseNotice(file, message, &r.Event); {
	case !notice:
	case valid && p.isRepeat(&r.Event):
	case valid:
		p.hold(r, w)
	case bytes.Equal(r.Event.ACLName, aclExtension) && w.form != formLogger:
		p.torn = tornEntry{room: maxTorn, at: r.At}
	default:
		p.hold(Record{Finding: Tampered, At: r.At, Doubtful: r.Doubtful}, w)
	}
}

// readSecurity reads an entry of the security log. A success that others can have written
// is none: it would make their address one of the account's, and spare it.
func (p *Parser) readSecurity(message []byte, w *wrapped, r Record) {
	r.Security = true
	switch complete := parseSecurity(message, &r.Event); {
	case complete && r.Event.Kind == event.SuccessfulAuth && (r.Doubtful || r.carried && len(p.line) <= p.longest):
	case complete:
		p.hold(r, w)
	case w.form == formLogger:
		p.hold(Record{Finding: Tampered, At: r.At, Security: true, Doubtful: r.Doubtful}, w)
	default:
		p.torn = tornEntry{room: maxTorn, at: r.At, security: true, hasSource: string(r.Event.Service) != "SIP"}
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

func (p *Parser) hold(r Record, w *wrapped) {
	r.Missed = p.Missed
	r.Event.Doubtful = r.Doubtful || r.carried
	p.record, p.held, p.whole, p.times = r, true, w.form == formLogger, w.times
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
	p.carry(carriedWithin)
	p.hold(r, &wrapped{form: p.form})
}
