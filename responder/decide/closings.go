package decide

import (
	"net/netip"
	"time"

	"github.com/tollwarden/tollwarden/responder/score"
)

// maxClosings bounds the addresses that Closings remembers. Another one is closed for the
// first time each time.
const maxClosings = 4096

// Closings remembers when each address was closed last, over UDP or over connections. The
// zero value is ready to use.
type Closings struct {
	last map[netip.Prefix]Closing
}

// Next is the closing of an address that a verdict brings.
func (c *Closings) Next(at netip.Prefix, v *score.Verdict, ladder Ladder) Closing {
	return c.last[at].Next(v, ladder)
}

// Set records that an address is closed.
func (c *Closings) Set(at netip.Prefix, is Closing) {
	if c.last == nil {
		c.last = map[netip.Prefix]Closing{}
	}
	if _, known := c.last[at]; known || len(c.last) < maxClosings {
		c.last[at] = is
	}
}

// Forget makes an address one that was never closed. undo takes that back.
func (c *Closings) Forget(at netip.Prefix) (undo func()) {
	was, known := c.last[at]
	delete(c.last, at)
	return func() {
		if _, again := c.last[at]; known && !again {
			c.last[at] = was
		}
	}
}

// Prune forgets the closings that no longer count.
func (c *Closings) Prune(now time.Time) {
	for at, is := range c.last {
		if !is.Remembered(now) {
			delete(c.last, at)
		}
	}
}
