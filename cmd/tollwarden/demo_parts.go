package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strings"
	"sync"
	"time"

	"github.com/vishvananda/netlink"

	"github.com/tollwarden/tollwarden/ami"
	"github.com/tollwarden/tollwarden/ami/event"
	"github.com/tollwarden/tollwarden/firewall"
	"github.com/tollwarden/tollwarden/responder/incident"
)

// deed is one event of the recorded attack.
type deed struct {
	kind    event.Kind
	text    string // the event as Asterisk wrote it
	dialled string
}

// from is the event as it would be had the thief another address.
func (d deed) from(a netip.Addr) string {
	return strings.ReplaceAll(d.text, demoThief.String(), a.String())
}

// readAttack parses the recording by the same code that reads from Asterisk.
func readAttack(transcript []byte) ([]deed, error) {
	var parser event.Parser
	var attack []deed
	var e event.Event
	for _, text := range bytes.SplitAfter(transcript, []byte("\r\n\r\n")) {
		b, err := ami.NewReader(bytes.NewReader(text)).Next()
		if errors.Is(err, io.EOF) {
			return attack, nil
		}
		if err == nil {
			err = parser.Parse(b, &e)
		}
		if err != nil {
			return nil, fmt.Errorf("demo: the recording: %w", err)
		}
		attack = append(attack, deed{e.Kind, string(text), string(e.Exten)})
	}
	return attack, nil
}

// wire is what lies between the people of the demo and the PBX.
type wire interface {
	// reaches says whether a packet from this address arrives at the PBX.
	reaches(from netip.Addr) bool
	io.Closer
	fmt.Stringer
}

// memoryWire asks the firewall in memory.
type memoryWire struct{ table firewall.Table }

func (w memoryWire) reaches(from netip.Addr) bool {
	memory, ok := w.table.(*firewall.Memory)
	return ok && !memory.Dropped(from, time.Now())
}
func (memoryWire) Close() error { return nil }
func (memoryWire) String() string {
	return "drops are made by a firewall in memory, since this is not root"
}

// kernelWire sends real packets through the kernel's own ruleset.
type kernelWire struct {
	pbx  *net.UDPConn
	sent uint64
}

func newKernelWire(pbx netip.AddrPort) (*kernelWire, error) {
	c, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(pbx))
	return &kernelWire{pbx: c}, err
}

// arrival is the most time a packet takes inside one machine.
const arrival = 100 * time.Millisecond

func (w *kernelWire) reaches(from netip.Addr) bool {
	phone, err := net.DialUDP("udp", &net.UDPAddr{IP: from.AsSlice()}, w.pbx.LocalAddr().(*net.UDPAddr))
	if err != nil {
		return false
	}
	defer phone.Close()
	w.sent++
	packet := fmt.Sprintf("REGISTER sip:192.0.2.1 SIP/2.0 %d", w.sent)
	if _, err := phone.Write([]byte(packet)); err != nil {
		return false
	}
	_ = w.pbx.SetReadDeadline(time.Now().Add(arrival))
	buf := make([]byte, 512)
	for {
		n, err := w.pbx.Read(buf)
		if err != nil {
			return false
		}
		if string(buf[:n]) == packet {
			return true
		}
	}
}
func (w *kernelWire) Close() error { return w.pbx.Close() }
func (*kernelWire) String() string {
	return "drops are made by the kernel's nftables, in a network namespace of its own"
}

// layNetwork gives the namespace's loopback the addresses of everyone.
func layNetwork(addrs []netip.Addr) error {
	lo, err := netlink.LinkByName("lo")
	if err != nil {
		return fmt.Errorf("demo: %w", err)
	}
	if err := netlink.LinkSetUp(lo); err != nil {
		return fmt.Errorf("demo: %w", err)
	}
	for _, a := range addrs {
		addr := &netlink.Addr{IPNet: &net.IPNet{IP: a.AsSlice(), Mask: net.CIDRMask(a.BitLen(), a.BitLen())}}
		if err := netlink.AddrAdd(lo, addr); err != nil {
			return fmt.Errorf("demo: add %s: %w", a, err)
		}
	}
	return nil
}

// story remembers the incidents as the responder tells them.
type story struct {
	mu        sync.Mutex
	incidents map[int64]incident.Incident
}

func (s *story) see(i incident.Incident) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.incidents == nil {
		s.incidents = map[int64]incident.Incident{}
	}
	s.incidents[i.ID] = i
}

// ended is the incident of a threshold once none of its steps is open.
func (s *story) ended(threshold string) (incident.Incident, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, i := range s.incidents {
		if i.Threshold != threshold {
			continue
		}
		for _, step := range i.Steps {
			if step.State == incident.Intended {
				return i, false
			}
		}
		return i, true
	}
	return incident.Incident{}, false
}
