package logfile

import "bytes"

// Trust is who can have written the lines of a log.
type Trust uint8

// Who can have written a line.
const (
	// Asterisk alone, into a file of its own.
	Own Trust = iota
	// LocalUsers: a line of syslog or of the journal is of whatever program sent it under
	// Asterisk's name.
	LocalUsers
	// Anyone: what Asterisk shows at its console becomes lines at each line feed, also at
	// one in a caller's name.
	Anyone
)

// Within this many bytes after a line, what looks like further lines may be text of its
// sender. A sender's text is shorter: at most 255 bytes of IAX2, 256 of chan_sip.
const carriedWithin = 768

// carrier is the length of the longest line that a text of an entry may bring with it, 0 if
// none: names and numbers of chan_iax2 and chan_sip, which a sender chose, may contain line
// feeds, and are long enough for a whole line. Those of other modules are cut off after 79
// bytes. chan_iax2 writes two in a row, as number@context.
func carrier(e *entry) int {
	switch string(base(e.file)) {
	case "chan_iax2.c":
		return carriedWithin
	case "chan_sip.c":
		return 256
	}
	return 0
}

// carry notes that further lines of up to so many bytes may be a sender's text.
func (p *Parser) carry(longest int) {
	if p.carried == 0 {
		p.longest = 0
	}
	p.carried, p.longest = carriedWithin, max(p.longest, longest)
}

// console decides whether lines without a prefix were copied from Asterisk's console, where
// messages without a date stand between its entries.
type console struct {
	entries, others uint
	dated           bool // an entry had a date, so that all have one
}

// shows reports whether the log is a console's.
func (c *console) shows() bool { return c.others >= 2 && c.others*10 >= c.entries }

// isConsoleText reports whether a line is one that Asterisk's console shows besides the log:
// VERBOSE_PREFIX of logger.h, after a date with the option -T.
func isConsoleText(v []byte) bool {
	if _, rest, dated := cutBracketed(v); dated {
		v = rest
	}
	n := 0
	for n < len(v) && v[n] == ' ' {
		n++
	}
	v = v[n:]
	if n < 2 || n > 9 || len(v) < 2 {
		return false
	}
	return string(v[:2]) == "--" || string(v[:2]) == "==" || string(v[:2]) == "> "
}

// isOpening reports whether a line is the one that Asterisk writes into a log that it opens,
// up to its end: no sender's text ends like this, since Asterisk's own follows it.
func isOpening(v []byte) bool {
	_, rest, dated := cutBracketed(v)
	return dated && bytes.HasPrefix(rest, []byte(" Asterisk ")) && bytes.Contains(rest, []byte(" built by ")) && bytes.HasSuffix(rest, []byte(" UTC"))
}
