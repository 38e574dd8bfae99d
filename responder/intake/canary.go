package intake

import (
	"bytes"
	"crypto/rand"
	"net/netip"
	"slices"
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

	guesses [8]ownGuess // made up lately, by NewGuess
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

// ownGuess is a guess over SIP that this machine sends to its own Asterisk.
type ownGuess struct {
	name string
	at   time.Time
	from []netip.Addr
}

const (
	// guessLength keeps the name of a guess whole: res_pjsip reports the first 36 bytes.
	guessLength = 16
	// guessLasts is how long the events of a guess may be on their way. The name is in
	// Asterisk's log from then on, for everybody who reads that.
	guessLasts = time.Minute
)

// NewGuess makes up a name for one guess over SIP from any of these addresses, which must not
// be scored, and returns a channel that is closed when the event session has heard it. Another
// one ends the wait for it.
func (c *Canaries) NewGuess(now time.Time, from []netip.Addr) (name string, seen <-chan struct{}) {
	name = CanaryName + rand.Text()[:guessLength]
	c.guesses[c.guessed%len(c.guesses)] = ownGuess{name, now, from}
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
		return bytes.HasPrefix(e.AccountID, canaryPrefix) && c.guessHeard(now, s, e)
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

// guessHeard takes an event of SIP with a name that may be a guess's. Only an extension from
// this machine that is unknown, or asked for its password, is one: chan_sip puts the number that
// somebody dials in the place of the extension, and whoever knew the name could guess passwords
// unseen.
func (c *Canaries) guessHeard(now time.Time, s Sensor, e *event.Event) (made bool) {
	if e.Kind != event.InvalidAccountID && e.Kind != event.ChallengeSent { // the latter of chan_sip
		return false
	}
	for _, g := range c.guesses {
		if g.name == "" || g.name != string(e.AccountID) || now.Sub(g.at) > guessLasts || !slices.Contains(g.from, e.Remote.Addr()) {
			continue
		}
		if s == SensorAMI && g.name == c.guess && c.seen != nil {
			close(c.seen)
			c.seen = nil
		}
		return true
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
