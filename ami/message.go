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
// ActionID; Fields keep their order on the wire, which UpdateConfig needs.
type Action struct {
	Name   string
	Fields []Field
}

// ErrUnsafe reports a name or value that would break out of its line on the
// wire. Nothing has been sent.
var ErrUnsafe = errors.New("ami: line break or NUL in an action")

// Validate refuses an action that holds CR, LF or NUL anywhere, or a header
// name that is empty or holds a colon: any of them would let a value become a
// second header or a second action.
func (a Action) Validate() error {
	if a.Name == "" || strings.ContainsAny(a.Name, "\r\n\x00") {
		return fmt.Errorf("%w: action name %q", ErrUnsafe, a.Name)
	}
	for _, f := range a.Fields {
		if f.Name == "" || strings.ContainsAny(f.Name, ":\r\n\x00") {
			return fmt.Errorf("%w: header name %q of %s", ErrUnsafe, f.Name, a.Name)
		}
		if strings.ContainsAny(f.Value, "\r\n\x00") {
			// The value is not shown: it may be a secret.
			return fmt.Errorf("%w: value of %s in %s", ErrUnsafe, f.Name, a.Name)
		}
	}
	return nil
}

// Response is what Asterisk answered to one Action. It owns its memory.
type Response struct {
	// Fields are the response block's own headers, in order, repeats included.
	Fields []Field
	// Events are the blocks of a list that the action asked for, in order,
	// without the closing "...Complete" block.
	Events []Message
}

// Message is one block with the headers in their order.
type Message []Field

// Get returns the first value of a header, or "". Names compare exactly.
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
	Message string // Asterisk's own words
}

// Error names the action and gives Asterisk's own words.
func (e *Error) Error() string {
	return fmt.Sprintf("ami: %s: Asterisk answered: %s", e.Action, e.Message)
}
