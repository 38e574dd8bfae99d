package intake

import (
	"bytes"
	"crypto/rand"
	"time"

	"github.com/tollwarden/tollwarden/ami/event"
)

// CanaryName begins the made-up names of canaries, so that a person who reads
// Asterisk's log knows them.
const CanaryName = "tollwarden-canary-"

var canaryPrefix = []byte(CanaryName)

// Canaries are the security events that the daemon has Asterisk raise about
// the daemon itself, to see whether they arrive. One is a login to the manager
// interface, with a made-up name that nobody can know beforehand, or with our
// own name and the right secret, or an action with such a name over a session
// that there is.
type Canaries struct {
	username string
	names    [8]string // made up lately: even one that comes late is no attack
	made     int
	waiting  [sensors]chan struct{} // closed when the one waited for is heard
	name     string                 // what is waited for; "" is our own
	heardAt  [sensors]time.Time

	guesses [8]string // made up lately, by NewGuess
	guessed int
	guess   string        // what is waited for
	seen    chan struct{} // closed when it is heard
}

// New makes up a name for one canary and returns a channel that is closed when
// the event session has heard it. The name is forgotten when eight more were
// made.
func (c *Canaries) New() (name string, heard <-chan struct{}) {
	name = CanaryName + rand.Text()
	c.names[c.made%len(c.names)] = name
	c.made++
	return name, c.await(name)
}

// NewOwn is New for a login with our own name.
func (c *Canaries) NewOwn() (heard <-chan struct{}) { return c.await("") }

// guessLength keeps the name of a guess whole: res_pjsip reports the first 36 bytes.
const guessLength = 16

// NewGuess makes up a name for one guess over SIP, which must not be scored, and returns a
// channel that is closed when the event session has heard it. Another one ends the wait for
// it.
func (c *Canaries) NewGuess() (name string, seen <-chan struct{}) {
	name = CanaryName + rand.Text()[:guessLength]
	c.guesses[c.guessed%len(c.guesses)] = name
	c.guessed++
	c.guess, c.seen = name, make(chan struct{})
	return name, c.seen
}

// HeardAt is when a sensor last heard a canary; the zero time when never.
func (c *Canaries) HeardAt(s Sensor) time.Time { return c.heardAt[s] }

func (c *Canaries) await(name string) <-chan struct{} {
	c.name = name
	for s := range c.waiting {
		c.waiting[s] = make(chan struct{})
	}
	return c.waiting[SensorAMI]
}

// heard takes note of a canary and says whether the event is one that must not
// be scored: one with a made-up name.
func (c *Canaries) heard(now time.Time, s Sensor, e *event.Event) (made bool) {
	if !Manager(e) {
		return bytes.HasPrefix(e.AccountID, canaryPrefix) && c.guessHeard(s, e.AccountID)
	}
	switch e.Kind {
	case event.SuccessfulAuth:
		if string(e.AccountID) == c.username {
			c.arrived(now, s, "")
		}
	case event.InvalidAccountID:
		return c.named(now, s, e.AccountID)
	case event.RequestBadFormat:
		// As main/manager.c writes it for an action that it does not know.
		if action, ok := bytes.CutPrefix(e.RequestType, actionPrefix); ok && string(e.AccountID) == c.username {
			return c.named(now, s, action)
		}
	}
	return false
}

// guessHeard takes an event of SIP with a name that may be a guess's.
func (c *Canaries) guessHeard(s Sensor, name []byte) (made bool) {
	for _, guess := range c.guesses {
		if guess != "" && guess == string(name) {
			if s == SensorAMI && guess == c.guess && c.seen != nil {
				close(c.seen)
				c.seen = nil
			}
			return true
		}
	}
	return false
}

var actionPrefix = []byte("Action: ")

// named takes an event that has a name which may be a canary's.
func (c *Canaries) named(now time.Time, s Sensor, is []byte) (made bool) {
	if !bytes.HasPrefix(is, canaryPrefix) {
		return false
	}
	for _, name := range c.names {
		if name == string(is) {
			c.arrived(now, s, name)
			return true
		}
	}
	return false
}

func (c *Canaries) arrived(now time.Time, s Sensor, name string) {
	c.heardAt[s] = now
	if name == c.name && c.waiting[s] != nil {
		close(c.waiting[s])
		c.waiting[s] = nil
	}
}
