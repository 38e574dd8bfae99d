package logfile

import (
	"bytes"

	"github.com/tollwarden/tollwarden/ami/event"
)

// iaxForms are the messages about attempts that chan_iax2 writes after the address or
// before it, with authdebug=yes in iax.conf. All raise no event. (chan_iax2.c
// register_verify and socket_process_helper, 16 to 23.)
//
//	Host source failed MD5 authentication for 'name' (digest != digest)
//	Host source did not provide proper plaintext password for 'name'
//	Host source denied access to register peer 'name'
//	Host source failed to authenticate as name
//	No registration for peer 'name' (from source)
//	Peer 'name' is not dynamic (from source)
//	Empty registration from source
//	Rejected connect attempt from source, who was trying to reach 'number@context'
//
// The other messages are not attempts, or contain no address:
//
//   - "Rejected connect attempt from source, request 'number@context' does not exist" is
//     mostly a caller with the right password who misdialled. Asterisk 16 writes the same
//     for a guest.
//   - "…, requested 'codec' incompatible with our capability" and "Call rejected, CallToken
//     Support required" come from old or badly configured phones.
//   - "MD5 secret mismatch", "Plaintext secret mismatch", "No RSA public keys on file matched
//     incoming call" and "Host name failed RSA authentication with inkeys" hold no address.
//     All but the last come beside "failed to authenticate as".
//   - "Address source failed CallToken hash inspection" is written about phones, too, after a
//     restart of Asterisk.
//
// A wrong answer to a challenge proves nothing about its sender, who need not have seen
// the challenge for that, and names may bring whole lines into the log. So no address is
// proven by them.

// iaxHosts are the messages that begin with "Host source ": the kind, the text before the
// name, and the text after it, "" for the end of the message.
var iaxHosts = []struct {
	kind          event.Kind
	before, after string
}{
	{event.InvalidPassword, "failed MD5 authentication for '", "' ("},
	{event.InvalidPassword, "did not provide proper plaintext password for '", "'"},
	{event.FailedACL, "denied access to register peer '", "'"},
	{event.InvalidPassword, "failed to authenticate as ", ""},
}

// iaxPeers are the messages that end with the name in quotes and "(from source)".
var iaxPeers = []struct {
	kind          event.Kind
	before, after string
}{
	{event.InvalidAccountID, "No registration for peer '", "' (from "},
	{event.FailedACL, "Peer '", "' is not dynamic (from "},
}

const (
	iaxEmpty    = "Empty registration from "
	iaxRejected = "Rejected connect attempt from "
	iaxStranger = " who was trying to reach '"
)

// parseIAX parses the messages of chan_iax2.
func parseIAX(m []byte, e *event.Event) (notice, valid bool) {
	e.Service = serviceIAX
	if rest, found := bytes.CutPrefix(m, []byte("Host ")); found {
		return parseIAXHost(rest, e)
	}
	for _, form := range iaxPeers {
		rest, found := bytes.CutPrefix(m, []byte(form.before))
		if !found || form.kind == event.FailedACL && !bytes.Contains(rest, []byte(form.after)) {
			continue // "Peer 'name' is now REACHABLE!"
		}
		at := bytes.LastIndex(rest, []byte(form.after))
		if at < 0 {
			return true, false
		}
		source, complete := bytes.CutSuffix(rest[at+len(form.after):], []byte{')'})
		e.Kind, e.AccountID = form.kind, rest[:at]
		e.Remote, valid = parseSource(source)
		return true, valid && complete
	}
	if source, found := bytes.CutPrefix(m, []byte(iaxEmpty)); found {
		e.Kind = event.RequestBadFormat
		e.Remote, valid = parseSource(source)
		return true, valid
	}
	if rest, found := bytes.CutPrefix(m, []byte(iaxRejected)); found {
		return parseIAXRejected(rest, e)
	}
	return false, true
}

func parseIAXHost(m []byte, e *event.Event) (notice, valid bool) {
	source, rest, _ := bytes.Cut(m, space)
	for _, form := range iaxHosts {
		name, found := bytes.CutPrefix(rest, []byte(form.before))
		if !found {
			continue
		}
		complete := true
		if form.after == "" {
			name = bytes.Trim(name, "'")
		} else if end := bytes.LastIndex(name, []byte(form.after)); end >= 0 {
			name = name[:end]
		} else {
			complete = form.kind == event.InvalidPassword && form.after == "' (" // older versions end here
			name = bytes.TrimSuffix(name, []byte{'\''})
		}
		e.Kind, e.AccountID = form.kind, name
		e.Remote, valid = parseSource(source)
		return true, valid && complete
	}
	return false, true
}

// parseIAXRejected parses the message about a call for which there is no account: of a
// name that does not exist, where it is not challenged like any other, of one that may
// not call from there, and of a guest where none may call. It names no account.
func parseIAXRejected(m []byte, e *event.Event) (notice, valid bool) {
	source, rest, found := bytes.Cut(m, []byte{','}) // the caller chooses what it reached for
	if !found || !bytes.HasPrefix(rest, []byte(iaxStranger)) {
		return false, true
	}
	e.Kind = event.InvalidAccountID
	e.Remote, valid = parseSource(source)
	return true, valid
}
