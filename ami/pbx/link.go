package pbx

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/tollwarden/tollwarden/ami"
	"github.com/tollwarden/tollwarden/responder/incident"
)

// Link is the way to Asterisk over whatever session there is. Without one,
// actions wait for it as long as their context allows, so that no step is lost
// because the connection was. Its methods may be called from any goroutine.
type Link struct {
	mu      sync.Mutex
	session *ami.Client
	ready   chan struct{} // closed while session is set
}

// NewLink returns a Link without a session.
func NewLink() *Link { return &Link{ready: make(chan struct{})} }

// Use gives the Link this session until ctx ends, and returns ctx's error. Only
// one Use runs at a time.
func (l *Link) Use(ctx context.Context, session *ami.Client) error {
	l.mu.Lock()
	l.session = session
	close(l.ready)
	l.mu.Unlock()
	<-ctx.Done()
	l.mu.Lock()
	l.session = nil
	l.ready = make(chan struct{})
	l.mu.Unlock()
	return ctx.Err()
}

// atOnceKey marks a context with which nothing waits for a session.
type atOnceKey struct{}

// AtOnce returns a context with which actions fail at once while there is no session, with an
// incident.ErrUnreachable. ok is false if there is none now.
func (l *Link) AtOnce(ctx context.Context) (_ context.Context, ok bool) {
	return context.WithValue(ctx, atOnceKey{}, true), l.Connected()
}

// Connected reports whether there is a session.
func (l *Link) Connected() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.session != nil
}

// Do sends one action over the session there is.
func (l *Link) Do(ctx context.Context, a ami.Action) (*ami.Response, error) {
	for {
		l.mu.Lock()
		session, ready := l.session, l.ready
		l.mu.Unlock()
		if session != nil {
			r, err := session.Do(ctx, a)
			if err != nil && !session.Connected() {
				err = brokenError{err}
			}
			return r, err
		}
		if ctx.Value(atOnceKey{}) != nil {
			return nil, fmt.Errorf("%s: %w", a.Name, incident.ErrUnreachable)
		}
		select {
		case <-ready:
		case <-ctx.Done():
			return nil, fmt.Errorf("%s: no command session to Asterisk: %w", a.Name, ctx.Err())
		}
	}
}

// brokenError is an error of an action whose session broke: another session may
// do better.
type brokenError struct{ error }

func (e brokenError) Unwrap() error { return e.error }

// Is says that Asterisk was not reached, or not for long enough.
func (e brokenError) Is(target error) bool { return target == incident.ErrUnreachable }

// again repeats what is harmless to repeat while sessions break under it.
func again(ctx context.Context, f func() error) error {
	for {
		err := f()
		var broken brokenError
		if !errors.As(err, &broken) || ctx.Err() != nil {
			return err
		}
		if sleep(ctx, 50*time.Millisecond) != nil {
			return err
		}
	}
}
