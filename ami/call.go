package ami

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/tollwarden/tollwarden/ami/event"
)

// call is a pending action. Until done is closed, only the reader accesses the response;
// after that, only the caller.
type call struct {
	client   *Client
	id       uint64
	actionID string
	action   string

	response *Response
	size     int // bytes in response
	err      error
	done     chan struct{}
}

// finish ends the call, with or without an error. The caller holds the client's lock.
func (k *call) finish(err error) {
	k.err = err
	close(k.done)
}

// giveUp stops waiting. A late response is dropped.
func (k *call) giveUp() {
	k.client.mu.Lock()
	defer k.client.mu.Unlock()
	delete(k.client.pending, k.id)
}

// wait waits for the complete response.
func (k *call) wait(ctx context.Context) (*Response, error) {
	if _, ok := ctx.Deadline(); !ok {
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

// add adds one block to the response and returns whether it was the last one.
//
// A block with our ActionID is accepted even if its framing is damaged: GetConfig
// prints a line without a colon, and PJSIP's errors end with LF. But the start and the
// end of a list are recognised only where Asterisk writes them, in the lines after the
// ActionID (astman_send_list_complete_start in main/manager.c), because a caller's name
// can add lines to a list item.
func (k *call) add(b *event.Block) (finished bool, err error) {
	if b.Damage.Cut() {
		return true, fmt.Errorf("%w: %v", ErrTooLarge, b.Damage)
	}
	m, size := copyBlock(b)
	k.size += size
	switch third := at(m, 2); {
	case b.IsResponse():
		k.response.Fields = m
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
	return false, nil
}

// copyBlock copies the headers of a block into a single allocation and returns its
// size.
func copyBlock(b *event.Block) (m Message, size int) {
	for _, h := range b.Headers {
		size += len(h.Name) + len(h.Value)
	}
	var text strings.Builder
	text.Grow(size)
	for _, h := range b.Headers {
		text.Write(h.Name)
		text.Write(h.Value)
	}
	m, rest := make(Message, len(b.Headers)), text.String()
	for i, h := range b.Headers {
		n, v := len(h.Name), len(h.Value)
		m[i] = Field{Name: rest[:n], Value: rest[n : n+v]}
		rest = rest[n+v:]
	}
	return m, size
}

// at returns field i, or the zero Field.
func at(m Message, i int) Field {
	if i < len(m) {
		return m[i]
	}
	return Field{}
}
