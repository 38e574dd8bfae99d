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

// verdict is what a reason at the end of a message stands for.
type verdict struct {
	reason string
	kind   event.Kind
}

// The reasons of res_pjsip_distributor.c log_failed_request.
var pjsipReasons = []verdict{
	{"Failed to authenticate", event.ChallengeResponseFailed},
	{"No matching endpoint found", event.InvalidAccountID},
	{"Not match Endpoint ACL", event.FailedACL},
	{"Not match Endpoint Contact ACL", event.FailedACL},
	{"Error to authenticate", event.ChallengeResponseFailed},
}

// The reasons of chan_sip.c handle_request_register, as the security events of
// the same moment name them (channels/sip/security_events.c).
var sipReasons = []verdict{
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

func kindOf(reasons []verdict, reason []byte) event.Kind {
	for _, v := range reasons {
		if string(reason) == v.reason {
			return v.kind
		}
	}
	return event.NoEvent
}

// parseNotice reads the message of a NOTICE or WARNING line. notice says that
// it is one that tells of a stranger; when sound is false then it is not as
// Asterisk writes it.
func parseNotice(file, m []byte, e *event.Event) (notice, sound bool) {
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

// base is the file's name without its folder. The dialplan's place is no path.
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
// Display and URI are a stranger's, before the source, and so is the Call-ID
// behind it. What ends the From is told by pjsip's own writing of it
// (sip_uri.c): the display stands in quotes and keeps its backslashes, the URI
// in brackets, with quotes around what is not escaped.
func parseRequest(m []byte, e *event.Event) (notice, sound bool) {
	rest, found := bytes.CutPrefix(m, []byte("Request "))
	if !found {
		return false, true
	}
	if _, after, named := bytes.Cut(rest, []byte("' from '")); named && rest[0] == '\'' {
		rest = after
	} else if rest, found = bytes.CutPrefix(rest, []byte("from '")); !found {
		return true, false // before version 13 no method was told
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

// cutFrom cuts a From off as pjsip prints one and gives its URI.
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

// bracketEnd is where a URI ends: at the first '>' outside of quotes.
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

// userOf is the user of a URI, or of a From or To that holds one. It is what
// the sender calls itself.
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
	return user
}

// parseSIP reads the messages of chan_sip, which is in Asterisk to version 20:
//
//	Registration from 'to' failed for 'source' - reason
//	hacking attempt detected 'source'
//
// and those of parseCall. Here nothing of the stranger stands behind the source.
func parseSIP(m []byte, e *event.Event) (notice, sound bool) {
	if source, found := bytes.CutPrefix(m, []byte("hacking attempt detected '")); found {
		e.Kind, e.Service = event.RequestBadFormat, serviceSIP
		source, found = bytes.CutSuffix(source, []byte{'\''})
		e.Remote, sound = parseSource(source)
		return true, sound && found
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
	e.Remote, sound = parseSource(source)
	return true, sound && found && e.Kind != event.NoEvent
}

// parseCall reads a call to a number that does not exist:
//
//	Call from 'name' (source) to extension 'number' rejected because extension not found in context 'context'.
//	name: Call (UDP:source) to extension …
//
// The name is the PBX's own; the number is the stranger's, and may break the
// line.
func parseCall(m, service []byte, e *event.Event) (notice, sound bool) {
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

// callEnds says whether a line ends as parseCall's messages do. The number can
// hold nothing of it: it has 79 bytes.
func callEnds(v []byte) bool {
	const middle = "' rejected because extension not found in context '"
	at := bytes.LastIndex(v, []byte(middle))
	if at < 0 {
		return false
	}
	dialplan, whole := bytes.CutSuffix(v[at+len(middle):], []byte("'."))
	return whole && bytes.IndexByte(dialplan, '\'') < 0
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

// parseIAX reads the messages of chan_iax2. The source stands before the name,
// or behind it at the very end.
func parseIAX(m []byte, e *event.Event) (notice, sound bool) {
	e.Service = serviceIAX
	if rest, found := bytes.CutPrefix(m, []byte("Host ")); found {
		source, rest, _ := bytes.Cut(rest, space)
		e.Kind = event.InvalidPassword
		if name, found := bytes.CutPrefix(rest, []byte("failed to authenticate as ")); found {
			e.AccountID = bytes.Trim(name, "'")
		} else if name, found := bytes.CutPrefix(rest, []byte("failed MD5 authentication for '")); found {
			e.AccountID, _, _ = bytes.Cut(name, []byte("' ("))
		} else {
			return false, true
		}
		e.Remote, sound = parseSource(source)
		return true, sound
	}
	rest, found := bytes.CutPrefix(m, []byte("No registration for peer '"))
	if !found {
		return false, true
	}
	const middle = "' (from "
	at := bytes.LastIndex(rest, []byte(middle))
	if at < 0 {
		return true, false
	}
	source, whole := bytes.CutSuffix(rest[at+len(middle):], []byte{')'})
	e.Kind, e.AccountID = event.InvalidAccountID, rest[:at]
	e.Remote, sound = parseSource(source)
	return true, sound && whole
}

// parseManager reads the messages of the manager interface, which begin with
// the source.
func parseManager(m []byte, e *event.Event) (notice, sound bool) {
	source, rest, _ := bytes.Cut(m, space)
	for _, v := range []verdict{
		{"tried to authenticate with nonexistent user '", event.InvalidAccountID},
		{"failed to authenticate as '", event.InvalidPassword},
		{"failed to pass IP ACL as '", event.FailedACL},
	} {
		name, found := bytes.CutPrefix(rest, []byte(v.reason))
		if !found {
			continue
		}
		name, whole := bytes.CutSuffix(name, []byte{'\''})
		e.Kind, e.Service, e.AccountID = v.kind, serviceAMI, name
		e.Remote, sound = parseSource(source)
		return true, sound && whole
	}
	return false, true
}

// parseDialplan reads the one message that the dialplan of a widespread
// distribution writes: "Rejecting unknown SIP connection from source".
func parseDialplan(m []byte, e *event.Event) (notice, sound bool) {
	source, found := bytes.CutPrefix(m, []byte(`"Rejecting unknown SIP connection from `))
	if !found {
		return false, true
	}
	source, whole := bytes.CutSuffix(source, []byte{'"'})
	e.Kind, e.Service, e.ACLName = event.FailedACL, serviceSIP, aclDialplan
	e.Remote, sound = parseSource(source)
	return true, sound && whole
}
