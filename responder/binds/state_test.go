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
			configured: both, remembered: Memory{"monday", []Bind{{5160, ChanSIP}, {4569, IAX2}}},
			all: []uint16{4569, 5060, 5061, 5160}, sip: []uint16{5060, 5061, 5160},
		},
		"learned": {
			configured: both, answers: []Answer{{"monday", office}},
			all: []uint16{4569, 5060, 5061, 5160}, sip: []uint16{5060, 5061, 5160},
		},
		"one port for both protocols": {
			configured: both, answers: []Answer{{"monday", []Bind{{5060, IAX2}, {5160, PJSIP}, {5160, IAX2}}}},
			all: []uint16{5060, 5061, 5160}, sip: []uint16{5060, 5061, 5160},
		},
		"a transport that a reload removed keeps its socket": {
			configured: both, answers: []Answer{{"monday", office}, {"monday", []Bind{{5060, PJSIP}}}},
			all: []uint16{4569, 5060, 5061, 5160}, sip: []uint16{5060, 5061, 5160},
		},
		"a restart closes the sockets": {
			configured: both, answers: []Answer{{"monday", office}, {"tuesday", []Bind{{5070, PJSIP}}}, {"tuesday", []Bind{{5080, ChanSIP}}}},
			all: []uint16{5060, 5061, 5070, 5080}, sip: []uint16{5060, 5061, 5070, 5080},
		},
		"a restart, while modules are loaded": {
			configured: both, answers: []Answer{{"monday", office}, {"tuesday", nil}},
			all: []uint16{4569, 5060, 5061, 5160}, sip: []uint16{5060, 5061, 5160},
		},
		"a restart that answers half": {
			configured: both, answers: []Answer{{"monday", office}, {"tuesday", nil}, {"tuesday", []Bind{{5070, PJSIP}}}}, err: errDeaf,
			all: []uint16{4569, 5060, 5061, 5070, 5160}, sip: []uint16{5060, 5061, 5070, 5160},
		},
		"it does not say when it started": {
			configured: both, answers: []Answer{{"monday", office}, {"", []Bind{{5070, PJSIP}}}},
			all: []uint16{4569, 5060, 5061, 5070, 5160}, sip: []uint16{5060, 5061, 5070, 5160},
		},
		"refused": {
			configured: both, answers: []Answer{{"monday", office}, {}}, err: errDeaf,
			all: []uint16{4569, 5060, 5061, 5160}, sip: []uint16{5060, 5061, 5160},
		},
		"port 0": {configured: both, answers: []Answer{{"monday", []Bind{{0, PJSIP}}}}, all: both, sip: both},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			s := New(tt.configured, tt.remembered)
			for i, a := range tt.answers {
				var err error
				if i == len(tt.answers)-1 {
					err = tt.err
				}
				s.Learn(noon.Add(time.Duration(i)*settle), a, err)
			}
			if got := s.All(); !slices.Equal(got, tt.all) {
				t.Errorf("closed: %v, want %v", got, tt.all)
			}
			if got := s.SIP(); !slices.Equal(got, tt.sip) {
				t.Errorf("watched: %v, want %v", got, tt.sip)
			}
			again := New(tt.configured, s.Memory())
			if got := again.All(); !slices.Equal(got, tt.all) {
				t.Errorf("closed after a restart: %v, want %v", got, tt.all)
			}
			if len(tt.answers) > 0 && !errors.Is(s.Err(), tt.err) {
				t.Errorf("error %v, want %v", s.Err(), tt.err)
			}
		})
	}
}

func TestConfigureKeepsWhatWasLearned(t *testing.T) {
	s := New([]uint16{5060, 5061}, Memory{})
	s.Learn(noon, Answer{"monday", []Bind{{5160, ChanSIP}}}, nil)
	s.Configure([]uint16{5080, 5080})
	if got, want := s.All(), []uint16{5080, 5160}; !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
	ports := s.Ports()
	if len(ports) != 2 || !ports[0].Configured || len(ports[0].Drivers) > 0 || ports[1].Configured || !slices.Equal(ports[1].Drivers, []Driver{ChanSIP}) {
		t.Errorf("%+v", ports)
	}
}

// An answer without end closes the configured ports and as many others as fit, and
// says how many did not.
func TestMorePortsThanFit(t *testing.T) {
	s := New([]uint16{5060, 5061}, Memory{})
	var many []Bind
	for port := range 1000 {
		many = append(many, Bind{uint16(6000 + port), PJSIP})
	}
	s.Learn(noon, Answer{"monday", many}, nil)
	all := s.All()
	if len(all) != MaxPorts || !slices.Contains(all, 5060) || !slices.Contains(all, 5061) {
		t.Errorf("%v", all)
	}
	if _, left := s.Open(); left != 1000-(MaxPorts-2) {
		t.Errorf("%d left out", left)
	}
	if n := len(s.Memory().Binds); n > maxLearned {
		t.Errorf("%d binds are remembered", n)
	}
	s.Learn(noon, Answer{"tuesday", many[:3]}, nil)
	s.Learn(noon.Add(settle), Answer{"tuesday", many[:3]}, nil)
	if _, left := s.Open(); left != 0 {
		t.Errorf("%d left out after a restart", left)
	}
}

// A port that an event names is asked about once, and closed only if Asterisk
// confirms it.
func TestNamedPorts(t *testing.T) {
	s := New([]uint16{5060}, Memory{})
	if s.Name(noon, 5060) {
		t.Error("a closed port is asked about")
	}
	if !s.Name(noon, 5160) || s.Name(noon, 5160) {
		t.Error("an unknown port is not asked about once")
	}
	if slices.Contains(s.All(), 5160) {
		t.Error("a port is closed because an event named it")
	}
	if open, _ := s.Open(); len(open) > 0 {
		t.Errorf("%v reported before Asterisk was asked", open)
	}
	s.Learn(noon, Answer{}, errDeaf)
	if open, _ := s.Open(); len(open) > 0 {
		t.Errorf("%v reported without an answer", open)
	}
	s.Learn(noon, Answer{"monday", []Bind{{5160, ChanSIP}}}, nil)
	if s.Name(noon, 5160) || !slices.Contains(s.All(), 5160) {
		t.Error("a confirmed port is not closed")
	}
	s.Name(noon, 5170)
	s.Learn(noon, Answer{"monday", nil}, nil)
	if open, _ := s.Open(); !slices.Equal(open, []uint16{5170}) {
		t.Errorf("open: %v", open)
	}
	s.Learn(noon.Add(2*forgetNamed), Answer{"monday", nil}, nil)
	if open, _ := s.Open(); len(open) > 0 {
		t.Errorf("still open after hours without an event: %v", open)
	}
	asked := 0
	for port := range uint16(1000) {
		if s.Name(noon, 10000+port) {
			asked++
		}
	}
	if asked > maxNamed {
		t.Errorf("%d ports are asked about", asked)
	}
}
