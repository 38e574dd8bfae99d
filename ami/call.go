package ami

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/tollwarden/tollwarden/ami/event"
)

// call is one action under way. Until done is closed only the reader touches
// the answer, after that only the caller.
type call struct {
	client   *Client
	id       uint64
	actionID string
	action   string

	response *Response
	size     int // bytes kept
	err      error
	done     chan struct{}
}

// finish ends the call, with or without an error. The client's lock is held.
func (k *call) finish(err error) {
	k.err = err
	close(k.done)
}

// giveUp stops waiting: a late answer is dropped.
func (k *call) giveUp() {
	k.client.mu.Lock()
	defer k.client.mu.Unlock()
	delete(k.client.pending, k.id)
}

// wait returns the complete answer.
func (k *call) wait(ctx context.Context) (*Response, error) {
	if _, limited := ctx.Deadline(); !limited {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, defaultTimeout)
		defer cancel()
	}
	select {
	case <-k.done:
	case <-ctx.Done():
		k.giveUp()
		return nil, fmt.Errorf("ami: %s: no answer: %w", k.action, context.Cause(ctx))
	}
	var refusal *Error
	switch {
	case k.err == nil, errors.As(k.err, &refusal):
		return k.response, k.err
	default:
		return nil, fmt.Errorf("ami: %s: no answer: %w", k.action, k.err)
	}
}

// add takes one block of the answer and says whether it was the last one.
//
// A block with our ActionID is accepted even when its framing is damaged:
// GetConfig prints a line without a colon, PJSIP ends its errors in LF. But the
// beginning and the end of a list are read only where Asterisk writes them, in
// the lines after the ActionID (astman_send_list_complete_start in
// main/manager.c): a caller's name can add lines to a list item.
func (k *call) add(b *event.Block) (finished bool, err error) {
	if b.Damage.Cut() {
		return true, fmt.Errorf("%w: %v", ErrTooLarge, b.Damage)
	}
	m, text := copyBlock(b)
	k.size += len(text)
	switch third := at(m, 2); {
	case b.IsResponse():
		k.response.Fields, k.response.raw = m, text
		if m[0].Value == "Error" {
			return true, &Error{Action: k.action, Message: strings.TrimSpace(m.Get("Message"))}
		}
		return !(third.Name == "EventList" && strings.EqualFold(third.Value, "start")), nil
	case at(m, 0).Name == "Event" && at(m, 1).Name == "ActionID" && third.Name == "EventList":
		switch {
		case strings.EqualFold(third.Value, "Complete"):
			return true, nil
		case strings.EqualFold(third.Value, "Cancelled"):
			return true, ErrCancelled
		}
	}
	if len(k.response.Events) >= maxListItems || k.size > maxListBytes {
		return true, fmt.Errorf("%w: %d list items, %d bytes", ErrTooLarge, len(k.response.Events), k.size)
	}
	k.response.Events = append(k.response.Events, m)
	k.response.rawEvents = append(k.response.rawEvents, text)
	return false, nil
}

// copyBlock copies a block: its text in the form that goami reads, and its
// headers as views of it.
func copyBlock(b *event.Block) (Message, string) {
	size := len("\r\n")
	for _, h := range b.Headers {
		size += len(h.Name) + len(": ") + len(h.Value) + len("\r\n")
	}
	buf := make([]byte, 0, size)
	for _, h := range b.Headers {
		switch {
		case len(h.Name) > 0:
			buf = append(append(buf, h.Name...), ": "...)
		case len(h.Value) == 0:
			continue // an empty line would end the block for goami
		}
		buf = append(append(buf, h.Value...), "\r\n"...)
	}
	text := string(append(buf, "\r\n"...))
	m := make(Message, len(b.Headers))
	rest := text
	for i, h := range b.Headers {
		if len(h.Name) > 0 {
			m[i].Name, rest = rest[:len(h.Name)], rest[len(h.Name)+len(": "):]
		} else if len(h.Value) == 0 {
			continue
		}
		m[i].Value, rest = rest[:len(h.Value)], rest[len(h.Value)+len("\r\n"):]
	}
	return m, text
}

// at is the field at a place, or none.
func at(m Message, i int) Field {
	if i < len(m) {
		return m[i]
	}
	return Field{}
}
