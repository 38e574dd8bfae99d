package event

import "bytes"

// maxLookahead bounds the lines that are read ahead.
const maxLookahead = 256

// splitEarly reports whether rest, the bytes that follow a chan_sip security
// event, is the second half of that event: the sender ended the event early and
// supplied the addresses in the first half.
//
// The second half contains the RemoteAddress that Asterisk wrote, and does not
// start like a security event. To hide it, the sender would have to write the end
// of one event and the start of another. Percent-encoded, that takes 270 bytes,
// and chan_sip reads only 256 bytes of the To header of a REGISTER
// (register_verify). PJSIP passes 36 bytes, too few even for the first half.
//
// Asterisk writes an event in one go, so both halves arrive together. If they do
// not, splitEarly returns false.
func (p *Parser) splitEarly(rest []byte) bool {
	rest = bytes.TrimLeft(rest, "\r\n")
	next, _, complete := bytes.Cut(rest, []byte("\r\n\r\n"))
	if !complete {
		return false
	}
	p.lines = p.lines[:0]
	hasSource := false
	for len(next) > 0 && len(p.lines) < maxLookahead {
		var line []byte
		line, next, _ = bytes.Cut(next, []byte("\r\n"))
		name, value, _ := bytes.Cut(line, []byte{':'})
		p.lines = append(p.lines, Header{name, bytes.TrimPrefix(value, []byte{' '})})
		hasSource = hasSource || string(name) == "RemoteAddress"
	}
	if !hasSource {
		return false
	}
	p.next = Event{}
	startsValid, _, _ := p.next.read(&Block{Headers: p.lines}, &p.nextMemo)
	return !startsValid
}
