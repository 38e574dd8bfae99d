package ami

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"

	goami "github.com/heltonmarx/goami/ami"
)

// Doer sends an action and waits for the complete response. *Client implements it.
type Doer interface {
	Do(ctx context.Context, a Action) (*Response, error)
}

var _ goami.Client = (*Session)(nil)

// Session runs goami's action functions over a Doer. It holds one action at a time, so
// each goroutine needs its own. Sessions are cheap, and any number of them can share a
// Client.
//
// The first Recv after Send sends the action, because goami passes a context only to
// Recv. goami treats an error as the end of a list; here Recv returns every error, so
// that a rejected or broken response never looks like an empty list. Responses carry the
// Client's ActionID, not goami's.
type Session struct {
	doer   Doer
	only   []string // headers of list items to return; nil for all
	action *Action  // sent by the next Recv
	answer *Response
	next   int // index of the next block to return
}

// NewSession returns a Session over d. If headers are given, goami gets only these and
// Event from list items. Otherwise it spends most of its time on unused headers.
func NewSession(d Doer, headers ...string) *Session {
	return &Session{doer: d, only: headers}
}

// Connected reports whether the connection is open. It returns true if the Doer cannot
// tell.
func (s *Session) Connected() bool {
	c, ok := s.doer.(interface{ Connected() bool })
	return !ok || c.Connected()
}

// Close discards the current action. The connection stays open.
func (s *Session) Close(context.Context) error {
	s.action, s.answer = nil, nil
	return nil
}

// Send accepts one action in goami's text form. It rejects a message with ErrUnsafe if
// it contains more than one action, or if a value contains line breaks.
func (s *Session) Send(message string) error {
	a, err := parseAction(message)
	if err != nil {
		return err
	}
	if s.action != nil {
		return fmt.Errorf("ami: %s: the session has yet to send %s", a.Name, s.action.Name)
	}
	s.action, s.answer, s.next = &a, nil, 0
	return nil
}

// endOfList ends a list, whatever final event goami expects, because Do returns only
// complete responses. Functions that expect a single block never read it.
const endOfList = "Response: End of list\r\n\r\n"

// Recv returns the next block of the response in goami's text form, or io.EOF after the
// last one.
func (s *Session) Recv(ctx context.Context) (string, error) {
	if a := s.action; a != nil {
		s.action = nil
		r, err := s.doer.Do(ctx, *a)
		if err != nil {
			return "", err
		}
		s.answer = r
	}
	if s.answer == nil {
		return "", io.EOF
	}
	i := s.next
	s.next++
	switch {
	case i == 0:
		return blockText(s.answer.Fields, nil), nil
	case i <= len(s.answer.Events):
		return blockText(s.answer.Events[i-1], s.only), nil
	}
	s.answer = nil
	return endOfList, nil
}

// blockText returns a block in goami's text form, with all headers or only some. It
// omits lines without a colon, which goami ignores.
func blockText(m Message, only []string) string {
	wanted := func(name string) bool {
		return name != "" && (only == nil || name == "Event" || slices.Contains(only, name))
	}
	size := len("\r\n")
	for _, f := range m {
		if wanted(f.Name) {
			size += len(f.Name) + len(": ") + len(f.Value) + len("\r\n")
		}
	}
	if size == len("\r\n") {
		return "Response: Success\r\n\r\n" // goami expects at least one line
	}
	var b strings.Builder
	b.Grow(size)
	for _, f := range m {
		if wanted(f.Name) {
			b.WriteString(f.Name)
			b.WriteString(": ")
			b.WriteString(f.Value)
			b.WriteString("\r\n")
		}
	}
	b.WriteString("\r\n")
	return b.String()
}

// headers are those that goami gives to the actions that take values from
// elsewhere, always all of them: any other line was made by a value.
var headers = map[string][]string{
	"Command":                        {"Command"},
	"DBDel":                          {"Family", "Key"},
	"Getvar":                         {"Channel", "Variable"},
	"Hangup":                         {"Channel", "Cause"},
	"PJSIPShowEndpoint":              {"Endpoint"},
	"Reload":                         {"Module"},
	"SIPshowpeer":                    {"Peer"},
	"SorceryMemoryCacheExpireObject": {"Cache", "Object"},
}

// repeatable are the headers that Asterisk reads more than once.
var repeatable = map[string]bool{"variable": true, "variables": true}

// parseAction reads an action in goami's text form back into its parts: first
// Action, then ActionID if there is one, then the headers in any order. The
// ActionID is dropped: the Client sets its own.
func parseAction(message string) (a Action, err error) {
	lines, found := strings.CutSuffix(message, "\r\n\r\n")
	if !found || strings.Contains(lines, "\r\n\r\n") {
		return a, fmt.Errorf("%w: not exactly one action", ErrUnsafe)
	}
	seen := make([]string, 0, 8)
	for i, line := range strings.Split(lines, "\r\n") {
		name, value, found := strings.Cut(line, ": ")
		lower := strings.ToLower(name)
		switch {
		case found && i == 0 && lower == "action":
			a.Name = value
		case found && i == 1 && lower == "actionid":
		case found && i > 0 && fits(a.Name, name) && (!slices.Contains(seen, lower) || repeatable[lower]):
			a.Fields = append(a.Fields, Field{name, value})
			seen = append(seen, lower)
		default:
			// The line is not shown: it may hold a secret.
			return a, fmt.Errorf("%w: line %d of %s is repeated or out of place: a value may have made it", ErrUnsafe, i+1, a.Name)
		}
	}
	return a, a.Validate()
}

// fits reports whether goami gives an action that header.
func fits(action, header string) bool {
	if known, listed := headers[action]; listed {
		return slices.Contains(known, header)
	}
	return !strings.EqualFold(header, "Action") && !strings.EqualFold(header, "ActionID")
}
