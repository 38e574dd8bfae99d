package judge_test

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tollwarden/tollwarden/responder/incident"
	"github.com/tollwarden/tollwarden/responder/places"
)

// blocks lists the partial blocks in force.
func (s *site) blocks(now time.Time) string {
	var words []string
	for _, b := range s.Partial.List(now) {
		words = append(words, fmt.Sprintf("%s %s of %q until %s #%d", b.Words(), b.Target(), b.Account, b.Until.Format("15:04:05"), b.Incident))
	}
	slices.Sort(words)
	return strings.Join(words, "; ")
}

// staleOffice is an office with a phone that has a wrong password.
func staleOffice(t *testing.T) *site {
	t.Helper()
	s := throttling(t, true)
	var contacts []places.Contact
	for i, account := range []string{"1001", "1002", "1003"} {
		contacts = append(contacts, places.Contact{Account: account, Source: netip.MustParseAddr(office), Port: uint16(5070 + i)})
	}
	s.SetContacts(noon, contacts, nil)
	return s
}

// stale plays wrong passwords of 1003 over a challenge that it was sent.
func (s *site) stale(t *testing.T, at time.Time) time.Time {
	t.Helper()
	of := netip.MustParseAddr(office)
	for i := range 3 {
		nonce := fmt.Sprintf("%d/n", at.Unix()+int64(i))
		s.Challenged(at, of, []netip.Addr{of}, []byte(nonce))
		s.hear(t, at, strings.ReplaceAll(from(5072, failure("1003", office, i)), "Challenge: 1/a", "Challenge: "+nonce))
		at = at.Add(time.Second)
	}
	return at
}

// A phone's flow that is dropped is listed with its incident, and so is each renewal; a
// person lifts it, and the next wrong passwords begin anew.
func TestFlowIsListed(t *testing.T) {
	s := staleOffice(t)
	at := s.stale(t, noon)
	if len(s.incidents) != 1 {
		t.Fatalf("%d incidents: %s", len(s.incidents), s.effects())
	}
	s.Partial.FlowAcknowledged(netip.MustParseAddrPort(office+":5072"), false, nil)
	if got, want := s.blocks(at), `one phone's flow 198.51.100.10:5072 of "1003" until 12:10:02 #1`; got != want {
		t.Fatalf("%s, want %s", got, want)
	}
	if got := s.Scores(at, 1, 5); len(got) != 1 || len(got[0].Partial) != 1 {
		t.Errorf("score %+v", got)
	}
	at = s.stale(t, noon.Add(5*time.Minute))
	if got := s.blocks(at); !strings.Contains(got, "#1") || strings.Contains(got, "12:10:02") {
		t.Errorf("renewed: %s", got)
	}
	block := s.Partial.List(at)[0]
	undo := s.Partial.Lift(block)
	if got := s.blocks(at); got != "" {
		t.Errorf("lifted: %s", got)
	}
	undo()
	if got := s.blocks(at); got == "" {
		t.Error("not there although the kernel drops it")
	}
	s.Partial.Lift(block)
	s.ClearScore(netip.MustParsePrefix(office + "/32"))
	s.stale(t, noon.Add(7*time.Minute))
	if got := s.blocks(at); !strings.Contains(got, "#1") || s.bans(at) != "" {
		t.Errorf("it goes on: %s, bans %s", got, s.bans(at))
	}
	s.effects()
	s.Places.SetAllow([]netip.Prefix{netip.MustParsePrefix(office + "/32")})
	s.Partial.EndAllowed(at)
	if got := s.effects() + s.blocks(at); got != "lift the flow 198.51.100.10:5072" {
		t.Errorf("on the allow list: %s", got)
	}
	if got := s.partial; !slices.Equal(got, []string{"198.51.100.10:5072 blocked", "198.51.100.10:5072 released"}) {
		t.Errorf("changes: %v", got)
	}
}

// A flow that the kernel does not drop is not listed.
func TestFlowThatIsNotDropped(t *testing.T) {
	s := staleOffice(t)
	at := s.stale(t, noon)
	s.Partial.FlowAcknowledged(netip.MustParseAddrPort(office+":5072"), false, errors.New("refused"))
	if got := s.blocks(at); got != "" || len(s.partial) > 0 {
		t.Errorf("listed: %s, changes %v", got, s.partial)
	}
}

// A throttled address is listed with its incident. A person ends it; what is suspected
// anew begins anew.
func TestThrottledAddressIsListed(t *testing.T) {
	prefix := netip.MustParsePrefix(office + "/32")
	s := throttling(t, true)
	s.registered(noon, "1001")
	at := s.guessesAt(t, noon, office, 40000, 3)
	s.Partial.ThrottleAcknowledged(at, prefix, nil)
	if got, want := s.blocks(at), `throttled 198.51.100.10 of "1003" until 12:10:04 #1`; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	if d := s.incidents[0].Steps[0].Detail; !strings.Contains(d, "throttled until 2026-11-22 12:10:04 UTC") || !strings.Contains(d, "`tollwarden unban 198.51.100.10` ends that") {
		t.Errorf("the incident says %q", d)
	}
	s.effects()
	undo := s.Partial.Lift(s.Partial.List(at)[0])
	if got := s.blocks(at) + s.effects(); got != "" {
		t.Errorf("lifted: %s", got)
	}
	undo()
	if s.blocks(at) == "" {
		t.Error("not listed although the kernel throttles it")
	}
	s.Places.SetAllow([]netip.Prefix{prefix})
	s.Partial.EndAllowed(at)
	if got := s.effects() + s.blocks(at); got != "suspect 198.51.100.10 for 0s, but not []" {
		t.Errorf("on the allow list: %s", got)
	}
	if got := s.partial; !slices.Equal(got, []string{"198.51.100.10 throttled", "198.51.100.10 released"}) {
		t.Errorf("changes: %v", got)
	}
}

// If the kernel refuses to throttle, the address is not listed, and the next guess tries
// again.
func TestThrottleIsRefused(t *testing.T) {
	s := throttling(t, true)
	s.registered(noon, "1001")
	at := s.guessesAt(t, noon, office, 40000, 3)
	s.Partial.ThrottleAcknowledged(at, netip.MustParsePrefix(office+"/32"), errors.New("refused"))
	s.effects()
	if got := s.blocks(at); got != "" {
		t.Errorf("listed: %s", got)
	}
	s.guessesAt(t, at, office, 40000, 3)
	if got := s.effects(); !strings.HasPrefix(got, "suspect 198.51.100.10 for 10m0s") {
		t.Errorf("the next guesses: %s", got)
	}
}

// Once the kernel lets us decide about no packets, nobody is listed as throttled, and no
// incident says so: the attack counts as one that goes on.
func TestThrottlingFails(t *testing.T) {
	s := throttling(t, true)
	s.registered(noon, "1001")
	at := s.guessesAt(t, noon, office, 40000, 3)
	s.Partial.CannotThrottle()
	if got := s.blocks(at); got != "" {
		t.Errorf("listed: %s", got)
	}
	s.effects()
	s.guessesAt(t, noon.Add(2*time.Hour), office, 40000, 9)
	if got := s.effects(); strings.Contains(got, "suspect") || len(s.incidents) != 2 {
		t.Fatalf("%s, %d incidents", got, len(s.incidents))
	}
	if d := s.incidents[1].Steps[0].Detail; strings.Contains(d, "throttled") {
		t.Errorf("the incident says %q", d)
	}
	if len(s.Unstopped(noon.Add(2*time.Hour+time.Minute))) != 1 {
		t.Error("the attack does not count as one that goes on")
	}
}

// What the kernel has kept since an earlier run is listed, and goes on.
func TestKeptByTheKernel(t *testing.T) {
	s := throttling(t, true)
	until := noon.Add(5 * time.Minute)
	s.RestorePartial(noon, incident.PartialBlock{Kind: incident.BlockedFlow, Flow: netip.MustParseAddrPort("198.51.100.20:5060"), Account: "1002", Until: until, Incident: 3}, nil)
	s.RestorePartial(noon, incident.PartialBlock{Kind: incident.ThrottledAddress, Address: netip.MustParsePrefix(office + "/32"), Until: until, Incident: 4}, []netip.AddrPort{netip.MustParseAddrPort(office + ":5070")})
	want := `one phone's flow 198.51.100.20:5060 of "1002" until 12:05:00 #3; throttled 198.51.100.10 of "" until 12:05:00 #4`
	if got := s.blocks(noon); got != want {
		t.Errorf("%s, want %s", got, want)
	}
	s.registered(noon, "1001")
	s.guessesAt(t, noon.Add(4*time.Minute), office, 40000, 3)
	if got, want := s.effects(), "suspect 198.51.100.10 for 10m0s, but not [198.51.100.10:5070]"; !strings.HasPrefix(got, want) {
		t.Errorf("it goes on: %s", got)
	}
	s.Prune(noon.Add(time.Hour))
	if got := s.partial; len(got) != 2 || s.blocks(noon.Add(time.Hour)) != "" {
		t.Errorf("changes at the end: %v", got)
	}
}
