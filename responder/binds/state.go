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
// ahead of what runs.
type State struct {
	configured []uint16
	learned    Memory
	err        error // of the last question
	left       int   // binds that did not fit
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
	s.learned = Memory{Started: m.Started, Binds: s.bounded(union(m.Binds, nil))}
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
	restarted := err == nil && a.Started != "" && a.Started != s.learned.Started
	keep := s.learned.Binds
	if restarted {
		s.learned.Started, keep = a.Started, nil
	}
	s.left = 0
	s.learned.Binds = s.bounded(union(keep, a.Binds))
	all := s.All()
	for port, n := range s.named {
		n.denied = n.denied || err == nil
		s.named[port] = n
		if slices.Contains(all, port) || now.Sub(n.last) > forgetNamed {
			delete(s.named, port)
		}
	}
}

func (s *State) bounded(b []Bind) []Bind {
	if n := len(b) - maxLearned; n > 0 {
		s.left += n
		b = b[:maxLearned]
	}
	return b
}

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
