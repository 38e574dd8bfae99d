package pbx

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tollwarden/tollwarden/ami"
	"github.com/tollwarden/tollwarden/ami/amitest"
)

// linked is a Manager over a Link that a Dialer serves, as in the daemon.
func linked(t *testing.T) (*amitest.PBX, *Link, *Manager) {
	t.Helper()
	p, err := amitest.Start(amitest.Options{Users: []amitest.User{{Name: "tollwarden", Secret: "x"}}})
	if err != nil {
		t.Fatal(err)
	}
	link := NewLink()
	d := ami.Dialer{Address: p.Address(), Username: "tollwarden", Secret: "x", Events: "off"}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = d.Run(ctx, link.Use)
	}()
	t.Cleanup(func() { cancel(); <-done; _ = p.Close() })
	return p, link, New(link, Options{})
}

func TestLinkWaitsForASession(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if _, err := New(NewLink(), Options{}).Channels(ctx); !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "no command session") {
		t.Errorf("without a session: %v", err)
	}
	p, link, m := linked(t)
	p.AddChannel(amitest.Channel{Account: "1002", Exten: "0044", State: 6})
	if all, err := m.Channels(t.Context()); err != nil || len(all) != 1 || !link.Connected() {
		t.Errorf("%+v, %v", all, err)
	}
}

// Ending calls outlives a session that breaks under it, and names each call.
func TestHangupGoesOnAfterTheSessionBroke(t *testing.T) {
	p, _, m := linked(t)
	name := p.AddChannel(amitest.Channel{Account: "1002", Exten: "0044", State: 6})
	if _, err := m.Channels(t.Context()); err != nil {
		t.Fatal(err)
	}
	p.Hang(true)
	type result struct {
		ended []string
		err   error
	}
	got := make(chan result)
	go func() {
		ended, err := m.Hangup(t.Context(), "1002", nil)
		got <- result{ended, err}
	}()
	time.Sleep(50 * time.Millisecond)
	p.Drop()
	p.Hang(false)
	if r := <-got; r.err != nil || len(p.Channels()) != 0 || len(r.ended) > 0 && !slices.Equal(r.ended, []string{name}) {
		t.Errorf("ended %q, %v; still up %q", r.ended, r.err, p.Channels())
	}
}
