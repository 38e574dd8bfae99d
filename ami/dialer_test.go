package ami

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"net"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"
)

const accepted = "Response: Success\r\nActionID: %s\r\nMessage: Authentication accepted\r\n\r\n"

// host is the peer of a Dialer. Each connection runs the next script; the last script is
// repeated.
type host struct {
	t       *testing.T
	scripts []func(a *asterisk)

	mu    sync.Mutex
	dials []time.Time
}

func (h *host) dial(context.Context, string, string) (net.Conn, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	script := h.scripts[min(len(h.dials), len(h.scripts)-1)]
	h.dials = append(h.dials, time.Now())
	if script == nil {
		return nil, errors.New("connection refused")
	}
	near, far := net.Pipe()
	a := &asterisk{t: h.t, conn: far, in: bufio.NewReader(far)}
	go func() {
		defer far.Close()
		a.send(greeting)
		script(a)
	}()
	return near, nil
}

func (h *host) times() []time.Time {
	h.mu.Lock()
	defer h.mu.Unlock()
	return append([]time.Time(nil), h.dials...)
}

// logIn accepts a login.
func (a *asterisk) logIn() {
	a.answer("Response: Success\r\nActionID: %s\r\nChallenge: 1\r\n\r\n")
	a.answer(accepted)
}

// pong answers pings until the connection ends, and returns their number.
func (a *asterisk) pong() (n int) {
	for {
		_, id := a.action()
		if id == "" {
			return n
		}
		n++
		a.send("Response: Success\r\nActionID: " + id + "\r\nPing: Pong\r\n\r\n")
	}
}

func dialer(h *host, log *bytes.Buffer) *Dialer {
	return &Dialer{
		Address: "pbx:5038", Username: "warden", Secret: "s3cr3t-Never-Shown",
		Dial: h.dial, Log: zerolog.New(log),
	}
}

func untilEnd(ctx context.Context, _ *Client) error {
	<-ctx.Done()
	return ctx.Err()
}

func TestDialerReconnectsAndReportsGap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		h := &host{t: t, scripts: []func(*asterisk){
			func(a *asterisk) {
				a.logIn()
				time.Sleep(2 * time.Second)
				a.send("Event: X\r\n\r\n")
				time.Sleep(time.Second)
			},
			nil, // refused once
			func(a *asterisk) { a.logIn(); a.pong() },
		}}
		var log bytes.Buffer
		ctx, cancel := context.WithCancel(t.Context())
		var gaps []Gap
		ran := make(chan error)
		go func() {
			ran <- dialer(h, &log).Run(ctx, func(ctx context.Context, c *Client) error {
				gaps = append(gaps, c.Gap())
				return untilEnd(ctx, c)
			})
		}()
		time.Sleep(time.Minute)
		cancel()
		if err := <-ran; err != nil {
			t.Errorf("Run: %v", err)
		}
		if len(gaps) != 2 || !gaps[0].IsZero() {
			t.Fatalf("gaps %v, want none and one", gaps)
		}
		lost := began.Add(2 * time.Second)
		if g := gaps[1]; !g.From.Equal(lost) || g.Length() < time.Second || g.Length() > 3*time.Second {
			t.Errorf("gap from %v for %v, want from %v", g.From, g.Length(), lost)
		}
		if n := strings.Count(log.String(), "logged in to Asterisk"); n != 2 {
			t.Errorf("%d logins are logged:\n%s", n, &log)
		}
	})
}

func TestDialerBacksOffAndResetsWhenHealthy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		scripts := make([]func(*asterisk), 12) // refused twelve times
		healthy := func(a *asterisk) {
			a.logIn()
			time.AfterFunc(time.Minute, func() { _ = a.conn.Close() })
			a.pong()
		}
		h := &host{t: t, scripts: append(scripts, healthy, nil, func(a *asterisk) { a.logIn(); a.pong() })}
		var log bytes.Buffer
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
		defer cancel()
		if err := dialer(h, &log).Run(ctx, untilEnd); err != nil {
			t.Errorf("Run: %v", err)
		}
		dials := h.times()
		if len(dials) != 15 {
			t.Fatalf("dialled %d times, want 15", len(dials))
		}
		for i, want := range []time.Duration{100 * time.Millisecond, 200 * time.Millisecond, 400 * time.Millisecond} {
			if pause := dials[i+1].Sub(dials[i]); pause < want/2 || pause > 2*want {
				t.Errorf("pause %d lasts %v, want about %v", i+1, pause, want)
			}
		}
		if pause := dials[12].Sub(dials[11]); pause < time.Second || pause > 3*time.Second {
			t.Errorf("pause 12 lasts %v, want about 2s", pause)
		}
		if pause := dials[14].Sub(dials[13]); pause > time.Second {
			t.Errorf("after a healthy minute the first pause lasts %v", pause)
		}
		if n := strings.Count(log.String(), "refused"); n != 2 {
			t.Errorf("the same error is logged %d times, want once for each loss:\n%s", n, &log)
		}
	})
}

func TestWrongSecretIsRetriedSlowlyAndLoggedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &host{t: t, scripts: []func(*asterisk){func(a *asterisk) {
			a.answer("Response: Success\r\nActionID: %s\r\nChallenge: 1\r\n\r\n")
			_, id := a.action()
			time.Sleep(time.Second)
			a.send("Response: Error\r\nActionID: " + id + "\r\nMessage: Authentication failed\r\n\r\n")
		}}}
		var log bytes.Buffer
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		if err := dialer(h, &log).Run(ctx, untilEnd); err != nil {
			t.Errorf("Run: %v", err)
		}
		dials := h.times()
		if len(dials) < 5 || len(dials) > 12 {
			t.Errorf("%d attempts in an hour, want about 9", len(dials))
		}
		if pause := dials[1].Sub(dials[0]); pause < 30*time.Second {
			t.Errorf("the first pause lasts %v, want about a minute", pause)
		}
		lines := strings.Split(strings.TrimSpace(log.String()), "\n")
		if len(lines) != 1 || !strings.Contains(lines[0], "manager.conf") || strings.Contains(lines[0], "s3cr3t") {
			t.Errorf("want one clear line, got:\n%s", &log)
		}
	})
}

func TestStoppedAsteriskIsDetectedInTenSeconds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		stopped := make(chan time.Time, 1)
		h := &host{t: t, scripts: []func(*asterisk){
			func(a *asterisk) {
				a.logIn()
				for range 8 {
					time.Sleep(time.Second)
					a.send("Event: X\r\n\r\n")
				}
				stopped <- time.Now()
				for id := "1"; id != ""; { // the kernel still accepts data
					_, id = a.action()
				}
			},
			func(a *asterisk) { a.logIn(); a.pong() },
		}}
		var log bytes.Buffer
		var causes []error
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		_ = dialer(h, &log).Run(ctx, func(ctx context.Context, c *Client) error {
			<-ctx.Done()
			causes = append(causes, context.Cause(ctx))
			return nil
		})
		dials := h.times()
		if detected := dials[1].Sub(<-stopped); detected > 10*time.Second {
			t.Errorf("detected after %v", detected)
		}
		if len(dials) != 2 || !errors.Is(causes[0], ErrUnresponsive) {
			t.Errorf("%d connections, %v; want 2, the first unresponsive", len(dials), causes)
		}
	})
}

func TestBusyAsteriskIsNotUnresponsive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &host{t: t, scripts: []func(*asterisk){func(a *asterisk) {
			a.logIn()
			_, id := a.action()
			time.Sleep(25 * time.Second) // a reload of many endpoints
			a.send("Response: Success\r\nActionID: " + id + "\r\nMessage: Module Reloaded\r\n\r\n")
			a.pong()
		}}}
		var log bytes.Buffer
		err := dialer(h, &log).Run(t.Context(), func(ctx context.Context, c *Client) error {
			_, err := c.Do(ctx, act("Reload", "Module", "res_pjsip.so"))
			return err
		})
		if err != nil || len(h.times()) != 1 {
			t.Errorf("%v, %d connections, want 1\n%s", err, len(h.times()), &log)
		}
	})
}

func TestRunEndsWithFn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &host{t: t, scripts: []func(*asterisk){func(a *asterisk) { a.logIn(); a.pong() }}}
		var log bytes.Buffer
		tries := 0
		err := dialer(h, &log).Run(t.Context(), func(_ context.Context, c *Client) error {
			if tries++; tries == 1 {
				return errors.New("resync failed")
			}
			return nil
		})
		if err != nil || tries != 2 || !strings.Contains(log.String(), "resync failed") {
			t.Errorf("%v after %d tries\n%s", err, tries, &log)
		}
	})
}

func TestConnectTimesOut(t *testing.T) {
	for _, c := range []struct {
		name   string
		script func(a *asterisk)
		limit  time.Duration
	}{
		{"no answer to the challenge", func(a *asterisk) { a.action(); a.action() }, 10 * time.Second},
		{"no answer to the login", func(a *asterisk) {
			a.answer("Response: Success\r\nActionID: %s\r\nChallenge: 1\r\n\r\n")
			a.action()
			a.action()
		}, 10 * time.Second},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := &host{t: t, scripts: []func(*asterisk){c.script}}
				began := time.Now()
				_, err := dialer(h, new(bytes.Buffer)).Connect(t.Context())
				if waited := time.Since(began); !errors.Is(err, context.DeadlineExceeded) || waited != c.limit {
					t.Errorf("%v after %v, want the deadline after %v", err, waited, c.limit)
				}
			})
		})
	}
	t.Run("no greeting", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			d := dialer(&host{t: t}, new(bytes.Buffer))
			d.Dial = func(context.Context, string, string) (net.Conn, error) {
				near, _ := net.Pipe()
				return near, nil
			}
			began := time.Now()
			_, err := d.Connect(t.Context())
			if waited := time.Since(began); !errors.Is(err, context.DeadlineExceeded) || waited != 5*time.Second {
				t.Errorf("%v after %v, want the deadline after 5s", err, waited)
			}
		})
	})
}
