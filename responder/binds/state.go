package binds

import (
	"errors"
	"time"
)

// settle is how long an Asterisk that was started anew may take until it has
// loaded all of its modules.
const settle = time.Minute

// ErrNotAsked is the state's error before the first question.
var ErrNotAsked = errors.New("not asked yet")

// Memory is what outlives the daemon, so that a restart closes no fewer ports.
type Memory struct {
	Started string `json:"started"` // see Answer
	Binds   []Bind `json:"binds"`   // over UDP
	TCP     []Bind `json:"tcp,omitempty"`
}

// Configured are the ports of the configuration, which are always closed: at most
// MaxPorts of each protocol.
type Configured struct {
	UDP, TCP []uint16
	// AMI is the TCP port of Asterisk's manager interface; 0 if it is not known.
	AMI uint16
}

// State is which ports are closed, and why. A port that was learned stays closed as
// long as that Asterisk runs, even if a later answer lacks it: res_pjsip keeps the
// socket of a transport that a reload removed, and a configuration file may be
// ahead of what runs. It is forgotten if the next Asterisk, once its modules are
// loaded, has not named it.
type State struct {
	sides   [TCP + 1]side
	started string
	since   time.Time // when this Asterisk was first asked; zero: nothing of another one is left
	err     error     // of the last question
}

// New returns a State with the ports of the configuration and what an earlier one
// remembered.
func New(c Configured, m Memory) *State {
	s := &State{err: ErrNotAsked, started: m.Started}
	s.sides[UDP] = newSide(m.Binds)
	s.sides[TCP] = newSide(m.TCP)
	s.Configure(c)
	return s
}

// Configure replaces the ports of the configuration. Learned ones stay.
func (s *State) Configure(c Configured) {
	s.sides[UDP].configure(c.UDP, 0)
	s.sides[TCP].configure(c.TCP, c.AMI)
}

// Learn takes an answer. An error beside it says why it may lack something: then
// nothing is forgotten.
func (s *State) Learn(now time.Time, a Answer, err error) {
	s.err = err
	restarted := err == nil && a.Started != "" && a.Started != s.started
	if restarted {
		s.started, s.since = a.Started, now
	}
	complete := !s.since.IsZero() && err == nil && now.Sub(s.since) >= settle
	if complete {
		s.since = time.Time{}
	}
	for p := range s.sides {
		s.sides[p].learn(a.of(Protocol(p)), restarted, complete)
		s.sides[p].settleNamed(now, err)
	}
}

// Name takes the local port of an event. That a port is named does not close it,
// since an event can be forged. ask says that Asterisk is to be asked again for it.
func (s *State) Name(now time.Time, p Protocol, port uint16) (ask bool) {
	return s.sides[p].name(now, port)
}

// Closed are the ports to close, in order.
func (s *State) Closed(p Protocol) []uint16 {
	return s.sides[p].ports(func(Driver) bool { return true })
}

// SIP are those on which Asterisk takes SIP, over TCP also as TLS or WebSocket, in
// order.
func (s *State) SIP(p Protocol) []uint16 { return s.sides[p].ports(Driver.SIP) }

// Memory is what to keep for the next start. The caller must not change it.
func (s *State) Memory() Memory {
	return Memory{Started: s.started, Binds: s.sides[UDP].learned, TCP: s.sides[TCP].learned}
}

// Ports are the closed ports with their sources, in order.
func (s *State) Ports(p Protocol) []Port { return s.sides[p].list() }

// Err is why the last answer may lack something; ErrNotAsked before the first, and
// nil if it lacks nothing.
func (s *State) Err() error { return s.err }

// Open are ports on which Asterisk takes logins but that are not closed: those that
// events named and answers lacked, in order, and left, how many ports were too many.
func (s *State) Open(p Protocol) (named []uint16, left int) { return s.sides[p].open() }
