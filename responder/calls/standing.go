package calls

import (
	"strings"
	"time"
)

// Standing returns the legs of Asterisk's list that no event has told of: those that were
// dialled before the daemon started, or in a gap. It is to be called after ApplySnapshot with
// the same list. The legs are known from now on, like any other, and have no signs: how often
// and how fast they were dialled cannot be told.
//
// What was sent is in the arguments of Dial, if its channel still runs it; otherwise what
// was dialled is the number that Asterisk shows as the called one. A channel that the PBX
// called by itself (Originate) is no such leg: it looks like one that came in.
func (d *Detector) Standing(now time.Time, up []Channel) (legs []Leg) {
	list := standing{d: d, up: map[string]*Channel{}, dialling: map[string][]*Channel{}, done: map[string]Dial{}}
	for i := range up {
		c := &up[i]
		list.up[c.Name] = c
		if c.Data != "" {
			list.dialling[c.Linkedid] = append(list.dialling[c.Linkedid], c)
		}
	}
	for i := range up {
		c := &up[i]
		if _, known := d.out[c.Name]; known || !c.Called {
			continue
		}
		leg, ok := d.leave(now, list.dial(c))
		if !ok {
			continue
		}
		leg.Began, leg.Answered = c.Since, c.Answered
		d.put(leg)
		legs = append(legs, leg)
	}
	return legs
}

// standing is Asterisk's list of channels while it is read.
type standing struct {
	d        *Detector
	up       map[string]*Channel
	dialling map[string][]*Channel // channels that run Dial, by Linkedid, which Asterisk itself sets here
	done     map[string]Dial
}

// dial returns how a channel was dialled, and makes it part of the call of the one that
// did, from the first one on.
func (s *standing) dial(c *Channel) Dial {
	if x, ok := s.done[c.Name]; ok {
		return x
	}
	x := Dial{Channel: c.Name, String: c.CallerID + "@"}
	for _, by := range s.dialling[c.Linkedid] {
		if sent, ok := sentTo(by.Data, c.Name); ok {
			x.By, x.Exten, x.String = by.Name, by.Dialled, sent
			break
		}
	}
	s.done[c.Name] = x
	if half := s.up[otherHalf(x.By)]; half != nil && half.Called {
		s.dial(half)
	}
	if x.By != "" || s.d.parts[c.Name].call == nil {
		s.d.Dial(x)
	}
	return x
}

// sentTo returns the dial string of a channel among the arguments of Dial.
func sentTo(data, channel string) (dialString string, ok bool) {
	data, _, _ = strings.Cut(data, ",")
	tech, peer := peerOf(channel)
	for to := range strings.SplitSeq(data, "&") {
		t, rest, _ := strings.Cut(to, "/")
		if t != tech {
			continue
		}
		device, _, _ := strings.Cut(rest, "/")
		if i := strings.LastIndexByte(device, '@'); i >= 0 && tech != "Local" {
			device = device[i+1:]
		}
		if device == peer || !named(tech) {
			return rest, true
		}
	}
	return "", false
}
