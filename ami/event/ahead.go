package event

import "bytes"

// maxAhead bounds the lines that are read ahead.
const maxAhead = 256

// severed says whether what follows a security event of chan_sip is the rest of
// it: a stranger has ended it in the middle, with addresses of his own. The rest
// holds the RemoteAddress that Asterisk wrote and does not begin as security
// events do, forged ones of Asterisk's own included, unless he had the room to
// write that, too. Both halves take 270 bytes as he has to
// write them, percent-encoded, and chan_sip reads 256 of a REGISTER's To
// (register_verify). Asterisk writes an event at once, so that its rest comes with
// it; where it does not, nothing is said. PJSIP lets 36 bytes through, which is
// not enough for the one half.
func (p *Parser) severed(rest []byte) bool {
	rest = bytes.TrimLeft(rest, "\r\n")
	next, _, whole := bytes.Cut(rest, []byte("\r\n\r\n"))
	if !whole {
		return false
	}
	p.lines = p.lines[:0]
	signed := false
	for len(next) > 0 && len(p.lines) < maxAhead {
		var line []byte
		line, next, _ = bytes.Cut(next, []byte("\r\n"))
		name, value, _ := bytes.Cut(line, []byte{':'})
		p.lines = append(p.lines, Header{name, bytes.TrimPrefix(value, []byte{' '})})
		signed = signed || string(name) == "RemoteAddress"
	}
	if !signed {
		return false
	}
	p.next = Event{}
	sound, _, _ := p.next.read(&Block{Headers: p.lines}, &p.ahead)
	return !sound
}
