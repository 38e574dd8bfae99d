package calls

import (
	"strings"

	"github.com/tollwarden/tollwarden/responder/score"
)

// trackedCall is a call that an account set up, or an origin (score.IsOrigin). It
// continues without the account after a transfer.
type trackedCall struct {
	account   string
	outgoing  bool     // to a number outside the site
	placed    bool     // the account set it up itself, and did not send another call on
	own       string   // the account's own channel; "" if it redirected the call of another one
	first     string   // the first channel known of it
	did       string   // what the own channel had dialled at first
	judged    []string // numbers that were judged
	counted   bool     // an origin's, as one that costs
	left      bool     // the site: a leg of it went to a trunk
	forbidden string   // the trunk's channel that a forbidden one was sent to last
	sentOnBy  string   // the account that transferred its own channel to an internal number
	orphan    bool     // of a Local channel of which nobody has said yet who dialled it
}

// part is one channel of a call: the one that set it up, or one that was created for the
// call.
//
// Only the channel that dialled it makes a channel part of a call. The bridge it is
// in does not count, nor does the Linkedid, which all channels in a bridge share. So
// the members of a conference are separate calls.
type part struct {
	call *trackedCall
	by   string // the channel that dialled it; "" for the account's own
}

// forwarding is an outside number that an account forwards a caller to.
type forwarding struct {
	account, number string
}

// Dial records that channel by dials channel name. It returns the account whose call
// the new channel is part of, "" if there is none, and the number if the account
// forwarded its caller to it.
func (t *Tracker) Dial(by, name string) (account, number string) {
	f, sent := t.forwards[by]
	if sent {
		delete(t.forwards, by)
		return t.redirect(by, name, &trackedCall{account: f.account, outgoing: true}), f.number
	}
	c := t.parts[by].call
	if c == nil {
		c = t.begin(by)
	}
	return t.redirect(by, name, c), ""
}

// redirect makes a channel that another one dials part of a call, and returns whose it is.
func (t *Tracker) redirect(by, name string, c *trackedCall) (account string) {
	if c.first == "" {
		c.first = name
	}
	if known := t.parts[name].call; known != nil && known.orphan && known != c {
		judged, left := known.judged, known.left
		*known = *c // its other half has dialled before it was told
		known.left = left || c.left
		known.judged = append(judged, c.judged...)
		c = known
	}
	t.join(c, by, name)
	return c.account
}

// begin returns the call of a channel that dials and that nothing is known of.
func (t *Tracker) begin(by string) *trackedCall {
	tech, peer := peerOf(by)
	c := &trackedCall{account: score.PBXItself, first: by}
	switch {
	case by == "":
		return c
	case isInternal(tech):
		c.orphan = tech == "Local"
	case named(tech):
		c.account, c.own = peer, by
	default:
		c.account, c.own = trunkName(by), by
	}
	t.join(c, "", by)
	return c
}

// CameIn records a call that comes in through a channel that is no SIP account's: from a
// line, say.
func (t *Tracker) CameIn(name, dialled string) {
	if tech, _ := peerOf(name); !isInternal(tech) && t.parts[name].call == nil {
		t.begin(name).did = dialled
	}
}

// join makes a channel part of a call, together with the other half of a Local
// channel.
func (t *Tracker) join(c *trackedCall, by, name string) {
	if len(t.parts) >= 2*maxChannels {
		t.refused++
		return
	}
	t.parts[name] = part{c, by}
	if half := otherHalf(name); half != name {
		t.parts[half] = part{c, by}
	}
	if t.changed != nil {
		t.changed[name], t.changed[otherHalf(name)] = true, true
	}
}

// reached records that a channel is answered. Once the extension that was dialled at first has
// answered, wherever the call goes next is no forward of that extension.
func (t *Tracker) reached(name string) {
	p := t.parts[name]
	if p.call == nil || p.by == "" || p.by != p.call.own {
		return
	}
	if _, peer := peerOf(name); peer == p.call.did {
		p.call.did = ""
	}
}

// otherHalf returns the name of the other half of a Local channel. For any other
// channel it returns name.
func otherHalf(name string) string {
	if !strings.HasPrefix(name, "Local/") {
		return name
	}
	if front, ok := strings.CutSuffix(name, ";1"); ok {
		return front + ";2"
	}
	if front, ok := strings.CutSuffix(name, ";2"); ok {
		return front + ";1"
	}
	return name
}

// moveOut records that an account transfers a channel, and the channels it has
// dialled, to an outside number.
func (t *Tracker) moveOut(account, name string) {
	c := &trackedCall{account: account, outgoing: true, first: name}
	for other, l := range t.parts {
		if l.by == name {
			t.parts[other] = part{c, name}
			if l, left := t.out[other]; left {
				l.Cause, l.Own, l.call = account, false, c
				t.out[other] = l
			}
		}
	}
	t.join(c, "", name)
}

// Stray reports whether a channel is part of a call that an account set up and has
// left.
func (t *Tracker) Stray(name string) bool {
	l, ok := t.parts[name]
	if !ok {
		return false
	}
	_, up := t.byName[l.call.own]
	return !up
}

// Strays returns the channels to hang up with an account although the account has
// left their calls: all channels of its outgoing calls and, of its internal calls,
// the channels of trunks (accounts that do not log in). Channels of calls that the
// account is still in end with its own channel.
func (d *Detector) Strays(account string) (names []string) {
	for name, l := range d.parts {
		if l.call.account != account || !d.Stray(name) {
			continue
		}
		c, known := d.byName[name]
		if known && c.Account == account || !l.call.outgoing && (!known || d.isPhoneName(c.Account)) {
			continue
		}
		names = append(names, name)
	}
	return names
}

// attachUnseen assigns channels that came up unseen, in a gap or before the start, to
// calls. It assigns a channel if Asterisk lists it as dialled and exactly one call of
// an account has the same Linkedid.
func (t *Tracker) attachUnseen(up []Channel) {
	callers := map[string][]string{}
	for _, c := range up {
		if known, ok := t.byName[c.Name]; ok && known.Calling {
			callers[c.Linkedid] = append(callers[c.Linkedid], c.Name)
		}
	}
	for _, c := range up {
		if _, known := t.parts[c.Name]; known || !c.Called || len(callers[c.Linkedid]) != 1 {
			continue
		}
		by := callers[c.Linkedid][0]
		t.join(t.parts[by].call, by, c.Name)
	}
}
