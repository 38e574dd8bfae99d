package judge

import (
	"bytes"
	"net/netip"
	"slices"
	"time"

	"github.com/tollwarden/tollwarden/ami/event"
	"github.com/tollwarden/tollwarden/responder/intake"
)

// chan_sip reports a success for a REGISTER that it asked no password for, too. Only its
// response on the wire tells them apart, and the event may be read before that: then it
// waits for the response.

// maxWaiting bounds the events that wait. Further ones are believed.
const maxWaiting = 64

// unexplained is a success that waits.
type unexplained struct {
	sensor intake.Sensor
	event  event.Event // owns its memory
}

// hold keeps a success that the wire does not explain yet. At the account's own places
// it changes nothing, so it need not wait.
func (j *Judge) hold(now time.Time, s intake.Sensor, e *event.Event) bool {
	wire := j.policy.Wire && now.Sub(j.wireAt) < time.Minute
	if !wire || !j.Intake.Unexplained(now, e) || j.Places.Known(string(e.AccountID), e.Remote.Addr(), now) {
		return false
	}
	if len(j.waiting) >= maxWaiting {
		return j.silenced(now, e.Remote.Addr().Unmap()) // as when its time is over
	}
	j.waiting = append(j.waiting, unexplained{s, cloneSecurity(e)})
	return true
}

// explained judges the successes that waited for a response to an address.
func (j *Judge) explained(now time.Time, to netip.AddrPort) {
	if len(j.waiting) == 0 {
		return
	}
	to = netip.AddrPortFrom(to.Addr().Unmap(), to.Port())
	j.releaseWaiting(now, func(h *unexplained) bool { return h.event.Remote == to })
}

// releaseWaiting judges those that waited and are meant.
func (j *Judge) releaseWaiting(now time.Time, meant func(*unexplained) bool) {
	var due []unexplained
	j.waiting = slices.DeleteFunc(j.waiting, func(h unexplained) bool {
		if !meant(&h) {
			return false
		}
		due = append(due, h)
		return true
	})
	for i := range due {
		e := &due[i].event
		if j.silenced(now, e.Remote.Addr().Unmap()) && j.Intake.Unexplained(now, e) {
			// Nothing that it sends or is sent gets through: somebody else has named it.
			continue
		}
		j.judgeSecurity(now, due[i].sensor, e)
	}
}

// cloneSecurity copies a security event with its memory.
func cloneSecurity(e *event.Event) event.Event {
	c := *e
	for _, b := range []*[]byte{&c.Raw, &c.Service, &c.AccountID, &c.SessionID, &c.ACLName, &c.RequestType, &c.Challenge} {
		*b = bytes.Clone(*b)
	}
	return c
}
