package responder

import (
	"context"
	"net/netip"
	"time"

	"github.com/tollwarden/tollwarden/responder/calls"
)

const (
	// maxQuestions bounds the questions of one kind that wait for Asterisk.
	maxQuestions = 1024
	// askWithin bounds one question.
	askWithin = 2 * time.Second
)

// sourceQuestion asks where a call comes from.
type sourceQuestion struct {
	sign calls.Sign // about the call; waits for the source
	raw  []byte     // of the event that raised the sign
}

// userAgentQuestion asks with which User-Agent a call is set up. It waits in a
// queue of its own: nothing that is known of a call waits for that.
type userAgentQuestion struct {
	call calls.Channel
	raw  []byte // of the event that set the call up
}

func (e *Engine) askSource(ctx context.Context, q sourceQuestion) {
	ctx, cancel := context.WithTimeout(ctx, askWithin)
	defer cancel()
	from, err := e.parts.Inventory.CallSource(ctx, q.sign.Channel)
	if err != nil {
		from = netip.AddrPort{}
	}
	e.with(func() { e.judge.Located(time.Now(), q.sign, from, q.raw) })
}

func (e *Engine) askUserAgent(ctx context.Context, q userAgentQuestion) {
	ctx, cancel := context.WithTimeout(ctx, askWithin)
	defer cancel()
	agent, err := e.parts.Inventory.CallUserAgent(ctx, q.call.Name)
	if err != nil {
		return // the call is over
	}
	e.with(func() { e.judge.UserAgent(time.Now(), q.call, agent, q.raw) })
}
