package binds

import (
	"slices"
	"time"
)

const (
	// MaxPorts is how many different ports of a protocol are closed. Every packet is
	// compared with each of them.
	MaxPorts = 64
	// maxLearned is how many binds of a protocol are remembered.
	maxLearned = 2 * MaxPorts
	// maxNamed is how many ports of events are remembered.
	maxNamed = 16
	// forgetNamed is how long a port that only events name is reported.
	forgetNamed = time.Hour
)

// side is the ports of one protocol.
type side struct {
	configured []uint16
	ami        uint16 // of the configuration; 0: none
	learned    []Bind
	current    []Bind // those that this Asterisk named
	left       int    // binds that did not fit
	named      map[uint16]named
}

// named is a port that an event named as Asterisk's own, but no answer.
type named struct {
	last   time.Time
	denied bool // an answer since then lacked it, too
}

// Port is one closed port and who asked for it.
type Port struct {
	Number     uint16
	Configured bool     // by firewall.sip_ports or sip_tcp_ports
	Drivers    []Driver // that listen there
}

func newSide(remembered []Bind) side {
	return side{learned: bounded(union(remembered, nil)), named: map[uint16]named{}}
}

func (s *side) configure(ports []uint16, ami uint16) {
	ports = slices.Compact(slices.Sorted(slices.Values(ports)))
	s.configured, s.ami = ports[:min(len(ports), MaxPorts)], ami
}

// learn takes an answer, of an Asterisk that was restarted since the last one or not.
// If that has loaded its modules by now, the answers are complete.
func (s *side) learn(answer []Bind, restarted, complete bool) {
	if restarted {
		s.current = nil
	}
	s.current = bounded(union(s.current, answer))
	all := s.current
	if !complete {
		all = union(s.learned, answer)
	}
	s.learned = bounded(all)
	s.left = len(union(all, answer)) - len(s.learned)
}

// settleNamed forgets the named ports that are closed by now or were named long ago,
// and notes that the others are in no answer.
func (s *side) settleNamed(now time.Time, err error) {
	closed := s.closed()
	for port, n := range s.named {
		n.denied = n.denied || err == nil
		s.named[port] = n
		if slices.Contains(closed, port) || now.Sub(n.last) > forgetNamed {
			delete(s.named, port)
		}
	}
}

func bounded(b []Bind) []Bind { return b[:min(len(b), maxLearned)] }

func (s *side) name(now time.Time, port uint16) (ask bool) {
	if slices.Contains(s.closed(), port) {
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

func (s *side) closed() []uint16 { return s.ports(func(Driver) bool { return true }) }

// ports are the configured ports and as many others as fit.
func (s *side) ports(of func(Driver) bool) []uint16 {
	all := slices.Clone(s.configured)
	for _, b := range s.binds() {
		if of(b.Driver) && !slices.Contains(all, b.Port) && len(all) < MaxPorts {
			all = append(all, b.Port)
		}
	}
	slices.Sort(all)
	return all
}

// binds are the learned binds, and first the manager interface's port of the
// configuration.
func (s *side) binds() []Bind {
	own := Bind{s.ami, AMI}
	if s.ami == 0 || slices.Contains(s.learned, own) {
		return s.learned
	}
	return append([]Bind{own}, s.learned...)
}

func (s *side) list() []Port {
	var out []Port
	for _, number := range s.closed() {
		p := Port{Number: number, Configured: slices.Contains(s.configured, number)}
		for _, b := range s.binds() {
			if b.Port == number {
				p.Drivers = append(p.Drivers, b.Driver)
			}
		}
		out = append(out, p)
	}
	return out
}

func (s *side) open() (ports []uint16, left int) {
	for port, n := range s.named {
		if n.denied {
			ports = append(ports, port)
		}
	}
	slices.Sort(ports)
	all := s.closed()
	left = s.left
	for _, b := range s.learned {
		if !slices.Contains(all, b.Port) {
			left++
		}
	}
	return ports, left
}
