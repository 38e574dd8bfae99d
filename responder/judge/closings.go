package judge

import (
	"net/netip"
	"slices"
	"time"

	"github.com/tollwarden/tollwarden/responder/decide"
	"github.com/tollwarden/tollwarden/responder/incident"
	"github.com/tollwarden/tollwarden/responder/score"
)

// An address is closed when a guesser there goes on over ever new connections, while
// others live there: for a time, nothing is let in but what belongs to the connections of
// live registrations.

// maxClosings bounds the addresses that are closed at once, and those of which it is
// remembered that they were.
const maxClosings = 4096

type closing struct {
	decide.Closing
	block  incident.PartialBlock
	kernel time.Time        // until when the kernel closes it, as far as it has said
	live   []netip.AddrPort // connections of live registrations
	barred []netip.AddrPort // those that guesses came from
}

func (j *Judge) nextClosing(v *score.Verdict, at netip.Prefix) decide.Closing {
	var was decide.Closing
	if c := j.closings[at]; c != nil {
		was = c.Closing
	}
	return was.Next(v, j.policy.Ladder)
}

// closeConnections closes the address of a verdict for new connections.
func (j *Judge) closeConnections(v *score.Verdict, at netip.Prefix) {
	c := j.closings[at]
	if c == nil {
		if len(j.closings) >= maxClosings {
			j.forgetClosings(v.At)
		}
		if len(j.closings) >= maxClosings {
			j.counters.SuspectsRefused++
			return
		}
		c = &closing{}
		j.closings[at] = c
	}
	for _, e := range v.Evidence {
		if from := netip.AddrPortFrom(e.Source, e.Port); e.Signal.Failure() && !slices.Contains(c.barred, from) && len(c.barred) < maxLive {
			c.barred = append(c.barred, from)
		}
	}
	live := slices.DeleteFunc(j.Places.Live(at), func(a netip.AddrPort) bool { return slices.Contains(c.barred, a) })
	live = live[:min(len(live), maxLive)]
	closed := c.Until.After(v.At)
	if closed && slices.Equal(live, c.live) {
		return // what was under way
	}
	next := c.Next(v, j.policy.Ladder)
	if !j.effects.CloseConnections(at, next.Until.Sub(v.At), live) {
		return // the next guess closes it
	}
	if c.Closing, c.live = next, live; !closed {
		j.counters.Closings++
		c.kernel = time.Time{}
		c.block = incident.PartialBlock{
			Kind: incident.ClosedAddress, Address: at, Connection: true, Account: v.Cause.Account, Since: v.At, Reason: v.Reason, Origin: v.Threshold.Name,
		}
	}
}

// partial is the closing as a person sees it.
func (c *closing) partial() incident.PartialBlock {
	b := c.block
	b.Until, b.Phones = c.Until, len(c.live)
	return b
}

// ClosingAcknowledged records that the kernel closes an address, or why it does not: then
// the next guess tries again.
func (j *Judge) ClosingAcknowledged(at netip.Prefix, err error) {
	c := j.closings[at]
	switch {
	case c == nil:
	case err != nil:
		c.Until = c.kernel
	default:
		begins := c.kernel.IsZero()
		if c.kernel = c.Until; begins {
			j.effects.PartialChanged(c.partial(), incident.Closed)
		}
	}
}

// reopen ends the closing of an address of its own accord.
func (j *Judge) reopen(at netip.Prefix, c *closing) {
	delete(j.closings, at)
	j.effects.CloseConnections(at, 0, nil)
	j.effects.PartialChanged(c.partial(), incident.Released)
}

func (j *Judge) forgetClosings(now time.Time) {
	for at, c := range j.closings {
		if c.Until.After(now) {
			continue
		}
		if !c.kernel.IsZero() {
			c.kernel = time.Time{}
			j.effects.PartialChanged(c.partial(), incident.Ended)
		}
		if !c.Remembered(now) {
			delete(j.closings, at)
		}
	}
}
