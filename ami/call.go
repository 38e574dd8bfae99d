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
	complete Message // the block that closed the list
	size     int     // bytes kept
	err      error
	done     chan struct{}
}

// finish ends the call, with or without an error. The client's lock is held.
func (k *call) finish(err error) {
	k.err = err
	close(k.done)
}

// giveUp makes the answer a late one.
func (k *call) giveUp() {
	k.client.mu.Lock()
	defer k.client.mu.Unlock()
	delete(k.client.pending, k.id)
}

// wait returns the answer when it is whole.
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
// A block that carries our ActionID is believed though its framing is damaged:
// GetConfig prints a line without a colon, PJSIP ends its errors in LF. But how
// a list begins and ends is read only where Asterisk puts it, in the lines
// after the ActionID (astman_send_list_complete_start in main/manager.c), for a
// caller's name can put lines into a list item.
func (k *call) add(b *event.Block) (finished bool, err error) {
	if b.Damage.Cut() {
		return true, fmt.Errorf("%w: %v", ErrTooLarge, b.Damage)
	}
	m := k.keep(b)
	switch third := at(m, 2); {
	case b.IsResponse():
		k.response.Fields = m
		if m[0].Value == "Error" {
			return true, &Error{Action: k.action, Message: strings.TrimSpace(m.Get("Message"))}
		}
		return !(third.Name == "EventList" && strings.EqualFold(third.Value, "start")), nil
	case at(m, 0).Name == "Event" && at(m, 1).Name == "ActionID" &&
		third.Name == "EventList" && strings.EqualFold(third.Value, "Complete"):
		k.complete = m
		return true, nil
	}
	if len(k.response.Events) >= maxListItems || k.size > maxListBytes {
		return true, fmt.Errorf("%w: %d list items, %d bytes", ErrTooLarge, len(k.response.Events), k.size)
	}
	k.response.Events = append(k.response.Events, m)
	return false, nil
}

// keep copies a block.
func (k *call) keep(b *event.Block) Message {
	m := make(Message, len(b.Headers))
	for i, h := range b.Headers {
		m[i] = Field{Name: string(h.Name), Value: string(h.Value)}
		k.size += len(h.Name) + len(h.Value)
	}
	return m
}

// at is the field at a place, or none.
func at(m Message, i int) Field {
	if i < len(m) {
		return m[i]
	}
	return Field{}
}
