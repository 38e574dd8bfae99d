package binds

import (
	"errors"
	"slices"
	"time"
)

const (
	// MaxPorts is how many different ports are closed. Every packet is compared
	// with each of them.
	MaxPorts = 64
	// maxLearned is how many binds are remembered.
	maxLearned = 2 * MaxPorts
	// maxNamed is how many ports of events are remembered.
	maxNamed = 16
	// settle is how long an Asterisk that was started anew may take until it has
	// loaded all of its modules.
	settle = time.Minute
	// forgetNamed is how long a port that only events name is reported.
	forgetNamed = time.Hour
)

// ErrNotAsked is the state's error before the first question.
var ErrNotAsked = errors.New("not asked yet")

// Memory is what outlives the daemon, so that a restart closes no fewer ports.
type Memory struct {
	Started string `json:"started"` // see Answer
	Binds   []Bind `json:"binds"`
}

// State is which ports are closed, and why. A port that was learned stays closed as
// long as that Asterisk runs, even if a later answer lacks it: res_pjsip keeps the
// socket of a transport that a reload removed, and a configuration file may be
// ahead of what runs. It is forgotten if the next Asterisk, once its modules are
// loaded, has not named it.
type State struct {
	configured []uint16
	learned    Memory
	current    []Bind    // those that this Asterisk named
	since      time.Time // when it was first asked; zero: nothing of another one is left
	err        error     // of the last question
	left       int       // binds that did not fit
	named      map[uint16]named
}

// named is a port that an event named as Asterisk's own, but no answer.
type named struct {
	last   time.Time
	denied bool // an answer since then lacked it, too
}

// New returns a State with the ports of the configuration, which are always closed,
// and what an earlier one remembered.
func New(configured []uint16, m Memory) *State {
	s := &State{err: ErrNotAsked, named: map[uint16]named{}}
	s.learned = Memory{Started: m.Started, Binds: bounded(union(m.Binds, nil))}
	s.Configure(configured)
	return s
}

// Configure replaces the ports of the configuration, at most MaxPorts. Learned ones
// stay.
func (s *State) Configure(ports []uint16) {
	ports = slices.Compact(slices.Sorted(slices.Values(ports)))
	s.configured = ports[:min(len(ports), MaxPorts)]
}

// Learn takes an answer. An error beside it says why it may lack something: then
// nothing is forgotten.
func (s *State) Learn(now time.Time, a Answer, err error) {
	s.err = err
	if err == nil && a.Started != "" && a.Started != s.learned.Started {
		s.learned.Started, s.current, s.since = a.Started, nil, now
	}
	s.current = bounded(union(s.current, a.Binds))
	all := s.current
	if !s.since.IsZero() && err == nil && now.Sub(s.since) >= settle {
		s.since = time.Time{}
	} else {
		all = union(s.learned.Binds, a.Binds)
	}
	s.learned.Binds = bounded(all)
	s.left = len(union(all, a.Binds)) - len(s.learned.Binds)
	s.settleNamed(now, err)
}

// settleNamed forgets the named ports that are closed by now or were named long ago,
// and notes that the others are in no answer.
func (s *State) settleNamed(now time.Time, err error) {
	closed := s.All()
	for port, n := range s.named {
		n.denied = n.denied || err == nil
		s.named[port] = n
		if slices.Contains(closed, port) || now.Sub(n.last) > forgetNamed {
			delete(s.named, port)
		}
	}
}

func bounded(b []Bind) []Bind { return b[:min(len(b), maxLearned)] }

// Name takes the local UDP port of an event. That a port is named does not close
// it, since an event can be forged. ask says that Asterisk is to be asked again
// for it.
func (s *State) Name(now time.Time, port uint16) (ask bool) {
	if slices.Contains(s.All(), port) {
		return false
	}
	n, known := s.named[port]
	if !known && len(s.named) >= maxNamed {
		return false
	}
	n.last = now
	s.named[port] = n
	return !known
}

// All are the ports to close, in order.
func (s *State) All() []uint16 { return s.ports(func(Driver) bool { return true }) }

// SIP are those on which Asterisk takes SIP, in order.
func (s *State) SIP() []uint16 { return s.ports(func(d Driver) bool { return d != IAX2 }) }

// ports are the configured ports and as many learned ones as fit.
func (s *State) ports(of func(Driver) bool) []uint16 {
	all := slices.Clone(s.configured)
	for _, b := range s.learned.Binds {
		if of(b.Driver) && !slices.Contains(all, b.Port) && len(all) < MaxPorts {
			all = append(all, b.Port)
		}
	}
	slices.Sort(all)
	return all
}

// Memory is what to keep for the next start. The caller must not change it.
func (s *State) Memory() Memory { return s.learned }

// Port is one closed port and who asked for it.
type Port struct {
	Number     uint16
	Configured bool     // by firewall.sip_ports
	Drivers    []Driver // that listen there
}

// Ports are the closed ports with their sources, in order.
func (s *State) Ports() []Port {
	var out []Port
	for _, number := range s.All() {
		p := Port{Number: number, Configured: slices.Contains(s.configured, number)}
		for _, b := range s.learned.Binds {
			if b.Port == number {
				p.Drivers = append(p.Drivers, b.Driver)
			}
		}
		out = append(out, p)
	}
	return out
}

// Err is why the last answer may lack something; ErrNotAsked before the first, and
// nil if it lacks nothing.
func (s *State) Err() error { return s.err }

// Open are ports on which Asterisk takes SIP or IAX2 but that are not closed: those
// that events named and answers lacked, in order, and left, how many ports were
// too many.
func (s *State) Open() (named []uint16, left int) {
	for port, n := range s.named {
		if n.denied {
			named = append(named, port)
		}
	}
	slices.Sort(named)
	all := s.All()
	left = s.left
	for _, b := range s.learned.Binds {
		if !slices.Contains(all, b.Port) {
			left++
		}
	}
	return named, left
}
