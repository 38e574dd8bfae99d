package calls

import "time"

// maxChannels bounds the channels followed: ten times what a large PBX
// carries. Beyond it new channels are counted and not followed; they are
// still found and hung up, since hang-up asks Asterisk itself.
const maxChannels = 100_000

// Channel is one leg of a call.
type Channel struct {
	Name     string // as Asterisk names it: PJSIP/1002-0000001a
	Account  string // endpoint or peer; "" for what is none's, such as Local
	Linkedid string // the same for all legs of one call
	Dialled  string
	Since    time.Time
	Calling  bool // the account set it up; otherwise it was called
	Outgoing bool // it leaves the house
	Called   bool // in Asterisk's own list: another channel dialled it
	// Answered is when it was first up, and so began to cost; the zero time when
	// it was not. Where that was not seen it is Since.
	Answered time.Time
}

// Tracker knows the channels that are up. The zero Tracker is not ready; use
// New.
type Tracker struct {
	byName    map[string]Channel
	byAccount map[string]int
	outgoing  map[string]int     // of the account's channels, those Outgoing
	legs      map[string]leg     // channels that are part of a call that an account set up, by name
	forwards  map[string]forward // what a channel dials next, by its name
	asked     map[string]bool    // what went up (true) or down (false) since Ask; nil when not asked
	refused   uint64
}

// New returns an empty Tracker.
func New() *Tracker {
	return &Tracker{
		byName: map[string]Channel{}, byAccount: map[string]int{}, outgoing: map[string]int{},
		legs: map[string]leg{}, forwards: map[string]forward{},
	}
}

// Up records a new channel; one already known is replaced.
func (t *Tracker) Up(c Channel) {
	if _, known := t.byName[c.Name]; known {
		t.Down(c.Name)
	} else if len(t.byName) >= maxChannels {
		t.refused++
		return
	}
	t.byName[c.Name] = c
	t.byAccount[c.Account]++
	if c.Outgoing {
		t.outgoing[c.Account]++
	}
	if c.Calling {
		t.legs[c.Name] = leg{call: &call{account: c.Account, outgoing: c.Outgoing, own: c.Name}}
	}
	if t.asked != nil {
		t.asked[c.Name] = true
	}
}

// Down records the end of a channel and returns it; one never seen is not ok.
func (t *Tracker) Down(name string) (c Channel, ok bool) {
	if t.asked != nil {
		t.asked[name] = false
	}
	delete(t.legs, name)
	delete(t.forwards, name)
	c, ok = t.byName[name]
	if !ok {
		return Channel{}, false
	}
	delete(t.byName, name)
	if t.byAccount[c.Account]--; t.byAccount[c.Account] == 0 {
		delete(t.byAccount, c.Account)
	}
	if c.Outgoing {
		if t.outgoing[c.Account]--; t.outgoing[c.Account] == 0 {
			delete(t.outgoing, c.Account)
		}
	}
	return c, true
}

// Answer records that a channel was answered. What comes after the first answer
// changes nothing.
func (t *Tracker) Answer(at time.Time, name string) {
	if c, ok := t.byName[name]; ok && c.Answered.IsZero() {
		c.Answered = at
		t.byName[name] = c
	}
}

// Ask is called before Asterisk is asked for its channels: what the events tell
// from here on is newer than the answer.
func (t *Tracker) Ask() { t.asked = map[string]bool{} }

// Rebuild makes the picture Asterisk's answer, as after a gap in the events, and
// keeps what the events told since Ask.
func (t *Tracker) Rebuild(up []Channel) {
	newer := t.asked
	t.asked = nil
	listed := make(map[string]bool, len(up))
	for _, c := range up {
		listed[c.Name] = true
	}
	gone := func(name string) bool {
		if alive, told := newer[name]; told {
			return !alive
		}
		return !listed[name]
	}
	for name := range t.byName {
		if gone(name) {
			t.Down(name)
		}
	}
	for name := range t.legs {
		if gone(name) {
			t.Down(name)
		}
	}
	for name := range t.forwards {
		if gone(name) {
			t.Down(name)
		}
	}
	for _, c := range up {
		known, ok := t.byName[c.Name]
		switch {
		case ok && !c.Answered.IsZero():
			t.Answer(known.Since, c.Name)
		case !ok && c.Account != "" && !gone(c.Name):
			t.Up(c)
		}
	}
	t.adopt(up)
}

// Account is the number of channels that an account has up.
func (t *Tracker) Account(account string) int { return t.byAccount[account] }

// Of are the channels that an account has up, in no order.
func (t *Tracker) Of(account string) []Channel {
	var up []Channel
	if t.byAccount[account] == 0 {
		return nil
	}
	for _, c := range t.byName {
		if c.Account == account {
			up = append(up, c)
		}
	}
	return up
}

// Outgoing is the number of calls that an account has up that leave the house.
func (t *Tracker) Outgoing(account string) int { return t.outgoing[account] }

// Channel is the channel of that name; one never seen is not ok.
func (t *Tracker) Channel(name string) (c Channel, ok bool) {
	c, ok = t.byName[name]
	return c, ok
}

// Len is the number of channels up.
func (t *Tracker) Len() int { return len(t.byName) }

// Refused counts the channels that were not followed because of the bound.
func (t *Tracker) Refused() uint64 { return t.refused }
