package calls

import (
	"iter"
	"maps"
	"net/netip"
	"time"
)

// maxChannels bounds the channels tracked: ten times what a large PBX carries. Beyond
// it, new channels are counted but not tracked. They can still be hung up, because
// that uses Asterisk's own list.
const maxChannels = 100_000

// Channel is one leg of a call.
type Channel struct {
	Name     string // as Asterisk names it: PJSIP/1002-0000001a
	Account  string // endpoint or peer; "" if there is none, as for Local
	Linkedid string // the same for all legs of one call
	Dialled  string
	Since    time.Time
	Calling  bool // the account set up the call; otherwise it was called
	Outgoing bool // to a number outside the site
	Called   bool // only in Asterisk's list: another channel dialled it
	// CallerID and Data are only in Asterisk's list: of a Called channel the number that it
	// was dialled for, and of one that dials the arguments of Dial.
	CallerID, Data string
	// From is where the call comes from; the zero Addr if that is not known.
	From netip.Addr
	// Answered is when the channel was first up and began to cost; zero if it was not.
	// If that was not observed, it is Since.
	Answered time.Time
}

// Tracker tracks the channels that are up. Use New; the zero Tracker is not ready.
type Tracker struct {
	byName    map[string]Channel
	byAccount map[string]int
	outgoing  map[string]int        // number of Outgoing channels, by account
	parts     map[string]part       // channels of calls that an account set up, by name
	out       map[string]Leg        // calls that left the site, by the trunk's channel
	forwards  map[string]forwarding // by name of the channel whose next dial it is
	changed   map[string]bool       // channels that went up (true) or down (false) since BeginSnapshot; nil outside a snapshot
	refused   uint64
}

// New returns an empty Tracker.
func New() *Tracker {
	return &Tracker{
		byName: map[string]Channel{}, byAccount: map[string]int{}, outgoing: map[string]int{},
		parts: map[string]part{}, forwards: map[string]forwarding{}, out: map[string]Leg{},
	}
}

// Up records a new channel. It replaces a known one.
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
		t.parts[c.Name] = part{call: &trackedCall{account: c.Account, outgoing: c.Outgoing, placed: true, own: c.Name, first: c.Name, did: c.Dialled}}
	}
	if t.changed != nil {
		t.changed[c.Name] = true
	}
}

// Down records the end of a channel and returns the channel. ok is false if it is
// unknown.
func (t *Tracker) Down(name string) (c Channel, ok bool) {
	if t.changed != nil {
		t.changed[name] = false
	}
	delete(t.parts, name)
	delete(t.forwards, name)
	delete(t.out, name)
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

// Answer records that a channel was answered. Only the first answer counts.
func (t *Tracker) Answer(at time.Time, name string) {
	if c, ok := t.byName[name]; ok && c.Answered.IsZero() {
		c.Answered = at
		t.byName[name] = c
	}
	t.reached(name)
	if l, ok := t.out[name]; ok && l.Answered.IsZero() {
		l.Answered = at
		t.out[name] = l
	}
}

// BeginSnapshot must be called before requesting Asterisk's list of channels. Events
// from here on are newer than that list.
func (t *Tracker) BeginSnapshot() { t.changed = map[string]bool{} }

// ApplySnapshot replaces the known channels by Asterisk's list, for example after a
// gap in the events. Events since BeginSnapshot take precedence.
func (t *Tracker) ApplySnapshot(up []Channel) {
	newer := t.changed
	t.changed = nil
	listed := make(map[string]bool, len(up))
	for _, c := range up {
		listed[c.Name] = true
	}
	gone := func(name string) bool {
		if alive, ok := newer[name]; ok {
			return !alive
		}
		return !listed[name]
	}
	for name := range t.byName {
		if gone(name) {
			t.Down(name)
		}
	}
	for name := range t.parts {
		if gone(name) {
			t.Down(name)
		}
	}
	for name := range t.out {
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
	t.attachUnseen(up)
}

// Account returns the number of channels that an account has up.
func (t *Tracker) Account(account string) int { return t.byAccount[account] }

// Of returns the channels that an account has up, in no order.
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

// All returns the channels that are up, in no order.
func (t *Tracker) All() iter.Seq[Channel] { return maps.Values(t.byName) }

// Outgoing returns the number of outgoing calls that an account has up.
func (t *Tracker) Outgoing(account string) int { return t.outgoing[account] }

// Channel returns the channel of that name. ok is false if it is unknown.
func (t *Tracker) Channel(name string) (c Channel, ok bool) {
	c, ok = t.byName[name]
	return c, ok
}

// Len returns the number of channels up.
func (t *Tracker) Len() int { return len(t.byName) }

// Refused returns the number of channels that were not tracked for lack of room.
func (t *Tracker) Refused() uint64 { return t.refused }
