package calls

import "strings"

// trackedCall is a call that an account set up. It continues without the account
// after a transfer.
type trackedCall struct {
	account  string
	outgoing bool   // to a number outside the site
	own      string // the account's own channel
}

// leg is one channel of a call that an account set up: the account's own, or one
// that was created for the call.
//
// Only the channel that dialled it makes a channel part of a call. The bridge it is
// in does not count, nor does the Linkedid, which all channels in a bridge share. So
// the members of a conference are separate calls.
type leg struct {
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
	c := t.legs[by].call
	if sent {
		delete(t.forwards, by)
		c = &trackedCall{account: f.account, outgoing: true}
	}
	if c == nil {
		return "", ""
	}
	t.join(c, by, name)
	return c.account, f.number
}

// join makes a channel part of a call, together with the other half of a Local
// channel.
func (t *Tracker) join(c *trackedCall, by, name string) {
	if len(t.legs) >= 2*maxChannels {
		t.refused++
		return
	}
	t.legs[name] = leg{c, by}
	if half := otherHalf(name); half != name {
		t.legs[half] = leg{c, by}
	}
	if t.changed != nil {
		t.changed[name], t.changed[otherHalf(name)] = true, true
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
	c := &trackedCall{account: account, outgoing: true}
	for other, l := range t.legs {
		if l.by == name {
			t.legs[other] = leg{c, name}
		}
	}
	t.join(c, "", name)
}

// Stray reports whether a channel is part of a call that an account set up and has
// left.
func (t *Tracker) Stray(name string) bool {
	l, ok := t.legs[name]
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
	for name, l := range d.legs {
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
		if _, known := t.legs[c.Name]; known || !c.Called || len(callers[c.Linkedid]) != 1 {
			continue
		}
		by := callers[c.Linkedid][0]
		t.join(t.legs[by].call, by, c.Name)
	}
}
