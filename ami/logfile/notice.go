package logfile

import (
	"bytes"

	"github.com/tollwarden/tollwarden/ami/event"
)

var (
	servicePJSIP = []byte("PJSIP")
	serviceSIP   = []byte("SIP")
	serviceIAX   = []byte("IAX2")
	serviceAMI   = []byte("AMI")

	aclExtension = []byte("no_extension_match")
	aclDialplan  = []byte("dialplan")
)

// reasonKind maps a reason in a message to the kind of event.
type reasonKind struct {
	reason string
	kind   event.Kind
}

// The reasons of res_pjsip_distributor.c log_failed_request.
var pjsipReasons = []reasonKind{
	{"Failed to authenticate", event.ChallengeResponseFailed},
	{"No matching endpoint found", event.InvalidAccountID},
	{"Not match Endpoint ACL", event.FailedACL},
	{"Not match Endpoint Contact ACL", event.FailedACL},
	{"Error to authenticate", event.ChallengeResponseFailed},
}

// The reasons of chan_sip.c handle_request_register, with the security events that it
// raises for them (channels/sip/security_events.c).
var sipReasons = []reasonKind{
	{"Wrong password", event.InvalidPassword},
	{"No matching peer found", event.InvalidAccountID},
	{"Username/auth name mismatch", event.ChallengeResponseFailed},
	{"Not a local domain", event.FailedACL},
	{"Device does not match ACL", event.FailedACL},
	{"Peer is not supposed to register", event.FailedACL},
	{"ACL error (permit/deny)", event.FailedACL},
	{"Bad contact ACL", event.FailedACL},
	{"No registration for peer", event.InvalidAccountID},
}

func kindOf(reasons []reasonKind, reason []byte) event.Kind {
	for _, v := range reasons {
		if string(reason) == v.reason {
			return v.kind
		}
	}
	return event.NoEvent
}

// parseNotice parses the message of a NOTICE or WARNING line. notice is true if the
// message reports an attempt. valid is false if the message is not as Asterisk writes it.
func parseNotice(file, m []byte, e *event.Event) (notice, valid bool) {
	*e = event.Event{}
	switch name := base(file); {
	case string(name) == "pjsip_distributor.c":
		return parseRequest(m, e)
	case string(name) == "res_pjsip_session.c":
		return parseCall(m, servicePJSIP, e)
	case string(name) == "chan_sip.c":
		return parseSIP(m, e)
	case string(name) == "chan_iax2.c":
		return parseIAX(m, e)
	case string(name) == "manager.c":
		return parseManager(m, e)
	case bytes.HasPrefix(name, []byte("Ext. ")):
		return parseDialplan(m, e)
	}
	return false, true
}

// base returns the file name without its directory. A dialplan location is not a path.
func base(file []byte) []byte {
	if bytes.HasPrefix(file, []byte("Ext. ")) {
		return file
	}
	return file[bytes.LastIndexByte(file, '/')+1:]
}

// parseRequest reads
//
//	Request 'M' from '"display" <uri>' failed for 'source' (callid: id) - reason
//
// The sender controls the display name and the URI before the source, and the Call-ID
// after it. The end of the From follows from how pjsip prints it (sip_uri.c): the display
// name in quotes, with its backslashes, and the URI in angle brackets, with quotes around
// unescaped text.
func parseRequest(m []byte, e *event.Event) (notice, valid bool) {
	rest, found := bytes.CutPrefix(m, []byte("Request "))
	if !found {
		return false, true
	}
	if method, after, named := bytes.Cut(rest, []byte("' from '")); named && rest[0] == '\'' {
		rest, e.RequestType = after, method[1:]
	} else if rest, found = bytes.CutPrefix(rest, []byte("from '")); !found {
		return true, false // before version 13 without a method
	}
	uri, rest, ok := cutFrom(rest)
	rest, found = bytes.CutPrefix(rest, []byte("' failed for '"))
	if !ok || !found {
		return true, false
	}
	source, rest, found := bytes.Cut(rest, []byte("' (callid: "))
	if !found {
		return true, false
	}
	end := bytes.LastIndex(rest, []byte(") - "))
	if end < 0 {
		return true, false
	}
	reason, _, _ := bytes.Cut(rest[end+len(") - "):], []byte(" after "))
	e.Kind, e.Service, e.SessionID, e.AccountID = kindOf(pjsipReasons, reason), servicePJSIP, rest[:end], userOf(uri)
	e.Remote, ok = parseSource(source)
	return true, ok && e.Kind != event.NoEvent
}

// cutFrom cuts off a From as printed by pjsip and returns its URI.
func cutFrom(v []byte) (uri, rest []byte, ok bool) {
	if len(v) > 0 && v[0] == '"' {
		end := quoteEnd(v[1:])
		if end < 0 {
			return nil, nil, false
		}
		v = bytes.TrimPrefix(v[1+end+1:], space)
	}
	if len(v) == 0 || v[0] != '<' {
		return nil, nil, false
	}
	v = v[1:]
	end := bytes.IndexByte(v, '>')
	if sip := bytes.HasPrefix(v, []byte("sip:")) || bytes.HasPrefix(v, []byte("sips:")); sip {
		end = bracketEnd(v)
	}
	if end < 0 {
		return nil, nil, false
	}
	return v[:end], v[end+1:], true
}

// bracketEnd returns the index of the first '>' outside quotes, where a URI ends, or -1.
func bracketEnd(v []byte) int {
	for i := 0; i < len(v); i++ {
		switch v[i] {
		case '>':
			return i
		case '"':
			end := quoteEnd(v[i+1:])
			if end < 0 {
				return -1
			}
			i += 1 + end
		}
	}
	return -1
}

// userOf returns the user of a URI, or of a From or To that contains one. The sender
// chooses it.
func userOf(uri []byte) []byte {
	if at := bytes.LastIndexByte(uri, '<'); at >= 0 {
		uri = uri[at+1:]
	}
	at := bytes.Index(uri, []byte("sip:"))
	if at < 0 {
		at = bytes.Index(uri, []byte("sips:"))
	}
	if at < 0 {
		return nil
	}
	user, _, _ := event.SplitURI(uri[at:])
	return event.UnescapeUser(user)
}

// parseSIP parses the messages of chan_sip, which Asterisk contains up to version 20:
//
//	Registration from 'to' failed for 'source' - reason
//	hacking attempt detected 'source'
//
// and those of parseCall. They contain no sender's text after the source.
func parseSIP(m []byte, e *event.Event) (notice, valid bool) {
	if source, found := bytes.CutPrefix(m, []byte("hacking attempt detected '")); found {
		e.Kind, e.Service = event.RequestBadFormat, serviceSIP
		source, found = bytes.CutSuffix(source, []byte{'\''})
		e.Remote, valid = parseSource(source)
		return true, valid && found
	}
	rest, found := bytes.CutPrefix(m, []byte("Registration from '"))
	if !found {
		return parseCall(m, serviceSIP, e)
	}
	const middle = "' failed for '"
	at := bytes.LastIndex(rest, []byte(middle))
	if at < 0 {
		return true, false
	}
	source, reason, found := bytes.Cut(rest[at+len(middle):], []byte("' - "))
	e.Kind, e.Service, e.AccountID = kindOf(sipReasons, reason), serviceSIP, userOf(rest[:at])
	e.Remote, valid = parseSource(source)
	return true, valid && found && e.Kind != event.NoEvent
}

// parseCall parses the message about a call to a nonexistent number:
//
//	Call from 'name' (source) to extension 'number' rejected because extension not found in context 'context'.
//	name: Call (UDP:source) to extension …
//
// The name comes from the PBX. The caller chooses the number, which may contain a line
// feed.
func parseCall(m, service []byte, e *event.Event) (notice, valid bool) {
	name, rest, found := bytes.Cut(m, []byte("' ("))
	if name, found = cutBoth(name, "Call from '", found); !found {
		if name, rest, found = bytes.Cut(m, []byte(": Call (")); !found {
			return false, true
		}
	}
	if bytes.IndexByte(name, '\'') >= 0 {
		return false, true
	}
	source, rest, found := bytes.Cut(rest, []byte(") to extension '"))
	if _, host, typed := bytes.Cut(source, []byte{':'}); typed && isTransport(source[:len(source)-len(host)-1]) {
		source = host
	}
	e.Kind, e.Service, e.ACLName, e.AccountID = event.FailedACL, service, aclExtension, name
	var ok bool
	if e.Remote, ok = parseSource(source); !ok || !found {
		return true, false
	}
	return true, callEnds(rest)
}

// callEnds reports whether a line ends like parseCall's messages. The number is limited to
// 79 bytes, too short to contain this end.
func callEnds(v []byte) bool {
	const middle = "' rejected because extension not found in context '"
	at := bytes.LastIndex(v, []byte(middle))
	if at < 0 {
		return false
	}
	dialplan, complete := bytes.CutSuffix(v[at+len(middle):], []byte("'."))
	return complete && bytes.IndexByte(dialplan, '\'') < 0
}

func cutBoth(v []byte, prefix string, found bool) ([]byte, bool) {
	if !found {
		return v, false
	}
	return bytes.CutPrefix(v, []byte(prefix))
}

func isTransport(v []byte) bool {
	switch string(v) {
	case "UDP", "TCP", "TLS", "WS", "WSS", "UDP6", "TCP6", "TLS6":
		return true
	}
	return false
}

// parseManager parses the messages of the manager interface, which start with the source.
// Whoever reaches it has a TCP connection, also over HTTP.
func parseManager(m []byte, e *event.Event) (notice, valid bool) {
	source, rest, _ := bytes.Cut(m, space)
	for _, v := range []reasonKind{
		{"tried to authenticate with nonexistent user '", event.InvalidAccountID},
		{"failed to authenticate as '", event.InvalidPassword},
		{"failed to pass IP ACL as '", event.FailedACL},
	} {
		name, found := bytes.CutPrefix(rest, []byte(v.reason))
		if !found {
			continue
		}
		name, complete := bytes.CutSuffix(name, []byte{'\''})
		e.Kind, e.Service, e.AccountID, e.Transport = v.kind, serviceAMI, name, event.TCP
		e.Remote, valid = parseSource(source)
		return true, valid && complete
	}
	return false, true
}

// parseDialplan parses the message that the dialplan of a common distribution writes: "Rejecting unknown SIP connection from source".
func parseDialplan(m []byte, e *event.Event) (notice, valid bool) {
	source, found := bytes.CutPrefix(m, []byte(`"Rejecting unknown SIP connection from `))
	if !found {
		return false, true
	}
	source, complete := bytes.CutSuffix(source, []byte{'"'})
	e.Kind, e.Service, e.ACLName = event.FailedACL, serviceSIP, aclDialplan
	e.Remote, valid = parseSource(source)
	return true, valid && complete
}
