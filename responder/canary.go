package responder

import (
	"bytes"
	"crypto/rand"
	"time"

	"github.com/tollwarden/tollwarden/ami/event"
)

// CanaryName begins the made-up names of canaries, so that a person who reads
// Asterisk's log knows them.
const CanaryName = "tollwarden-canary-"

// canaries are the security events that the daemon has Asterisk raise about
// the daemon itself, to see whether they arrive. One is a login to the manager
// interface, with a made-up name that nobody can know beforehand, or with our
// own name and the right secret.
type canaries struct {
	username string
	names    [8]string // made up lately: even one that comes late is no attack
	made     int
	waiting  [sensors]chan struct{} // closed when the one waited for is heard
	name     string                 // what is waited for; "" is our own
	heardAt  [sensors]time.Time
}

// Canary makes up a name for one canary and says how to know that the event
// session has heard it. The name is forgotten when eight more were made.
func (r *Responder) Canary() (name string, heard <-chan struct{}) {
	name = CanaryName + rand.Text()
	r.mu.Lock()
	defer r.mu.Unlock()
	c := &r.canaries
	c.names[c.made%len(c.names)] = name
	c.made++
	return name, c.await(name)
}

// OwnCanary is Canary for a login with our own name.
func (r *Responder) OwnCanary() (heard <-chan struct{}) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.canaries.await("")
}

// CanaryHeard is when a sensor last heard a canary; the zero time when never.
func (r *Responder) CanaryHeard(s Sensor) time.Time {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.canaries.heardAt[s]
}

func (c *canaries) await(name string) <-chan struct{} {
	c.name = name
	for s := range c.waiting {
		c.waiting[s] = make(chan struct{})
	}
	return c.waiting[SensorAMI]
}

// heard takes note of a canary and says whether the event is one that nobody
// must score: one with a made-up name.
func (c *canaries) heard(now time.Time, s Sensor, e *event.Event) (made bool) {
	if !bytes.Equal(e.Service, serviceAMI) {
		return false
	}
	switch e.Kind {
	case event.SuccessfulAuth:
		if string(e.AccountID) == c.username {
			c.arrived(now, s, "")
		}
	case event.InvalidAccountID:
		if !bytes.HasPrefix(e.AccountID, canaryPrefix) {
			return false
		}
		for _, name := range c.names {
			if name == string(e.AccountID) {
				c.arrived(now, s, name)
				return true
			}
		}
	}
	return false
}

var canaryPrefix = []byte(CanaryName)

func (c *canaries) arrived(now time.Time, s Sensor, name string) {
	c.heardAt[s] = now
	if name == c.name && c.waiting[s] != nil {
		close(c.waiting[s])
		c.waiting[s] = nil
	}
}
