package logfile

import (
	"bytes"

	"github.com/tollwarden/tollwarden/ami/event"
)

const securityOpening = `SecurityEvent="`

// securityKinds maps the names of security events to their kinds.
var securityKinds = func() map[string]event.Kind {
	kinds := map[string]event.Kind{}
	for _, k := range event.Kinds() {
		if k.Security() {
			kinds[k.String()] = k
		}
	}
	return kinds
}()

// parseSecurity parses an entry of the security log (res_security_log.c):
//
//	SecurityEvent="…",EventTV="…",Severity="…",Service="…",EventVersion="…",
//	AccountID="…",SessionID="…",LocalAddress="…",RemoteAddress="…"[,Name="…"]
//
// Nothing in it is escaped. AccountID and SessionID can contain anything. The text after
// RemoteAddress also comes from the sender, but it is either a quoted string of a SIP
// header, in which quotes are escaped, or too short for two addresses (AMI's RequestType,
// 63 bytes). So the last two adjacent addresses are genuine.
//
// complete is false if the entry is cut off.
func parseSecurity(m []byte, e *event.Event) (complete bool) {
	*e = event.Event{}
	rest := m
	var name, value []byte
	for _, want := range []string{"SecurityEvent", "EventTV", "Severity", "Service", "EventVersion"} {
		if name, value, rest = cutPair(rest); string(name) != want {
			return false
		}
		switch want {
		case "SecurityEvent":
			e.Kind = securityKinds[string(value)]
		case "Service":
			e.Service = value
		}
	}
	local, remote, tail, before := lastAddresses(rest)
	if before == nil || e.Kind == event.NoEvent {
		return false
	}
	var ok bool
	if e.Local, _, ok = event.ParseAddress(local); !ok {
		return false
	}
	if e.Remote, e.Transport, ok = event.ParseAddress(remote); !ok {
		return false
	}
	return readNames(before, e) && readExtras(tail, e)
}

// readNames parses AccountID, which RequestBadFormat does not have, and SessionID. If the
// sender included quotes, the boundary between them is ambiguous. That does not matter,
// because the sender controls both.
func readNames(v []byte, e *event.Event) bool {
	if account, found := bytes.CutPrefix(v, []byte(`AccountID="`)); found {
		if e.AccountID, e.SessionID, found = bytes.Cut(account, []byte(`",SessionID="`)); !found {
			return false
		}
		return true
	}
	session, found := bytes.CutPrefix(v, []byte(`SessionID="`))
	e.SessionID = session
	return found
}

// readExtras parses the fields after the addresses.
func readExtras(tail []byte, e *event.Event) bool {
	if len(tail) == 0 {
		return true
	}
	if tail[0] != ',' || tail[len(tail)-1] != '"' || len(tail) < len(`,A=""`) {
		return false
	}
	rest := tail[1:]
	var name, value []byte
	for len(rest) > 0 {
		switch name, value, rest = cutPair(rest); string(name) {
		case "ACLName":
			e.ACLName = value
		case "RequestType":
			e.RequestType = value
		case "Challenge":
			e.Challenge = value
		case "UsingPassword":
			e.UsingPassword = string(value) == "1"
		case "AccountID":
			e.AccountID = value
		}
	}
	return true
}

// cutPair cuts off Name="value" and the comma after it. The value ends at the first quote
// that is not escaped by a backslash. If there is no pair, all results are nil.
func cutPair(v []byte) (name, value, rest []byte) {
	name, after, found := bytes.Cut(v, []byte(`="`))
	if !found {
		return nil, nil, nil
	}
	end := quoteEnd(after)
	if end < 0 {
		return nil, nil, nil
	}
	return name, after[:end], bytes.TrimPrefix(after[end+1:], []byte{','})
}

// quoteEnd returns the index of the first unescaped quote, or -1.
func quoteEnd(v []byte) int {
	escaped := false
	for i, c := range v {
		switch {
		case escaped:
			escaped = false
		case c == '\\':
			escaped = true
		case c == '"':
			return i
		}
	}
	return -1
}

// lastAddresses returns the last adjacent LocalAddress and RemoteAddress, and the text
// before and after them. before is nil if there are none.
func lastAddresses(v []byte) (local, remote, tail, before []byte) {
	const opening, middle = `",LocalAddress="`, `",RemoteAddress="`
	at := bytes.LastIndex(v, []byte(opening))
	if at < 0 {
		return nil, nil, nil, nil
	}
	local, after, found := bytes.Cut(v[at+len(opening):], []byte(middle))
	if !found {
		return nil, nil, nil, nil
	}
	if remote, tail, found = bytes.Cut(after, []byte{'"'}); !found {
		return nil, nil, nil, nil
	}
	return local, remote, tail, v[:at]
}

// tornSource finds the source in the last line of an entry whose AccountID contains a
// line feed: SessionID, LocalAddress and RemoteAddress in a row up to the end. It must not
// be used for chan_sip, whose account names are long enough to contain such a row.
func tornSource(line []byte, e *event.Event) bool {
	local, remote, tail, before := lastAddresses(line)
	if before == nil || !bytes.Contains(before, []byte(`",SessionID="`)) {
		return false
	}
	if _, _, ok := event.ParseAddress(local); !ok {
		return false
	}
	source, transport, ok := event.ParseAddress(remote)
	if !ok || !readExtras(tail, &event.Event{}) {
		return false
	}
	e.Remote, e.Transport = source, transport
	return true
}
