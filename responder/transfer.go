package responder

import (
	"context"
	"errors"
	"time"

	"github.com/tollwarden/tollwarden/ami/event"
)

// A call can go on without the account that set it up: transferred from one
// trunk to another it has no channel of the account's name. It goes down with
// the account all the same (calls.Strays).

// dialled takes that a channel dials another one.
func (r *Responder) dialled(now time.Time, e *event.Event) {
	name := string(e.DestChannel)
	account, number := r.calls.Dial(string(e.Channel), name)
	if number != "" && !r.contains(account, now) {
		r.raise(now, r.calls.SentOn(now, account, number, name))
	}
	r.sweepStray(now, account, name)
}

// forwarded takes that a phone that is called sends its caller elsewhere.
func (r *Responder) forwarded(e *event.Event) {
	if len(e.Forward) == 0 || len(e.Channel) == 0 {
		return
	}
	if _, account, ok := event.SplitChannel(e.DestChannel); ok {
		r.calls.Forward(string(account), string(e.Channel), string(e.Forward))
	}
}

// transferred takes that an account connects the other side of its call with a
// number.
func (r *Responder) transferred(now time.Time, e *event.Event) {
	_, transferer, ok := event.SplitChannel(e.Channel)
	if !ok || string(e.Result) != "Success" || len(e.DestChannel) == 0 {
		return
	}
	account, name := string(transferer), string(e.DestChannel)
	signs := r.calls.Transfer(now, account, string(e.Exten), name)
	if !r.contains(account, now) {
		r.raise(now, signs)
	}
	r.sweepStray(now, account, name)
}

// sweepStray ends a call that an account which is being contained is no longer
// in.
func (r *Responder) sweepStray(now time.Time, account, channel string) {
	if !r.contains(account, now) || !r.calls.Stray(channel) {
		return
	}
	select {
	case r.sweeps <- account:
	default: // a sweep is queued already, and ends this call too
	}
}

// hangUp ends all calls of an account: those it is in, and those it has left.
func (r *Responder) hangUp(ctx context.Context, account string) (channels []string, err error) {
	r.mu.Lock()
	strays := r.calls.Strays(account)
	r.mu.Unlock()
	for _, name := range strays {
		ended, herr := r.parts.PBX.HangupChannel(ctx, name)
		if ended {
			channels = append(channels, name)
		}
		err = errors.Join(err, herr)
	}
	own, herr := r.parts.PBX.Hangup(ctx, account)
	return append(channels, own...), errors.Join(err, herr)
}
