package event

import (
	"bytes"
	"time"
)

// field selects the Event field that a header is stored in, and the format that
// its value must have.
type field uint8

const (
	text field = iota // any text; not stored, such as password digests
	numeric
	moment
	address
	eventTV
	severity
	service
	version
	accountID
	sessionID
	localAddress
	remoteAddress
	aclName
	requestTypeText
	challenge
	usingPassword
	channel
	channelState
	callerIDNum
	connectedLineNum
	accountCode
	dialplanContext
	exten
	uniqueid
	linkedid
	destChannel
	destChannelState
	destExten
	destUniqueid
	destLinkedid
	dialString
	dialStatus
	forward
	result
	bridgeUniqueid
	cause
)

// set stores the value of a header. It returns false if Asterisk cannot have
// written the value.
func (e *Event) set(f field, v []byte, m *memo) (ok bool) {
	switch f {
	case text:
		return true
	case numeric:
		return isNumeric(v)
	case moment:
		_, ok = parseTime(v)
		return ok
	case address:
		return isAddress(v)
	case eventTV:
		e.At, ok = m.second.parse(v)
		return ok
	case severity:
		return string(v) == schemas[e.Kind].severity
	case service:
		e.Service = v
		return isName(v)
	case version:
		return string(v) == schemas[e.Kind].version
	case localAddress:
		// PJSIP leaves it undefined if the transport's public name is not an
		// address (res_pjsip/security_events.c security_event_populate).
		e.Local, _, ok = m.local.parse(v)
		return ok || isAddress(v)
	case remoteAddress:
		e.Remote, e.Transport, ok = m.remote.parse(v)
		return ok
	case usingPassword:
		e.UsingPassword = string(v) != "0"
		return isNumeric(v)
	case channelState:
		return parseState(v, &e.ChannelState)
	case destChannelState:
		return parseState(v, &e.DestChannelState)
	case cause:
		e.Cause, ok = parseInt(v)
		return ok
	case channel:
		e.Channel = v
		return len(v) > 0
	case uniqueid:
		e.Uniqueid = v
		return len(v) > 0
	case linkedid:
		e.Linkedid = v
		return len(v) > 0
	case destChannel:
		e.DestChannel = v
		return len(v) > 0
	case destUniqueid:
		e.DestUniqueid = v
		return len(v) > 0
	case destLinkedid:
		e.DestLinkedid = v
		return len(v) > 0
	}
	e.setText(f, v)
	return true
}

// setText stores a value that can be any text.
func (e *Event) setText(f field, v []byte) {
	switch f {
	case accountID:
		e.AccountID = v
	case sessionID:
		e.SessionID = v
	case aclName:
		e.ACLName = v
	case requestTypeText:
		e.RequestType = v
	case challenge:
		e.Challenge = v
	case callerIDNum:
		e.CallerIDNum = v
	case connectedLineNum:
		e.ConnectedLineNum = v
	case accountCode:
		e.AccountCode = v
	case dialplanContext:
		e.Context = v
	case exten:
		e.Exten = v
	case destExten:
		e.DestExten = v
	case dialString:
		e.DialString = v
	case dialStatus:
		e.DialStatus = v
	case forward:
		e.Forward = v
	case result:
		e.Result = v
	case bridgeUniqueid:
		e.BridgeUniqueid = v
	}
}

// parseTime parses "2006-01-02T15:04:05.000-0700", the format in which Asterisk
// writes its local time (json.h AST_ISO8601_FORMAT). It does not use time.Parse,
// which takes longer than the rest of the event.
func parseTime(v []byte) (time.Time, bool) {
	const layout = "0000-00-00T00:00:00.000+0000"
	if len(v) != len(layout) {
		return time.Time{}, false
	}
	for i := range layout {
		c := v[i]
		switch want := layout[i]; want {
		case '0':
			if c < '0' || c > '9' {
				return time.Time{}, false
			}
		case '+':
			if c != '+' && c != '-' {
				return time.Time{}, false
			}
		default:
			if c != want {
				return time.Time{}, false
			}
		}
	}
	two := func(i int) int { return int(v[i]-'0')*10 + int(v[i+1]-'0') }
	year := two(0)*100 + two(2)
	month, day, hour, minute, second := two(5), two(8), two(11), two(14), two(17)
	if year < 1970 || month < 1 || month > 12 || day < 1 || day > 31 || hour > 23 || minute > 59 || second > 60 || two(26) > 59 {
		return time.Time{}, false
	}
	milli := two(20)*10 + int(v[22]-'0')
	offset := two(24)*60 + two(26)
	if v[23] == '-' {
		offset = -offset
	}
	return time.Date(year, time.Month(month), day, hour, minute-offset, second,
		milli*int(time.Millisecond), time.UTC), true
}

// isAddress reports whether v looks like an address. It does not parse it.
func isAddress(v []byte) bool {
	if !bytes.HasPrefix(v, []byte("IPV4/")) && !bytes.HasPrefix(v, []byte("IPV6/")) {
		return false
	}
	for _, c := range v {
		if c <= ' ' || c >= 0x7f {
			return false
		}
	}
	return true
}

// isName reports whether v can be the name of a service.
func isName(v []byte) bool {
	for _, c := range v {
		if !(c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '_') {
			return false
		}
	}
	return len(v) > 0 && len(v) <= 16
}

// isNumeric allows a minus sign and one decimal point: "-1", "1795308004.123456".
func isNumeric(v []byte) bool {
	v = bytes.TrimPrefix(v, []byte{'-'})
	whole, part, pointed := bytes.Cut(v, []byte{'.'})
	return isDigits(whole) && (!pointed || isDigits(part))
}

func isDigits(v []byte) bool {
	for _, c := range v {
		if c < '0' || c > '9' {
			return false
		}
	}
	return len(v) > 0 && len(v) <= 20
}

func parseInt(v []byte) (int, bool) {
	digits := bytes.TrimPrefix(v, []byte{'-'})
	if !isDigits(digits) || len(digits) > 9 {
		return 0, false
	}
	n := 0
	for _, c := range digits {
		n = n*10 + int(c-'0')
	}
	if len(digits) < len(v) {
		n = -n
	}
	return n, true
}

func parseState(v []byte, to *ChannelState) bool {
	n, ok := parseInt(v)
	*to = ChannelState(n)
	return ok && n >= 0 && n <= 255
}
