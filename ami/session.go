package ami

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"

	goami "github.com/heltonmarx/goami/ami"
)

var _ goami.Client = (*Session)(nil)

// Session runs goami's action functions over a Client, one action after the
// other. Each goroutine takes a Session of its own; any number of them share
// the Client, and each hears the answer to its own action only.
//
// goami sends first and reads until the answer is whole; it takes an empty
// list for the answer of a list action that Asterisk refused. Here every
// "Response: Error" is an *Error of Recv, and so of goami's function.
type Session struct {
	client *Client

	mu       sync.Mutex
	call     *call
	actionID string   // as goami chose it
	blocks   []string // of a whole answer, not yet received
}

// Session returns a new Session over the client.
func (c *Client) Session() *Session { return &Session{client: c} }

// Connected says whether the connection lives.
func (s *Session) Connected() bool { return s.client.Connected() }

// Close gives up the action under way. The Client stays open.
func (s *Session) Close(context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.call != nil {
		s.call.giveUp()
	}
	s.call, s.blocks = nil, nil
	return nil
}

// Send sends one action in goami's text form. It refuses (ErrUnsafe) a message
// that is more than one action, or in which a value has made lines of its own.
func (s *Session) Send(message string) error {
	a, actionID, err := parseAction(message)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.call != nil {
		return fmt.Errorf("ami: %s: the session still waits for the answer to %s", a.Name, s.call.action)
	}
	s.blocks = nil
	ctx, cancel := context.WithTimeout(context.Background(), writeTimeout)
	defer cancel()
	if s.call, err = s.client.start(ctx, a); err != nil {
		return err
	}
	s.actionID = actionID
	return nil
}

// Recv returns the next block of the answer to the action sent last, in
// goami's text form, and io.EOF after the last one.
func (s *Session) Recv(ctx context.Context) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.call != nil {
		k := s.call
		s.call = nil
		r, err := k.wait(ctx)
		if err != nil {
			return "", err
		}
		s.blocks = append(s.blocks, k.text(r.Fields, s.actionID))
		for _, e := range r.Events {
			s.blocks = append(s.blocks, k.text(e, s.actionID))
		}
		if k.complete != nil {
			s.blocks = append(s.blocks, k.text(k.complete, s.actionID))
		}
	}
	if len(s.blocks) == 0 {
		return "", io.EOF
	}
	next := s.blocks[0]
	s.blocks = s.blocks[1:]
	return next, nil
}

// text gives a block in goami's form, with the ActionID that goami chose.
func (k *call) text(m Message, actionID string) string {
	var b []byte
	for _, f := range m {
		switch {
		case f.Name == "":
			b = append(append(b, f.Value...), "\r\n"...)
		case f.Value == k.actionID:
			b = appendLine(b, f.Name, actionID)
		default:
			b = appendLine(b, f.Name, f.Value)
		}
	}
	return string(append(b, "\r\n"...))
}

// repeatable are the headers that Asterisk reads more than once.
var repeatable = map[string]bool{"variable": true, "variables": true}

var errSecondAction = errors.New("a line is repeated or out of place: a value may have made it")

// parseAction reads an action in goami's text form back into its parts.
func parseAction(message string) (a Action, actionID string, err error) {
	lines, found := strings.CutSuffix(message, "\r\n\r\n")
	if !found || strings.Contains(lines, "\r\n\r\n") {
		return a, "", fmt.Errorf("%w: not exactly one action", ErrUnsafe)
	}
	seen := make(map[string]bool)
	for i, line := range strings.Split(lines, "\r\n") {
		name, value, found := strings.Cut(line, ": ")
		lower := strings.ToLower(name)
		if !found || (i == 0) != (lower == "action") || seen[lower] && !repeatable[lower] {
			// The line is not shown: it may hold a secret.
			return a, "", fmt.Errorf("%w: line %d of %s: %w", ErrUnsafe, i+1, a.Name, errSecondAction)
		}
		seen[lower] = true
		switch lower {
		case "action":
			a.Name = value
		case "actionid":
			actionID = value
		default:
			a.Fields = append(a.Fields, Field{name, value})
		}
	}
	return a, actionID, a.Validate()
}
