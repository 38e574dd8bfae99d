package judge

import (
	"bytes"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/tollwarden/tollwarden/ami/event"
	"github.com/tollwarden/tollwarden/responder/calls"
	"github.com/tollwarden/tollwarden/responder/intake"
)

// chan_sip also reports a success for some REGISTERs that it asked no password for. Only
// its response on the wire tells which. If the event is read before that response, it
// waits.

// maxWaiting bounds the events that wait. Further ones are believed.
const maxWaiting = 64

// unexplained is a success that waits for the response that explains it.
type unexplained struct {
	at     time.Time
	sensor intake.Sensor
	event  event.Event // owns its memory
}

// hold keeps a success that the wire does not explain yet. At the account's own places
// it changes nothing, so it need not wait.
func (j *Judge) hold(now time.Time, s intake.Sensor, e *event.Event) bool {
	if !j.policy.Wire || !j.wireIsFresh(now) || !j.Intake.Unexplained(now, e) || j.Places.Known(string(e.AccountID), e.Remote.Addr(), now) {
		return false
	}
	if len(j.waiting) >= maxWaiting {
		return j.silenced(now, e.Remote.Addr().Unmap()) // as when its time is over
	}
	j.waiting = append(j.waiting, unexplained{now, s, cloneSecurity(e)})
	return true
}

// explained judges the successes that waited for a response to an address.
func (j *Judge) explained(now time.Time, to netip.AddrPort) {
	if len(j.waiting) == 0 {
		return
	}
	to = netip.AddrPortFrom(to.Addr().Unmap(), to.Port())
	j.releaseWaiting(now, func(u *unexplained) bool { return u.event.Remote == to })
}

// releaseWaiting judges the waiting successes that due selects.
func (j *Judge) releaseWaiting(now time.Time, due func(*unexplained) bool) {
	var released []unexplained
	j.waiting = slices.DeleteFunc(j.waiting, func(u unexplained) bool {
		if !due(&u) {
			return false
		}
		released = append(released, u)
		return true
	})
	for i := range released {
		e := &released[i].event
		if j.silenced(now, e.Remote.Addr().Unmap()) && j.Intake.Unexplained(now, e) {
			// Nothing that it sends or is sent gets through: somebody else has named it.
			continue
		}
		j.judgeSecurity(now, released[i].sensor, e)
		j.placedSince(now, released[i].at, string(e.AccountID))
	}
}

// placedSince looks once more at the calls that an account has begun since a success came,
// which waited: a thief may call at once.
func (j *Judge) placedSince(now, since time.Time, account string) {
	for _, c := range slices.SortedFunc(j.Calls.All(), func(a, b calls.Channel) int { return strings.Compare(a.Name, b.Name) }) {
		if c.Account != account || !c.Calling || c.Since.Before(since) || j.policy.Calls.Dialling.Emergency(c.Dialled) {
			continue
		}
		j.placed(now, placedCall{account: account, number: c.Dialled, channel: c.Name, by: c.Name}, nil)
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
