package ami

import (
	"bytes"
	"context"
	"errors"
	"net"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// crowd is a manager port without room for another login until a time.
type crowd struct {
	host
	mu    sync.Mutex
	until time.Time
	tries int
}

func (c *crowd) dial(ctx context.Context, network, address string) (net.Conn, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.tries++
	if time.Now().Before(c.until) {
		near, far := net.Pipe()
		return near, far.Close()
	}
	return c.host.dial(ctx, network, address)
}

// A daemon that finds the manager port full logs in as soon as a place is free, over one
// connection alone, and says meanwhile what is wrong.
func TestDialerPushesForAPlace(t *testing.T) {
	for name, tc := range map[string]struct {
		full, within time.Duration
		problem      error
	}{
		"a place is free after authtimeout": {30 * time.Second, 30*time.Second + pushPause, nil},
		"a place is free only later":        {2 * time.Minute, 2*time.Minute + slowestRetry, nil},
		"no place is ever free":             {time.Hour, 0, ErrFull},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				start := time.Now()
				c := &crowd{host: host{t: t, scripts: []func(*asterisk){func(a *asterisk) { a.logIn(); a.pong() }}}, until: start.Add(tc.full)}
				var log bytes.Buffer
				d := dialer(&c.host, &log)
				d.Dial = c.dial
				ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
				defer cancel()
				var in []time.Duration
				if err := d.Run(ctx, func(ctx context.Context, client *Client) error {
					in = append(in, time.Since(start))
					return untilEnd(ctx, client)
				}); err != nil {
					t.Error(err)
				}
				if !errors.Is(d.Problem(), tc.problem) {
					t.Errorf("the problem is %v, want %v", d.Problem(), tc.problem)
				}
				if tc.within == 0 {
					if len(in) > 0 {
						t.Errorf("logged in after %v", in)
					}
				} else if len(in) != 1 || in[0] > tc.within {
					t.Errorf("logged in after %v, want once within %s", in, tc.within)
				}
				if n := d.Counters().Logins.Load(); int(n) != len(in) {
					t.Errorf("%d logins", n)
				}
				if most := int(3*time.Minute/pushPause) * pushers; c.tries > most {
					t.Errorf("%d attempts, want at most %d", c.tries, most)
				}
			})
		})
	}
}

// A connection that is refused is no full port: the attempts slow down.
func TestDialerDoesNotPushAtAClosedPort(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &host{t: t, scripts: []func(*asterisk){nil}}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		d := dialer(h, &bytes.Buffer{})
		_ = d.Run(ctx, untilEnd)
		if n := len(h.times()); n > 60 {
			t.Errorf("%d attempts in a minute", n)
		}
		if d.Problem() == nil || errors.Is(d.Problem(), ErrFull) {
			t.Errorf("the problem is %v", d.Problem())
		}
	})
}
