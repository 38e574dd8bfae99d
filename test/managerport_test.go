package test

import (
	"context"
	"io"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/tollwarden/tollwarden/responder/control"
	"github.com/tollwarden/tollwarden/test/lab"
)

// authTimeout is how long Asterisk keeps a connection that does not log in: shorter than
// its 30 s, so that the test is.
const authTimeout = 6 * time.Second

// Idle connections that fill the manager port raise no false alarm: events arrive over the
// session that there is, and status names the culprit. A daemon that starts meanwhile pushes
// for a place, and has both sessions once the idle connections time out, although each of
// them is replaced at once.
func TestIdleConnectionsFillTheManagerPort(t *testing.T) {
	t.Parallel()
	l := lab.New(t, lab.Options{Version: lab.Asterisk22})
	file := l.Path("/etc/asterisk/manager.conf")
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(strings.Replace(string(text), "[general]\n", "[general]\nauthtimeout = 6\n", 1)), 0o640); err != nil {
		t.Fatal(err)
	}
	if out, err := l.CLI(t.Context(), "manager reload"); err != nil {
		t.Fatalf("manager reload: %v: %s", err, out)
	}
	w := guardWith(t, l, health+shortRules(3))
	fill(t, l)
	w.wait("the canary to name the cause", 10*time.Second, func() bool {
		detail := w.check("canary").Detail
		return strings.Contains(detail, "the manager port is full") && strings.Contains(detail, "by user root")
	})
	for range 20 {
		if s, err := w.client().Status(t.Context()); err != nil || s.Health != control.Healthy {
			t.Fatalf("status: %v %+v", err, s.Checks)
		}
		time.Sleep(100 * time.Millisecond)
	}
	w.stop(syscall.SIGKILL)
	began := time.Now()
	w.start()
	took := time.Since(began)
	t.Logf("healthy %s after a start with the port full for %s at a time", took.Round(100*time.Millisecond), authTimeout)
	if took > 2*authTimeout {
		t.Errorf("it took %s to get both sessions", took)
	}
	if list := w.incidents(); len(list) > 0 {
		t.Errorf("incidents: %+v", list)
	}
}

// fill keeps 60 idle connections to the manager port, ten more than it accepts, each of
// which is opened again as soon as it is closed.
func fill(t *testing.T, l *lab.Lab) {
	ctx, cancel := context.WithCancel(t.Context())
	var all sync.WaitGroup
	t.Cleanup(func() { cancel(); all.Wait() })
	for range 60 {
		all.Go(func() {
			for ctx.Err() == nil {
				conn, err := l.PBX.Dial(ctx, "tcp", lab.AMIAddress)
				if err != nil {
					continue
				}
				stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
				n, _ := io.Copy(io.Discard, conn)
				stop()
				_ = conn.Close()
				if n == 0 { // refused
					time.Sleep(5 * time.Millisecond)
				}
			}
		})
	}
}
