package calls

import "time"

// maxChannels bounds the channels followed: ten times what a large PBX
// carries. Beyond it new channels are counted and not followed; they are
// still found and hung up, since hang-up asks Asterisk itself.
const maxChannels = 100_000

// Channel is one leg of a call that belongs to an account.
type Channel struct {
	Name     string // as Asterisk names it: PJSIP/1002-0000001a
	Account  string // endpoint or peer
	Linkedid string // the same for all legs of one call
	Dialled  string
	Since    time.Time
}

// Tracker knows the channels that are up. The zero Tracker is not ready; use
// New.
type Tracker struct {
	byName    map[string]Channel
	byAccount map[string]int
	refused   uint64
}

// New returns an empty Tracker.
func New() *Tracker {
	return &Tracker{byName: map[string]Channel{}, byAccount: map[string]int{}}
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
}

// Down records the end of a channel and returns it; one never seen is not ok.
func (t *Tracker) Down(name string) (c Channel, ok bool) {
	c, ok = t.byName[name]
	if !ok {
		return Channel{}, false
	}
	delete(t.byName, name)
	if t.byAccount[c.Account]--; t.byAccount[c.Account] == 0 {
		delete(t.byAccount, c.Account)
	}
	return c, true
}

// Rebuild replaces the whole picture by what Asterisk says is up, as after a
// gap in the events.
func (t *Tracker) Rebuild(up []Channel) {
	clear(t.byName)
	clear(t.byAccount)
	for _, c := range up {
		t.Up(c)
	}
}

// Account is the number of channels that an account has up.
func (t *Tracker) Account(account string) int { return t.byAccount[account] }

// Len is the number of channels up.
func (t *Tracker) Len() int { return len(t.byName) }

// Refused counts the channels that were not followed because of the bound.
func (t *Tracker) Refused() uint64 { return t.refused }
