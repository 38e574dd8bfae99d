package firewall

import (
	"errors"
	"slices"
	"time"
)

// What follows serves a responder that loads its bans page by page. One that
// loads them at once needs Reconcile alone.

// Include implements Table.
func (c *core) Include(now time.Time, bans []Ban) error {
	changes, err := changesOf(now, bans)
	return c.do("include", err, func() error {
		changes = slices.DeleteFunc(latest(changes), func(ch change) bool {
			return ch.release || c.holds(expiryOf(now), ch.key(), ch.until)
		})
		return c.update(expiryOf(now), changes, slack)
	})
}

// Complete implements Table.
func (c *core) Complete(now time.Time) error {
	return c.do("complete", nil, func() error {
		for id := range setCount {
			if !c.unread[id] {
				continue
			}
			n, err := c.backend.population(id)
			if err != nil {
				return err
			}
			// A few may be running out just now.
			if known := c.mirror.size(id); n < 0 || n > known+known/1000 {
				return c.rebuild(expiryOf(now), c.mirror, c.allow)
			}
		}
		c.unread = [setCount]bool{}
		return nil
	})
}

// Repair implements Table.
func (c *core) Repair(now time.Time) error {
	return c.do("repair", nil, func() error {
		for id := range setCount {
			if !c.unread[id] {
				continue
			}
			// What the kernel has lost needs no reading.
			if _, err := c.backend.population(id); !errors.Is(err, ErrLost) {
				return ErrUnread
			}
		}
		return c.rebuild(expiryOf(now), c.mirror, c.allow)
	})
}
