package ami

import (
	"errors"
	"fmt"
	"strings"
)

// Field is one "Name: value" line of an action or a response.
type Field struct {
	Name, Value string
}

// Action is one request to Asterisk's manager interface. The Client adds the
// ActionID; Fields are sent in order, which UpdateConfig relies on.
type Action struct {
	Name   string
	Fields []Field
}

// ErrUnsafe reports a name or value that would break out of its line. Nothing was sent.
var ErrUnsafe = errors.New("ami: line break or NUL in an action")

// Validate rejects an action that contains CR, LF or NUL, or a header name that is empty
// or contains a colon. Any of these could turn a value into another header or action.
func (a Action) Validate() error {
	if a.Name == "" || strings.ContainsAny(a.Name, "\r\n\x00") {
		return fmt.Errorf("%w: action name %q", ErrUnsafe, a.Name)
	}
	for _, f := range a.Fields {
		if f.Name == "" || strings.ContainsAny(f.Name, ":\r\n\x00") {
			return fmt.Errorf("%w: header name %q of %s", ErrUnsafe, f.Name, a.Name)
		}
		if strings.ContainsAny(f.Value, "\r\n\x00") {
			// The error omits the value, which may be a secret.
			return fmt.Errorf("%w: value of %s in %s", ErrUnsafe, f.Name, a.Name)
		}
	}
	return nil
}

// Response is Asterisk's response to an Action. It owns its memory.
type Response struct {
	// Fields are the headers of the response block in order, including repeated ones.
	Fields []Field
	// Events are the items of a list in order, without the final "...Complete" block.
	Events []Message
}

// Message is one block, with its headers in order.
type Message []Field

// Get returns the first value of a header, or "". Names are case-sensitive.
func (m Message) Get(name string) string {
	for _, f := range m {
		if f.Name == name {
			return f.Value
		}
	}
	return ""
}

// Get returns the first value of a header of the response block, or "".
func (r *Response) Get(name string) string { return Message(r.Fields).Get(name) }

// Error is a "Response: Error" from Asterisk.
type Error struct {
	Action  string // the action's name
	Message string // the Message header
}

// Error returns the action's name and Asterisk's message.
func (e *Error) Error() string {
	return fmt.Sprintf("ami: %s: Asterisk answered: %s", e.Action, e.Message)
}
