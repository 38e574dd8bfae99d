package responder_test

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tollwarden/tollwarden/ami/event"
	"github.com/tollwarden/tollwarden/responder/incident"
	"github.com/tollwarden/tollwarden/responder/intake"
	"github.com/tollwarden/tollwarden/responder/places"
	"github.com/tollwarden/tollwarden/responder/score"
)

// scopes are the bans in force with their scopes, in order.
func (h *harness) scopes(now time.Time) string {
	var list []string
	for _, b := range h.Bans.List(now) {
		list = append(list, fmt.Sprintf("%s %s #%d", b.Prefix, b.Scope, b.Offence))
	}
	slices.Sort(list)
	return strings.Join(list, ", ")
}

// What a lone packet can forge closes the SIP ports for the claimed time, again
// and again while it goes on, and never climbs the ladder.
func TestClaimedEvidence(t *testing.T) {
	h := newHarness(t, guessing(3))
	now := noon
	for round := range 5 {
		n := 3
		if round > 0 {
			n = 1 // on parole: one more failure is enough
		}
		h.hear(t, now, []byte(failures("1002", "192.0.2.66", n)))
		h.settled(t)
		if got := h.scopes(now.Add(time.Second)); got != "192.0.2.66/32 sip #0" {
			t.Fatalf("round %d: %s", round, got)
		}
		b := h.Bans.List(now.Add(time.Second))[0]
		if d := b.Until.Sub(b.Since); d != 10*time.Minute {
			t.Errorf("round %d lasts %s", round, d)
		}
		now = b.Until.Add(time.Minute)
	}
	now = now.Add(2 * time.Hour)
	h.hear(t, now, []byte(failures("1002", "192.0.2.66", 1)))
	h.settled(t)
	if got := h.scopes(now.Add(time.Second)); got != "" {
		t.Errorf("banned for one failure long after: %s", got)
	}
}

// A claimed ban becomes a proven one, in the same incident, as soon as proven
// failures alone reach its threshold; not before.
func TestProofComes(t *testing.T) {
	h := newHarness(t, guessing(3))
	thief := "192.0.2.66"
	h.hear(t, noon, []byte(failures("1002", thief, 3)))
	h.settled(t)
	h.hear(t, noon.Add(time.Second), []byte(proven(failures("1002", thief, 2))))
	h.settled(t)
	if got := h.scopes(noon.Add(2 * time.Second)); got != "192.0.2.66/32 sip #0" {
		t.Fatalf("after two proven failures: %s", got)
	}
	h.hear(t, noon.Add(2*time.Second), []byte(proven(failures("1002", thief, 1))))
	list := h.settled(t)
	if got := h.scopes(noon.Add(3 * time.Second)); got != "192.0.2.66/32 all #1" {
		t.Errorf("after three: %s", got)
	}
	if len(list) != 1 {
		t.Errorf("%d incidents, want one", len(list))
	}
	for range 500 { // the kernel queue's work
		if list, _ := h.ledger.Incidents(t.Context(), 0); strings.Contains(list[0].Steps[0].Detail, "the address is confirmed") {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Errorf("the incident does not say so: %+v", list[0].Steps)
}

// A network is dropped for what its sources have proven, and never for what
// packets claim; then its last source is suspected like any other.
func TestNetworksNeedProof(t *testing.T) {
	p := guessing(100)
	p.Thresholds = append(p.Thresholds, score.Threshold{
		Name: "a network takes turns", Per: score.PerNetwork, Points: p.Thresholds[0].Points, Score: 6, Within: time.Hour, Playbook: "block",
	})
	turns := func() string {
		var b strings.Builder
		for i := range 6 {
			b.WriteString(failures("1002", fmt.Sprintf("203.0.113.%d", 10+i), 1))
		}
		return b.String()
	}
	h := newHarness(t, p)
	h.hear(t, noon, []byte(turns()))
	h.settled(t)
	if got := h.scopes(noon.Add(time.Second)); got != "203.0.113.15/32 sip #0" {
		t.Errorf("claimed: %s", got)
	}
	h.hear(t, noon.Add(time.Minute), []byte(proven(turns())))
	h.settled(t)
	if got := h.scopes(noon.Add(2 * time.Minute)); !strings.HasPrefix(got, "203.0.113.0/24 all #1") {
		t.Errorf("proven: %s", got)
	}
}

// A network that holds a protected source is not dropped at all.
func TestNetworksOfProtectedSources(t *testing.T) {
	p := guessing(100)
	p.Thresholds = append(p.Thresholds, score.Threshold{
		Name: "a network takes turns", Per: score.PerNetwork, Points: p.Thresholds[0].Points, Score: 3, Within: time.Hour, Playbook: "block",
	})
	h := newHarness(t, p)
	h.pbx.contacts = []places.Contact{{Account: "1001", Source: netip.MustParseAddr("203.0.113.200")}}
	if err := h.Resync(t.Context(), time.Now()); err != nil {
		t.Fatal(err)
	}
	h.hear(t, noon, []byte(proven(failures("1002", "203.0.113.5", 3))))
	h.settled(t)
	if got := h.scopes(noon.Add(time.Second)); got != "203.0.113.5/32 all #1" {
		t.Errorf("bans: %s; want the source alone", got)
	}
}

// A protected source's address forged a thousand times makes one incident.
func TestForgedProtectedSource(t *testing.T) {
	h := newHarness(t, guessing(3))
	h.pbx.contacts = []places.Contact{{Account: "1001", Source: netip.MustParseAddr("198.51.100.10")}}
	if err := h.Resync(t.Context(), time.Now()); err != nil {
		t.Fatal(err)
	}
	h.hear(t, noon, []byte(failures("1002", "198.51.100.10", 1000)))
	list := h.settled(t)
	if len(list) != 1 || h.scopes(noon) != "" {
		t.Errorf("%d incidents, bans %q; want one, and none", len(list), h.scopes(noon))
	}
	if detail := list[0].Steps[0].Detail; !strings.Contains(detail, "can be spoofed") {
		t.Errorf("the incident does not say so: %s", detail)
	}
}

// Whom Asterisk's configuration speaks to is protected, whole prefixes too; the
// claimed bans of everybody else go on.
func TestCarriersAreProtected(t *testing.T) {
	h := newHarness(t, guessing(3))
	h.pbx.trusted = []places.Protected{{Prefix: netip.MustParsePrefix("203.0.113.96/28"), Why: "identify of carrier"}}
	if err := h.Resync(t.Context(), time.Now()); err != nil {
		t.Fatal(err)
	}
	h.hear(t, noon, []byte(failures("1002", "203.0.113.100", 3)+failures("1002", "203.0.113.112", 3)))
	list := h.settled(t)
	if got := h.scopes(noon.Add(time.Second)); got != "203.0.113.112/32 sip #0" {
		t.Errorf("bans: %s", got)
	}
	if detail := list[0].Steps[0].Detail; detail != "protected (identify of carrier), and the evidence can be spoofed" {
		t.Errorf("the incident says: %s", detail)
	}
	if got := h.Protected(); len(got) != 1 || got[0] != h.pbx.trusted[0] {
		t.Errorf("protected: %+v", got)
	}
	// A list that is not complete counts, and its reason is reported.
	h.pbx.trusted = append(h.pbx.trusted, places.Protected{Prefix: netip.MustParsePrefix("203.0.113.80/32"), Why: "identify of another"})
	h.pbx.untold = errors.New("there are more")
	if err := h.Resync(t.Context(), time.Now()); !errors.Is(err, h.pbx.untold) || len(h.Protected()) != 2 {
		t.Errorf("protected by a part: %+v, %v", h.Protected(), err)
	}
}

// A phone is protected from its login on, a thief's registration never: not
// when it failed first, and not once its account counts as broken into.
func TestWhoseRegistrationProtects(t *testing.T) {
	home, thief := "198.51.100.10", "192.0.2.66"
	protects := func(h *harness) string {
		var list []string
		for _, p := range h.Protected() {
			list = append(list, p.Prefix.Addr().String())
		}
		return strings.Join(list, ", ")
	}
	now := time.Now()
	h := newHarnessAt(t, now, guessing(100))
	h.hear(t, now, []byte(success("1002", home)))
	if got := protects(h); got != home {
		t.Errorf("after a login: %q", got)
	}
	h.hear(t, now, []byte(proven(failures("1002", thief, 3))+success("1002", thief)))
	if got := protects(h); got != home {
		t.Errorf("after the success of one who had failed: %q, want the home alone", got)
	}
	h.pbx.contacts = []places.Contact{
		{Account: "1002", Source: netip.MustParseAddr(home)}, {Account: "1002", Source: netip.MustParseAddr(thief)},
	}
	if err := h.Resync(t.Context(), time.Now()); err != nil {
		t.Fatal(err)
	}
	if got := protects(h); got != home {
		t.Errorf("protected: %q, want the home alone", got)
	}
	h.hear(t, now.Add(time.Minute), []byte(proven(failures("1002", "203.0.113.1", 4))+success("1002", "203.0.113.2")))
	h.settled(t)
	if got := protects(h); got != "" {
		t.Errorf("protected after the break-in: %q", got)
	}
}

// A phone that is switched off is not kept from coming back: where its account
// has been at home is protected without a registration, for a while.
func TestHomesAreProtected(t *testing.T) {
	h := newHarness(t, guessing(3))
	home := "198.51.100.10"
	h.hear(t, noon, []byte(success("1002", home)))
	for _, visit := range []struct {
		after time.Duration
		want  string
	}{{29 * 24 * time.Hour, ""}, {31 * 24 * time.Hour, home + "/32 sip #0"}} {
		at := noon.Add(visit.after)
		if err := h.Resync(t.Context(), at); err != nil {
			t.Fatal(err)
		}
		h.hear(t, at, []byte(failures("1003", home, 3)))
		h.settled(t)
		if got := h.scopes(at.Add(time.Second)); got != visit.want {
			t.Errorf("forged %s after its last login: bans %q, want %q", visit.after, got, visit.want)
		}
	}
}

// What was forged before it was known whom the PBX trusts is undone when it is;
// who has proved to attack stays out, and so do unknown addresses.
func TestForgedBeforeAnythingIsKnown(t *testing.T) {
	h := newHarness(t, guessing(3))
	h.pbx.trusted = []places.Protected{{Prefix: netip.MustParsePrefix("203.0.113.96/28"), Why: "identify of carrier"}}
	h.pbx.contacts = []places.Contact{{Account: "1001", Source: netip.MustParseAddr("198.51.100.10")}}
	h.hear(t, noon, []byte(failures("1002", "203.0.113.100", 3)+failures("1002", "198.51.100.10", 3)+
		failures("1002", "192.0.2.66", 3)+proven(failures("1002", "203.0.113.101", 3))))
	h.settled(t)
	if err := h.Resync(t.Context(), noon.Add(2*time.Second)); err != nil {
		t.Fatal(err)
	}
	const want = "192.0.2.66/32 sip #0, 203.0.113.101/32 all #1"
	if got := h.scopes(noon.Add(3 * time.Second)); got != want {
		t.Errorf("bans: %s, want %s", got, want)
	}
	if got := strings.Join(h.kernel.dropped(), ", "); got != "192.0.2.66/32, 203.0.113.101/32" {
		t.Errorf("the kernel drops %s", got)
	}
}

// chan_sip's connections name any source they like: it is dropped whole, for
// the short time, and a claimed ban over UDP does not stand in the way.
func TestChanSIPOverAConnection(t *testing.T) {
	h := newHarness(t, guessing(3))
	guess := func(transport event.Transport, n int) {
		for i := range 3 {
			h.Report(noon.Add(time.Duration(n+i)*time.Second), intake.SensorAMI, &event.Event{
				Kind: event.InvalidPassword, Service: []byte("SIP"), AccountID: []byte("1002"), SessionID: fmt.Appendf(nil, "0x%d", n+i),
				Remote: netip.MustParseAddrPort("192.0.2.66:5060"), Transport: transport,
			})
		}
	}
	guess(event.UDP, 0)
	h.settled(t)
	if got := h.scopes(noon.Add(5 * time.Second)); got != "192.0.2.66/32 sip #0" {
		t.Errorf("over UDP: %s", got)
	}
	guess(event.TCP, 10)
	h.settled(t)
	if got := h.scopes(noon.Add(20 * time.Second)); got != "192.0.2.66/32 brief #0" {
		t.Errorf("over TCP: %s", got)
	}
}

// A claimed ban of before a restart is proven in the step that is the ban, which
// need not be its playbook's first.
func TestProofComesAfterARestart(t *testing.T) {
	p := guessing(3)
	p.Playbooks["block"] = []incident.StepKind{incident.StepNotify, incident.StepBan}
	now := time.Now()
	h := newHarness(t, p)
	h.hear(t, now, []byte(failures("1002", "192.0.2.66", 3)))
	h.settled(t)
	h.Engine = h.over(t, now, p, h.kernel)
	h.hear(t, now.Add(time.Second), []byte(proven(failures("1002", "192.0.2.66", 3))))
	var steps []incident.Step
	h.wait(t, "the proof", func() bool {
		list := h.settled(t)
		steps = list[0].Steps
		return slices.ContainsFunc(steps, func(s incident.Step) bool { return strings.Contains(s.Detail, "the address is confirmed") })
	})
	if len(steps) != 2 || steps[0].Step != "notify" || steps[1].Step != "ban" {
		t.Errorf("steps: %+v", steps)
	}
}
