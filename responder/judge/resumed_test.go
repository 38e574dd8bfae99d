package judge_test

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/tollwarden/tollwarden/ami/event"
)

// A brief ban of everything never shortens a longer one of SIP over UDP, whose place it takes:
// that goes on after it, unless a person has released the address.
func TestABriefBanShortensNone(t *testing.T) {
	p := guessing(3)
	p.Ladder.Spoofable = []time.Duration{10 * time.Minute, 4 * time.Hour}
	prefix := netip.MustParsePrefix(thief + "/32")
	s, n := newSite(t, p), 0
	guess := func(at time.Time, transport event.Transport, times int) {
		for range times {
			n++
			s.sees(at, event.Event{
				Kind: event.InvalidPassword, Service: []byte("SIP"), AccountID: []byte("1002"), SessionID: fmt.Appendf(nil, "0x%d", n),
				Remote: netip.AddrPortFrom(prefix.Addr(), 5060), Transport: transport,
			})
		}
	}
	want := func(at time.Time, want string) {
		t.Helper()
		if got := s.bans(at); got != want {
			t.Fatalf("after %s: %s, want %s", at.Sub(noon), got, want)
		}
	}
	const closed, everything = "192.0.2.66/32 sip #0", "192.0.2.66/32 brief #0"
	guess(noon, event.UDP, 3)
	again := noon.Add(11 * time.Minute)
	guess(again, event.UDP, 1)
	want(again.Add(time.Second), closed)
	until := s.Bans.List(again.Add(time.Second))[0].Until

	now := again.Add(time.Minute)
	guess(now, event.TCP, 3)
	want(now.Add(time.Second), everything)
	for range 3 { // it goes on over TCP: one guess each time
		now = now.Add(10*time.Minute + time.Second)
		s.Watch(now)
		s.Prune(now)
		want(now, closed)
		if b := s.Bans.List(now)[0]; !b.Until.Equal(until) || b.Incident == 0 || !s.dropped[prefix].Until.Equal(until) {
			t.Fatalf("goes on until %s, incident %d, want %s; the kernel drops until %s", b.Until, b.Incident, until, s.dropped[prefix].Until)
		}
		now = now.Add(time.Second)
		guess(now, event.TCP, 1)
		want(now, everything)
	}

	s.Bans.Remove(prefix)
	now = now.Add(11 * time.Minute)
	s.Watch(now)
	want(now, "")
}

// One that was about to end anyway does not go on.
func TestABriefBanThatEndsLater(t *testing.T) {
	s := newSite(t, guessing(3))
	for i, transport := range []event.Transport{event.UDP, event.TCP} {
		for k := range 3 {
			s.sees(noon.Add(time.Duration(i)*time.Minute), event.Event{
				Kind: event.InvalidPassword, Service: []byte("SIP"), AccountID: []byte("1002"), SessionID: fmt.Appendf(nil, "0x%d%d", i, k),
				Remote: netip.MustParseAddrPort(thief + ":5060"), Transport: transport,
			})
		}
	}
	now := noon.Add(12 * time.Minute)
	s.Watch(now)
	if got := s.bans(now); got != "" {
		t.Errorf("%s", got)
	}
}
