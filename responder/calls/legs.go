package calls

import "strings"

// call is a call that an account set up. It goes on without the account when it
// was transferred away.
type call struct {
	account  string
	outgoing bool   // it leaves the house
	own      string // the account's own channel, as long as it is up
}

// leg is one channel of a call that an account set up: that account's own, or
// one that was made for the call.
//
// What makes a channel part of a call is who dialled it, and nothing else: not
// the bridge in which it is heard, and not the Linkedid, which all who meet in a
// bridge come to share. So a conference does not make its members one call.
type leg struct {
	call *call
	by   string // the channel that dialled it; "" for the account's own
}

// forward is a number outside that an account sends one of its callers on to.
type forward struct {
	account, number string
}

// Dial takes that one channel dials another one for its caller. It says whose
// call the other one is part of, "" when that is no account's; and the number,
// when the account sent its caller on to it.
func (t *Tracker) Dial(by, name string) (account, number string) {
	f, sent := t.forwards[by]
	c := t.legs[by].call
	if sent {
		delete(t.forwards, by)
		c = &call{account: f.account, outgoing: true}
	}
	if c == nil {
		return "", ""
	}
	t.join(c, by, name)
	return c.account, f.number
}

// join makes a channel part of a call, the other half of a Local channel with
// it.
func (t *Tracker) join(c *call, by, name string) {
	if len(t.legs) >= 2*maxChannels {
		t.refused++
		return
	}
	t.legs[name] = leg{c, by}
	if half := otherHalf(name); half != name {
		t.legs[half] = leg{c, by}
	}
	if t.asked != nil {
		t.asked[name], t.asked[otherHalf(name)] = true, true
	}
}

// otherHalf is the half of a Local channel that is dialled for the one that
// dials, and the other way round; every other channel is itself.
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

// transfer takes that an account sends a channel, and whoever it has dialled
// since, out of the house.
func (t *Tracker) transfer(account, name string) {
	c := &call{account: account, outgoing: true}
	for other, l := range t.legs {
		if l.by == name {
			t.legs[other] = leg{c, name}
		}
	}
	t.join(c, "", name)
}

// Stray says whether a channel is part of a call that an account set up and is
// no longer in.
func (t *Tracker) Stray(name string) bool {
	l, ok := t.legs[name]
	if !ok {
		return false
	}
	_, up := t.byName[l.call.own]
	return !up
}

// Strays are the channels that go down with an account although it has left
// their calls: those made for its calls that leave the house, and of its calls to
// inside those of trunks, accounts that do not log in. What was made for a call
// that the account is in ends with that.
func (d *Detector) Strays(account string) (names []string) {
	for name, l := range d.legs {
		if l.call.account != account || !d.Stray(name) {
			continue
		}
		c, known := d.byName[name]
		if known && c.Account == account || !l.call.outgoing && (!known || d.isPhone(c.Account)) {
			continue
		}
		names = append(names, name)
	}
	return names
}

// adopt finds the calls of channels that came up unseen, in a gap or before the
// start: those that Asterisk says were dialled, and whose Linkedid is that of
// one call of an account and of no other.
func (t *Tracker) adopt(up []Channel) {
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
