package logfile

import (
	"bytes"

	"github.com/tollwarden/tollwarden/ami/event"
)

const securityOpening = `SecurityEvent="`

// securityKinds are the security events by name.
var securityKinds = func() map[string]event.Kind {
	kinds := map[string]event.Kind{}
	for _, k := range event.Kinds() {
		if k.Security() {
			kinds[k.String()] = k
		}
	}
	return kinds
}()

// parseSecurity reads an entry of the security log (res_security_log.c):
//
//	SecurityEvent="…",EventTV="…",Severity="…",Service="…",EventVersion="…",
//	AccountID="…",SessionID="…",LocalAddress="…",RemoteAddress="…"[,Name="…"]
//
// Nothing in it is escaped. AccountID and SessionID can hold anything; what
// follows RemoteAddress holds strangers' text, too, but no quote that was not
// escaped by its sender (a quoted string of a SIP header) or that would leave
// room for two addresses (AMI's RequestType, 63 bytes). So the last two
// addresses that stand side by side are Asterisk's.
//
// whole is false when the entry breaks off.
func parseSecurity(m []byte, e *event.Event) (whole bool) {
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

// readNames reads AccountID, which RequestBadFormat has not, and SessionID.
// Which of them a stranger's quotes belong to cannot be told, and does not
// matter: both are his.
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

// readExtras reads what follows the addresses.
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

// cutPair cuts Name="value" and the comma behind it off. The value ends at the
// first quote without a backslash before it. Without a pair the name is nil,
// and nothing is left.
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

// quoteEnd is where the first quote without a backslash before it stands.
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

// lastAddresses finds the last LocalAddress and RemoteAddress that stand side
// by side, what is before them, and the tail behind. before is nil when there
// are none.
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

// tornSource is the source that stands in the last line of an entry that was
// broken within its AccountID: SessionID, LocalAddress and RemoteAddress in a
// row, up to the end. With chan_sip there is none, since its account names
// have room for a row of their own.
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
