package calls

import (
	"iter"
	"maps"
	"strings"
	"time"

	"github.com/tollwarden/tollwarden/responder/numbers"
	"github.com/tollwarden/tollwarden/responder/score"
)

// Leg is a call as it leaves the site: a channel to a trunk.
type Leg struct {
	Channel string // the trunk's
	Trunk   string // a peer, or a technology whose peers have no names: "carrier", "DAHDI"
	// Cause is the account that caused the call: the phone that dials, the extension
	// that forwards its callers, the one that transfers; otherwise an origin
	// (score.IsOrigin).
	Cause string
	// Call is the same for all legs of one call: forks, further trunks, forwards.
	Call string
	// Own says that the call was set up by a channel of the account, which is a Channel
	// of the Tracker.
	Own       bool
	Dialled   string         // what the channel that dials has dialled
	Sent      string         // to the trunk; "" if the dial string names only a device
	Number    numbers.Number // Dialled or Sent, whichever costs more, as it is read
	Costs     string         // why it costs more than others, in words; "" if it does not
	Forbidden bool           // by the rules of Cause
	Emergency bool           // a call for help, which nothing may end or delay
	// Again says that an earlier leg of the call went to this number, or that Number is
	// what the account dialled: the number has been judged.
	Again bool
	First string // of an Again: the channel that a forbidden number was first sent to

	Began    time.Time
	Answered time.Time // zero if it was not

	early time.Duration // unanswered for longer than a phone rings, as far as it has been counted

	call *trackedCall
}

// asCall is the leg as a call of whoever caused it.
func (l Leg) asCall() Channel {
	return Channel{
		Name: l.Channel, Account: l.Cause, Dialled: l.Number.Digits, Since: l.Began, Answered: l.Answered,
		Calling: true, Outgoing: true,
	}
}

// Dial is one channel dialling another one (event DialBegin).
type Dial struct {
	By      string // the channel that dials; "" if the PBX does so by itself
	Exten   string // what that channel has dialled by now
	Channel string // the one that is dialled
	String  string // DialString: what is sent
	Up      bool   // it has answered already

	Linkedid string // of the channel that dials
	CallerID string // of the channel that dials: a number
}

// Leaves records that a call leaves the site, and returns its leg and its signs. It is to be
// called after Dial. ok is false if the channel is dialled within the site.
func (d *Detector) Leaves(now time.Time, x Dial) (leg Leg, list []Sign, ok bool) {
	leg, ok = d.leave(now, x)
	if !ok || leg.Again {
		return leg, nil, ok
	}
	a, c := d.accounts[leg.Cause], leg.call
	own := d.byName[c.own]
	s := signs{account: a, channel: leg.Channel, number: &leg.Number}
	switch {
	case score.IsOrigin(leg.Cause):
		d.checkOrigin(now, a, &leg, &s)
	case !d.isPhone(a):
		if leg.Costs != "" && d.listed != nil {
			s.add(AnonymousCall, "sent to %s, without a login", leg.Trunk)
		}
	case c.placed && !c.outgoing && leg.Number.External:
		s.from.Source = own.From
		d.leftUnexpectedly(c, &leg)
		d.checkOutgoing(now, a, &s)
	default:
		if leg.Own {
			s.from.Source = own.From
		}
		a.checkLeaving(&s)
		if leg.Number.External {
			c.outgoing = true
			d.checkCountry(now, a, &s)
			d.checkWhereTo(now, a, &s)
		}
	}
	return leg, s.list, true
}

// leave records a leg. ok is false if the channel is dialled within the site, or if there
// is no room.
func (d *Detector) leave(now time.Time, x Dial) (leg Leg, ok bool) {
	trunk, sent, ok := d.trunkOf(x)
	c := d.parts[x.Channel].call
	if !ok || c == nil {
		return Leg{}, false
	}
	if d.consults(x, c); c.sentOnBy != "" && score.IsOrigin(d.causeOf(c)) {
		c.account = c.sentOnBy
	}
	leg = Leg{Channel: x.Channel, Trunk: trunk, Cause: d.causeOf(c), Dialled: x.Exten, Sent: sent, Began: now, call: c}
	if x.Up {
		leg.Answered = now
	}
	own, up := d.byName[c.own]
	leg.Own = up && own.Account == leg.Cause
	if leg.Call = c.own; leg.Call == "" {
		leg.Call = c.first
	}
	a := d.state(now, leg.Cause)
	if a == nil {
		return Leg{}, false
	}
	d.readLeg(a, x, &leg)
	if leg.Again = c.judge(&leg.Number); leg.Again {
		leg.First = c.forbidden
	} else if leg.Forbidden {
		c.forbidden = leg.Channel
	}
	c.left = true
	d.put(leg)
	return leg, true
}

// leftUnexpectedly makes a call one to the outside: what the account dialled did not look
// so.
func (d *Detector) leftUnexpectedly(c *trackedCall, leg *Leg) {
	c.outgoing = true
	own, up := d.byName[c.own]
	if !up || own.Outgoing {
		return
	}
	if own.Outgoing = true; own.Dialled == "" || own.Dialled == "s" {
		own.Dialled = leg.Number.Digits
	}
	d.byName[c.own] = own
	d.outgoing[own.Account]++
}

// readLeg reads what a leg is sent to and what was dialled for it. What costs more counts:
// the dialplan may send something else than what was dialled, and a trunk may have numbers
// of its own for it. Only what a caller from outside had dialled to get here is none of it.
func (d *Detector) readLeg(a *accountState, x Dial, leg *Leg) {
	leg.Number = d.readSent(leg.Sent)
	leg.Costs, leg.Forbidden = d.costOfLeg(a.limits, &leg.Number)
	emergency := d.rules.Dialling.Emergency
	if leg.Emergency = emergency(leg.Sent) || emergency(x.Exten) && leg.Costs == ""; leg.Emergency {
		return
	}
	if x.Exten == "" || x.Exten == leg.Sent || d.cameInTo(x, leg) {
		return
	}
	n := d.read(a.limits, x.Exten)
	costs, forbidden := d.costOfLeg(a.limits, &n)
	switch {
	case forbidden && !leg.Forbidden, costs != "" && leg.Costs == "", !leg.Number.External && n.External:
		leg.Number, leg.Costs, leg.Forbidden = n, costs, forbidden
	}
}

// cameInTo reports whether the number dialled is the one that a caller from outside called.
func (d *Detector) cameInTo(x Dial, leg *Leg) bool {
	return x.By == leg.call.own && score.IsOrigin(leg.Cause) && (x.Exten == leg.call.did || len(leg.Number.Readings) > 0)
}

// costOfLeg says why a number costs more that is sent to a trunk, and whether the rules
// forbid it. Short numbers are judged by deny alone.
func (d *Detector) costOfLeg(l *Limits, n *numbers.Number) (costs string, forbidden bool) {
	_, reason, forbidden := l.Destinations.forbidsLeaving(n)
	switch {
	case forbidden:
		return "forbidden (" + reason + ")", true
	case !n.External:
		return "", false
	}
	if costs = d.cost(l, n); costs == noNumber {
		costs = "" // a carrier may want digits of its own in front
	}
	return costs, false
}

// readSent returns the meaning of what is sent to a trunk. A number that is internal by its
// length is not External. An emergency number never is, and has no readings.
func (d *Detector) readSent(sent string) numbers.Number {
	if d.rules.Dialling.Emergency(sent) {
		return numbers.Number{Digits: sent}
	}
	n := d.rules.Dialling.ReadSent(sent)
	n.External = n.External && d.rules.Dialling.Read(sent).External
	return n
}

// forbidsLeaving is forbids for a number that is sent to a trunk: also a short one, which
// may be denied, but need not be allowed.
func (d *Destinations) forbidsLeaving(n *numbers.Number) (country, reason string, forbidden bool) {
	if !n.External {
		d = &Destinations{Deny: d.Deny}
	}
	return d.forbids(n)
}

// checkLeaving is checkDestination for a number that is sent to a trunk.
func (a *accountState) checkLeaving(s *signs) {
	if _, _, forbidden := a.limits.Destinations.forbidsLeaving(s.number); forbidden {
		a.checkDestination(s)
	}
}

// judge records that a number of the call is judged. again is true if it was before.
func (c *trackedCall) judge(n *numbers.Number) (again bool) {
	key := n.E164
	if key == "" {
		key = strings.TrimPrefix(n.Digits, "+")
	}
	for _, k := range c.judged {
		if k == key {
			return true
		}
	}
	if len(c.judged) < maxJudged {
		c.judged = append(c.judged, key)
	}
	return false
}

// maxJudged bounds the numbers remembered of one call.
const maxJudged = 16

// put keeps a leg until its channel goes down.
func (t *Tracker) put(leg Leg) {
	if len(t.out) < maxChannels {
		t.out[leg.Channel] = leg
	} else {
		t.refused++
	}
}

// Leg returns the leg of that channel. ok is false if it is none that left the site.
func (t *Tracker) Leg(channel string) (leg Leg, ok bool) {
	leg, ok = t.out[channel]
	return leg, ok
}

// HasLeft reports whether a leg of the call that a channel is part of goes to a trunk, or did
// before it ended.
func (t *Tracker) HasLeft(channel string) bool {
	c := t.parts[channel].call
	return c != nil && c.left
}

// Legs yields the legs that are up or being dialled, in no order.
func (t *Tracker) Legs() iter.Seq[Leg] { return maps.Values(t.out) }

// Others returns the legs that an account or origin caused, but did not set up by a channel
// of its own, as calls of it.
func (t *Tracker) Others(cause string) (list []Channel) {
	for _, l := range t.out {
		if l.Cause == cause && !l.Own {
			list = append(list, l.asCall())
		}
	}
	return list
}

// AsCall returns a leg as a call of whoever caused it. ok is false if the account's own
// channel is that call.
func (l Leg) AsCall() (c Channel, ok bool) { return l.asCall(), !l.Own }
