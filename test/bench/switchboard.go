package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"

	"github.com/tollwarden/tollwarden/ami/amitest"
)

// Login of the daemon on a switchboard.
const amiUser, amiSecret = "tollwarden", "bench-secret"

// switchboard stands between a daemon and a PBX that answers its actions, and
// puts events into the daemon's event session with a single write, so that the
// time they were written is known.
type switchboard struct {
	pbx      *amitest.PBX
	listener net.Listener

	mu     sync.Mutex // held over each write to the event session
	events net.Conn   // nil while there is none
}

// newSwitchboard puts one at a site.
func newSwitchboard(s *site) (*switchboard, error) {
	pbx, err := amitest.Start(amitest.Options{
		Users: []amitest.User{{Name: amiUser, Secret: amiSecret}}, WriteTimeout: time.Minute,
	})
	if err != nil {
		return nil, err
	}
	b := &switchboard{pbx: pbx}
	if b.listener, err = s.listen(); err != nil {
		return nil, errors.Join(err, pbx.Close())
	}
	go func() {
		for {
			conn, err := b.listener.Accept()
			if err != nil {
				return
			}
			go b.serve(conn)
		}
	}()
	return b, nil
}

func (b *switchboard) address() string { return b.listener.Addr().String() }

func (b *switchboard) close() {
	_ = b.listener.Close()
	_ = b.pbx.Close()
}

// serve joins one session of the daemon with one of the PBX.
func (b *switchboard) serve(daemon net.Conn) {
	defer daemon.Close()
	pbx, err := net.Dial("tcp", b.pbx.Address())
	if err != nil {
		return
	}
	go func() {
		defer pbx.Close()
		b.actions(daemon, pbx)
	}()
	_ = b.blocks(pbx, daemon)
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.events == daemon {
		b.events = nil
	}
}

// actions passes on what the daemon asks, and finds out which session asks for
// events.
func (b *switchboard) actions(daemon, pbx net.Conn) {
	buf := make([]byte, 64<<10)
	for {
		n, err := daemon.Read(buf)
		if bytes.Contains(buf[:n], []byte("Events: security")) {
			b.mu.Lock()
			b.events = daemon
			b.mu.Unlock()
		}
		if _, failed := pbx.Write(buf[:n]); err != nil || failed != nil {
			return
		}
	}
}

// blocks passes on whole blocks only, so that events fit between them. The
// greeting is a line of its own.
func (b *switchboard) blocks(pbx, daemon net.Conn) error {
	var pending []byte
	buf := make([]byte, 64<<10)
	end := []byte("\r\n")
	for {
		n, err := pbx.Read(buf)
		pending = append(pending, buf[:n]...)
		if i := bytes.LastIndex(pending, end); i >= 0 {
			b.mu.Lock()
			_, failed := daemon.Write(pending[:i+len(end)])
			b.mu.Unlock()
			if failed != nil {
				return failed
			}
			pending = append(pending[:0], pending[i+len(end):]...)
			end = []byte("\r\n\r\n")
		}
		if err != nil {
			return err
		}
	}
}

// say writes events to the daemon and tells when the last byte was about to go.
func (b *switchboard) say(events string) (time.Time, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.events == nil {
		return time.Time{}, errors.New("the daemon has no event session")
	}
	at := time.Now()
	_, err := io.WriteString(b.events, events)
	return at, err
}

// connected waits until the daemon listens to events.
func (b *switchboard) connected(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	for {
		b.mu.Lock()
		there := b.events != nil
		b.mu.Unlock()
		if there {
			return b.pbx.WaitSessions(ctx, 2)
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("the daemon does not ask for events: %w", ctx.Err())
		case <-time.After(time.Millisecond):
		}
	}
}
