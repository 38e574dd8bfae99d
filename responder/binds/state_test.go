package binds

import (
	"errors"
	"slices"
	"testing"
	"time"
)

var (
	noon    = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	errDeaf = errors.New("refused")
)

func TestPortsInForce(t *testing.T) {
	both := []uint16{5060, 5061}
	office := []Bind{{5060, PJSIP}, {5160, ChanSIP}, {4569, IAX2}}
	tests := map[string]struct {
		configured []uint16
		remembered Memory
		answers    []Answer
		err        error // of the last answer
		all, sip   []uint16
	}{
		"not asked yet": {configured: both, all: both, sip: both},
		"remembered": {
			configured: both, remembered: Memory{Started: "monday", Binds: []Bind{{5160, ChanSIP}, {4569, IAX2}}},
			all: []uint16{4569, 5060, 5061, 5160}, sip: []uint16{5060, 5061, 5160},
		},
		"learned": {
			configured: both, answers: []Answer{{Started: "monday", Binds: office}},
			all: []uint16{4569, 5060, 5061, 5160}, sip: []uint16{5060, 5061, 5160},
		},
		"one port for both protocols": {
			configured: both, answers: []Answer{{Started: "monday", Binds: []Bind{{5060, IAX2}, {5160, PJSIP}, {5160, IAX2}}}},
			all: []uint16{5060, 5061, 5160}, sip: []uint16{5060, 5061, 5160},
		},
		"a transport that a reload removed keeps its socket": {
			configured: both, answers: []Answer{{Started: "monday", Binds: office}, {Started: "monday", Binds: []Bind{{5060, PJSIP}}}},
			all: []uint16{4569, 5060, 5061, 5160}, sip: []uint16{5060, 5061, 5160},
		},
		"a restart closes the sockets": {
			configured: both, answers: []Answer{{Started: "monday", Binds: office}, {Started: "tuesday", Binds: []Bind{{5070, PJSIP}}}, {Started: "tuesday", Binds: []Bind{{5080, ChanSIP}}}},
			all: []uint16{5060, 5061, 5070, 5080}, sip: []uint16{5060, 5061, 5070, 5080},
		},
		"a restart, while modules are loaded": {
			configured: both, answers: []Answer{{Started: "monday", Binds: office}, {Started: "tuesday", Binds: nil}},
			all: []uint16{4569, 5060, 5061, 5160}, sip: []uint16{5060, 5061, 5160},
		},
		"a restart that answers half": {
			configured: both, answers: []Answer{{Started: "monday", Binds: office}, {Started: "tuesday", Binds: nil}, {Started: "tuesday", Binds: []Bind{{5070, PJSIP}}}}, err: errDeaf,
			all: []uint16{4569, 5060, 5061, 5070, 5160}, sip: []uint16{5060, 5061, 5070, 5160},
		},
		"it does not say when it started": {
			configured: both, answers: []Answer{{Started: "monday", Binds: office}, {Started: "", Binds: []Bind{{5070, PJSIP}}}},
			all: []uint16{4569, 5060, 5061, 5070, 5160}, sip: []uint16{5060, 5061, 5070, 5160},
		},
		"refused": {
			configured: both, answers: []Answer{{Started: "monday", Binds: office}, {}}, err: errDeaf,
			all: []uint16{4569, 5060, 5061, 5160}, sip: []uint16{5060, 5061, 5160},
		},
		"port 0": {configured: both, answers: []Answer{{Started: "monday", Binds: []Bind{{0, PJSIP}}}}, all: both, sip: both},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			s := New(Configured{UDP: tt.configured}, tt.remembered)
			for i, a := range tt.answers {
				var err error
				if i == len(tt.answers)-1 {
					err = tt.err
				}
				s.Learn(noon.Add(time.Duration(i)*settle), a, err)
			}
			if got := s.Closed(UDP); !slices.Equal(got, tt.all) {
				t.Errorf("closed: %v, want %v", got, tt.all)
			}
			if got := s.SIP(UDP); !slices.Equal(got, tt.sip) {
				t.Errorf("watched: %v, want %v", got, tt.sip)
			}
			again := New(Configured{UDP: tt.configured}, s.Memory())
			if got := again.Closed(UDP); !slices.Equal(got, tt.all) {
				t.Errorf("closed after a restart: %v, want %v", got, tt.all)
			}
			if len(tt.answers) > 0 && !errors.Is(s.Err(), tt.err) {
				t.Errorf("error %v, want %v", s.Err(), tt.err)
			}
		})
	}
}

func TestConfigureKeepsWhatWasLearned(t *testing.T) {
	s := New(Configured{UDP: []uint16{5060, 5061}}, Memory{})
	s.Learn(noon, Answer{Started: "monday", Binds: []Bind{{5160, ChanSIP}}}, nil)
	s.Configure(Configured{UDP: []uint16{5080, 5080}})
	if got, want := s.Closed(UDP), []uint16{5080, 5160}; !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
	ports := s.Ports(UDP)
	if len(ports) != 2 || !ports[0].Configured || len(ports[0].Drivers) > 0 || ports[1].Configured || !slices.Equal(ports[1].Drivers, []Driver{ChanSIP}) {
		t.Errorf("%+v", ports)
	}
}

// An answer without end closes the configured ports and as many others as fit, and
// says how many did not.
func TestMorePortsThanFit(t *testing.T) {
	s := New(Configured{UDP: []uint16{5060, 5061}}, Memory{})
	var many []Bind
	for port := range 1000 {
		many = append(many, Bind{uint16(6000 + port), PJSIP})
	}
	s.Learn(noon, Answer{Started: "monday", Binds: many}, nil)
	all := s.Closed(UDP)
	if len(all) != MaxPorts || !slices.Contains(all, 5060) || !slices.Contains(all, 5061) {
		t.Errorf("%v", all)
	}
	if _, left := s.Open(UDP); left != 1000-(MaxPorts-2) {
		t.Errorf("%d left out", left)
	}
	if n := len(s.Memory().Binds); n > maxLearned {
		t.Errorf("%d binds are remembered", n)
	}
	s.Learn(noon, Answer{Started: "tuesday", Binds: many[:3]}, nil)
	s.Learn(noon.Add(settle), Answer{Started: "tuesday", Binds: many[:3]}, nil)
	if _, left := s.Open(UDP); left != 0 {
		t.Errorf("%d left out after a restart", left)
	}
}

// A port that an event names is asked about once, and closed only if Asterisk
// confirms it.
func TestNamedPorts(t *testing.T) {
	s := New(Configured{UDP: []uint16{5060}}, Memory{})
	if s.Name(noon, UDP, 5060) {
		t.Error("a closed port is asked about")
	}
	if !s.Name(noon, UDP, 5160) || s.Name(noon, UDP, 5160) {
		t.Error("an unknown port is not asked about once")
	}
	if slices.Contains(s.Closed(UDP), 5160) {
		t.Error("a port is closed because an event named it")
	}
	if open, _ := s.Open(UDP); len(open) > 0 {
		t.Errorf("%v reported before Asterisk was asked", open)
	}
	s.Learn(noon, Answer{}, errDeaf)
	if open, _ := s.Open(UDP); len(open) > 0 {
		t.Errorf("%v reported without an answer", open)
	}
	s.Learn(noon, Answer{Started: "monday", Binds: []Bind{{5160, ChanSIP}}}, nil)
	if s.Name(noon, UDP, 5160) || !slices.Contains(s.Closed(UDP), 5160) {
		t.Error("a confirmed port is not closed")
	}
	s.Name(noon, UDP, 5170)
	s.Learn(noon, Answer{Started: "monday", Binds: nil}, nil)
	if open, _ := s.Open(UDP); !slices.Equal(open, []uint16{5170}) {
		t.Errorf("open: %v", open)
	}
	s.Learn(noon.Add(2*forgetNamed), Answer{Started: "monday", Binds: nil}, nil)
	if open, _ := s.Open(UDP); len(open) > 0 {
		t.Errorf("still open after hours without an event: %v", open)
	}
	asked := 0
	for port := range uint16(1000) {
		if s.Name(noon, UDP, 10000+port) {
			asked++
		}
	}
	if asked > maxNamed {
		t.Errorf("%d ports are asked about", asked)
	}
}

// The TCP ports are a list of their own. The manager interface is closed, too, but no
// SIP is taken there.
func TestPortsOverTCP(t *testing.T) {
	s := New(Configured{UDP: []uint16{5060}, TCP: []uint16{5060, 8088}, AMI: 5038}, Memory{Started: "monday", TCP: []Bind{{5070, PJSIP}}})
	expect := func(when string, udp, tcp, sip []uint16) {
		t.Helper()
		if u, c, p := s.Closed(UDP), s.Closed(TCP), s.SIP(TCP); !slices.Equal(u, udp) || !slices.Equal(c, tcp) || !slices.Equal(p, sip) {
			t.Errorf("%s: UDP %v, TCP %v, of them SIP %v; want %v, %v and %v", when, u, c, p, udp, tcp, sip)
		}
	}
	expect("remembered", []uint16{5060}, []uint16{5038, 5060, 5070, 8088}, []uint16{5060, 5070, 8088})
	if !s.Name(noon, TCP, 5039) || s.Name(noon, TCP, 5038) || s.Name(noon, UDP, 5060) {
		t.Error("not just the port that is not closed is asked about")
	}
	s.Learn(noon, Answer{Started: "monday", Binds: []Bind{{5160, PJSIP}}, TCP: []Bind{{5061, PJSIP}, {8089, HTTP}, {5039, AMI}}}, nil)
	expect("learned", []uint16{5060, 5160}, []uint16{5038, 5039, 5060, 5061, 5070, 8088, 8089}, []uint16{5060, 5061, 5070, 8088, 8089})
	again := New(Configured{}, s.Memory())
	if got, want := again.Closed(TCP), []uint16{5039, 5061, 5070, 8089}; !slices.Equal(got, want) {
		t.Errorf("after a restart without configured ports: %v, want %v", got, want)
	}
	s.Configure(Configured{UDP: []uint16{5060}, AMI: 5038})
	ports := s.Ports(TCP)
	if len(ports) != 5 || ports[0].Number != 5038 || ports[0].Configured || !slices.Equal(ports[0].Drivers, []Driver{AMI}) {
		t.Errorf("%+v", ports)
	}
	s.Learn(noon.Add(settle), Answer{Started: "tuesday"}, nil)
	s.Learn(noon.Add(2*settle), Answer{Started: "tuesday", TCP: []Bind{{5038, AMI}}}, nil)
	expect("after a restart of Asterisk", []uint16{5060}, []uint16{5038}, nil)
	if ports := s.Ports(TCP); len(ports) != 1 || len(ports[0].Drivers) != 1 {
		t.Errorf("%+v", ports)
	}
}
