package partial

import (
	"net/netip"
	"slices"
	"time"

	"github.com/tollwarden/tollwarden/responder/decide"
	"github.com/tollwarden/tollwarden/responder/incident"
	"github.com/tollwarden/tollwarden/responder/score"
)

// An address is closed when a guesser there goes on over ever new connections, while others
// live there. For a time, only the connections of live registrations are let through.

// maxClosings bounds the addresses that are closed at once.
const maxClosings = 4096

// maxLive bounds the connections that stay open at one of them, and those remembered because
// guesses came from them.
const maxLive = 1024

// closing is an address that is closed, or was asked to be.
type closing struct {
	decide.Closing
	block  incident.PartialBlock
	kernel time.Time        // until when the kernel closes it, as it has acknowledged
	live   []netip.AddrPort // connections of live registrations
	barred []netip.AddrPort // those that guesses came from
}

// closeUDP drops what comes over UDP from the address of a verdict, where nothing decides
// about single packets.
func (x *Blocks) closeUDP(v *score.Verdict, why incident.PartialBlock) {
	next := x.closed.Next(why.Address, v, x.ladder)
	x.Suspect(v.At, why, next.Until.Sub(v.At), failedFrom(v), true)
	if b, ok := x.suspects.At(v.At, why.Address); ok {
		next.Until = b.Until
		x.closed.Set(why.Address, next)
	}
}

// closeConnections closes the address of a verdict for new connections.
func (x *Blocks) closeConnections(v *score.Verdict, at netip.Prefix) {
	c := x.closings[at]
	if c == nil {
		if len(x.closings) >= maxClosings {
			x.forgetClosings(v.At)
		}
		if len(x.closings) >= maxClosings {
			x.counters.Refused++
			return
		}
		c = &closing{}
		x.closings[at] = c
	}
	for _, from := range failedFrom(v) {
		if !slices.Contains(c.barred, from) && len(c.barred) < maxLive {
			c.barred = append(c.barred, from)
		}
	}
	live := slices.DeleteFunc(x.places.Live(at), func(a netip.AddrPort) bool { return slices.Contains(c.barred, a) })
	live = live[:min(len(live), maxLive)]
	closed := c.Until.After(v.At)
	if closed && slices.Equal(live, c.live) {
		return // what was under way
	}
	next := x.closed.Next(at, v, x.ladder)
	if !x.effects.CloseConnections(at, next.Until.Sub(v.At), live) {
		return // the next guess closes it
	}
	x.closed.Set(at, next)
	if c.Closing, c.live = next, live; !closed {
		x.counters.Closings++
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
func (x *Blocks) ClosingAcknowledged(at netip.Prefix, err error) {
	c := x.closings[at]
	switch {
	case c == nil:
	case err != nil:
		c.Until = c.kernel
	default:
		begins := c.kernel.IsZero()
		if c.kernel = c.Until; begins {
			x.effects.PartialChanged(c.partial(), incident.Closed)
		}
	}
}

// reopen ends the closing of an address before its time.
func (x *Blocks) reopen(at netip.Prefix, c *closing) {
	delete(x.closings, at)
	x.closed.Forget(at)
	x.effects.CloseConnections(at, 0, nil)
	x.effects.PartialChanged(c.partial(), incident.Released)
}

// forgetClosings forgets the closings whose time is over.
func (x *Blocks) forgetClosings(now time.Time) {
	for at, c := range x.closings {
		if c.Until.After(now) {
			continue
		}
		delete(x.closings, at)
		if !c.kernel.IsZero() {
			x.effects.PartialChanged(c.partial(), incident.Ended)
		}
	}
	x.closed.Prune(now)
}
