package demo

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/tollwarden/tollwarden/ami/event"
	"github.com/tollwarden/tollwarden/firewall"
	"github.com/tollwarden/tollwarden/responder/incident"
)

// The recording is five wrong guesses, the right one and five calls.
func TestRecordedAttack(t *testing.T) {
	attack, err := readAttack(recorded)
	if err != nil {
		t.Fatal(err)
	}
	kinds := map[event.Kind]int{}
	for _, e := range attack {
		kinds[e.kind]++
		if e.kind == event.Newchannel && e.dialled == "" {
			t.Errorf("a call to nowhere: %s", e.text)
		}
		if from := e.from(demoOffice); strings.Contains(from, demoThief.String()) {
			t.Errorf("the thief's address is still in %s", from)
		}
	}
	if kinds[event.ChallengeResponseFailed] != 5 || kinds[event.SuccessfulAuth] == 0 || kinds[event.Newchannel] != 5 {
		t.Errorf("the recording has %v", kinds)
	}
	if _, err := readAttack([]byte("Event: SuccessfulAuth\r\nno header\r\n\r\n")); err == nil {
		t.Error("a damaged recording is read")
	}
}

// An incident has ended when none of its steps is open.
func TestStory(t *testing.T) {
	var s story
	if _, ok := s.ended("break-in"); ok {
		t.Error("an incident that never was has ended")
	}
	i := incident.Incident{ID: 1, Threshold: "break-in", Steps: []incident.Step{{State: incident.Done}, {State: incident.Intended}}}
	s.see(incident.Incident{ID: 2, Threshold: "password guessing"})
	s.see(i)
	if _, ok := s.ended("break-in"); ok {
		t.Error("a step is open")
	}
	i.Steps = []incident.Step{{State: incident.Done}, {State: incident.Failed}}
	s.see(i)
	if got, ok := s.ended("break-in"); !ok || got.ID != 1 {
		t.Errorf("%+v, %t", got, ok)
	}
}

func TestMemoryWire(t *testing.T) {
	table := firewall.NewMemory(firewall.Config{})
	w := memoryWire{table}
	if !w.reaches(demoThief) {
		t.Error("nobody is banned, and the thief's packets do not arrive")
	}
	now := time.Now()
	if err := table.Ban(now, firewall.Ban{Prefix: netip.PrefixFrom(demoThief, 32), Until: now.Add(time.Hour)}); err != nil {
		t.Fatal(err)
	}
	if w.reaches(demoThief) || !w.reaches(demoOffice) {
		t.Error("the wire does not ask the firewall")
	}
}
