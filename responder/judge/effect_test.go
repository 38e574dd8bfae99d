package judge_test

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/tollwarden/tollwarden/ami/event"
	"github.com/tollwarden/tollwarden/responder/incident"
	"github.com/tollwarden/tollwarden/responder/intake"
	"github.com/tollwarden/tollwarden/responder/judge"
	"github.com/tollwarden/tollwarden/responder/places"
)

// ban puts a ban in force, as a verdict does.
func (s *site) ban(prefix string, scope incident.Scope) incident.Ban {
	b := incident.Ban{
		Prefix: netip.MustParsePrefix(prefix), Since: noon, Until: noon.Add(time.Hour), Scope: scope,
		Origin: "password guessing", Incident: 7, Step: incident.StepUnknown,
	}
	s.Bans.Put(b)
	return b
}

// acknowledges has the kernel drop what the registry holds of a prefix.
func (s *site) acknowledges(at time.Time, prefix string) {
	if b, ok := s.Bans.Exact(at, netip.MustParsePrefix(prefix)); ok {
		s.Bans.Acknowledged(at, b)
	}
}

// names has a sensor report a failure of an address, which happened at another time
// unless that is zero.
func (s *site) names(at, happened time.Time, sensor intake.Sensor, service, address string, over event.Transport) {
	s.Event(at, sensor, &event.Event{
		Kind: event.InvalidPassword, Service: []byte(service), AccountID: []byte("1002"), SessionID: fmt.Append(nil, at.UnixNano()),
		Remote: netip.AddrPortFrom(netip.MustParseAddr(address), 5060), Transport: over, At: happened,
	})
}

// A response to a banned address, or an event that names it, shows that the ban has
// no effect.
func TestSignsOfABanWithoutEffect(t *testing.T) {
	const prefix, address = thief + "/32", thief
	answer := func(after time.Duration, to string) func(*site) {
		return func(s *site) { s.Answered(noon.Add(after), netip.MustParseAddr(to)) }
	}
	names := func(after, happened time.Duration, over event.Transport) func(*site) {
		return func(s *site) {
			s.names(noon.Add(after), noon.Add(happened), intake.SensorAMI, "PJSIP", address, over)
		}
	}
	second := time.Second
	for name, tc := range map[string]struct {
		prefix string
		scope  incident.Scope
		ack    time.Duration // negative: never
		sign   func(*site)
		want   string
	}{
		"answered before the kernel acknowledges":      {prefix, incident.ScopeAll, -1, answer(5*second, address), ""},
		"answered at 1.9 s":                            {prefix, incident.ScopeAll, second, answer(2900*time.Millisecond, address), ""},
		"answered at 2.1 s":                            {prefix, incident.ScopeAll, second, answer(3100*time.Millisecond, address), "renew 192.0.2.66 all #0"},
		"answered, of a ban of SIP alone":              {prefix, incident.ScopeSIP, 0, answer(3*second, address), "renew 192.0.2.66 sip #0"},
		"another address is answered":                  {prefix, incident.ScopeAll, 0, answer(3*second, "192.0.2.67"), ""},
		"answered within a network":                    {"192.0.2.0/24", incident.ScopeAll, 0, answer(3*second, address), "renew 192.0.2.0/24 all #0"},
		"IPv6, one of its /64":                         {"2001:db8:1:2::/64", incident.ScopeSIP, 0, answer(3*second, "2001:db8:1:2::7"), "renew 2001:db8:1:2::/64 sip #0"},
		"IPv6, a single address":                       {"2001:db8:1:2::7/128", incident.ScopeAll, 0, answer(3*second, "2001:db8:1:2::7"), "renew 2001:db8:1:2::7 all #0"},
		"IPv4 in an IPv6 socket":                       {prefix, incident.ScopeAll, 0, answer(3*second, "::ffff:"+address), "renew 192.0.2.66 all #0"},
		"an event":                                     {prefix, incident.ScopeAll, 0, names(3*second, 3*second, event.TCP), "renew 192.0.2.66 all #0"},
		"an event that comes late":                     {prefix, incident.ScopeAll, 0, names(30*second, second, event.TCP), ""},
		"an event over UDP, whose SIP ports are shut":  {prefix, incident.ScopeSIP, 0, names(3*second, 3*second, event.UDP), "renew 192.0.2.66 sip #0"},
		"an event over TCP, which stays open":          {prefix, incident.ScopeSIP, 0, names(3*second, 3*second, event.TCP), ""},
		"an event over WSS, of a ban for a short time": {prefix, incident.ScopeBrief, 0, names(3*second, 3*second, event.WSS), "renew 192.0.2.66 brief #0"},
		"an event over TCP, of a ban of Asterisk's":    {prefix, incident.ScopeAsterisk, 0, names(3*second, 3*second, event.TCP), "renew 192.0.2.66 asterisk #0"},
		"an event over WSS, of a ban of Asterisk's":    {prefix, incident.ScopeAsterisk, 0, names(3*second, 3*second, event.WSS), "renew 192.0.2.66 asterisk #0"},
		"answered, of a ban of Asterisk's":             {prefix, incident.ScopeAsterisk, 0, answer(3*second, address), "renew 192.0.2.66 asterisk #0"},
		"at the very end of the ban":                   {prefix, incident.ScopeAll, 0, answer(time.Hour-time.Second, address), ""},
		"after the end of the ban":                     {prefix, incident.ScopeAll, 0, answer(61*time.Minute, address), ""},
		"a line of the log": {prefix, incident.ScopeAll, 0, func(s *site) {
			s.names(noon.Add(4*second), noon.Add(3*second), intake.SensorLog, "PJSIP", address, event.TCP)
		}, "renew 192.0.2.66 all #0"},
		"a line of the log from before": {prefix, incident.ScopeAll, 0, func(s *site) {
			s.names(noon.Add(9*second), noon.Add(-second), intake.SensorLog, "PJSIP", address, event.TCP)
		}, ""},
		"a line of chan_iax2": {prefix, incident.ScopeSIP, 0, func(s *site) {
			s.names(noon.Add(4*second), noon.Add(3*second), intake.SensorLog, "IAX2", address, 0)
		}, "renew 192.0.2.66 sip #0"},
		"released meanwhile": {prefix, incident.ScopeAll, 0, func(s *site) { s.Bans.Remove(netip.MustParsePrefix(prefix)); answer(3*second, address)(s) }, ""},
		"on the allow list, within a banned network": {"192.0.2.0/24", incident.ScopeAll, 0, func(s *site) {
			s.Places.SetAllow([]netip.Prefix{netip.MustParsePrefix(prefix)})
			answer(3*second, address)(s)
		}, ""},
		"chan_sip's word, where the wire shows nothing": {prefix, incident.ScopeAll, 0, func(s *site) {
			s.names(noon.Add(3*second), noon.Add(3*second), intake.SensorAMI, "SIP", address, event.UDP)
		}, "renew 192.0.2.66 all #0"},
		"chan_sip's word, where the wire shows requests": {prefix, incident.ScopeAll, 0, func(s *site) {
			s.packets(noon.Add(2*second), office, "REGISTER sip:pbx SIP/2.0\nVia: a;maddr="+address+"\nCall-ID: a\nCSeq: 1 REGISTER\n\n")
			s.names(noon.Add(3*second), noon.Add(3*second), intake.SensorAMI, "SIP", address, event.UDP)
		}, ""},
		"chan_sip's word, where the wire shows whom it answers": {prefix, incident.ScopeAll, 0, func(s *site) {
			s.Answered(noon.Add(2*second), netip.MustParseAddr("192.0.2.99"))
			s.names(noon.Add(3*second), noon.Add(3*second), intake.SensorAMI, "SIP", address, event.UDP)
		}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t, guessing(100))
			s.ban(tc.prefix, tc.scope)
			if tc.ack >= 0 {
				s.acknowledges(noon.Add(tc.ack), tc.prefix)
			}
			tc.sign(s)
			if got := s.effects(); got != tc.want {
				t.Errorf("%q, want %q", got, tc.want)
			}
			if list := s.Effect.List(noon.Add(5 * second)); len(list) > 0 {
				t.Errorf("without effect before renewing was tried: %+v", list)
			}
		})
	}
}

// heard plays a banned address that is answered twice a second.
func (s *site) heard(from, to time.Duration) {
	for at := from; at < to; at += 500 * time.Millisecond {
		s.Answered(noon.Add(at), netip.MustParseAddr(thief))
		s.acknowledges(noon.Add(at), thief+"/32")
	}
}

// A ban that renewing does not help is without effect: it is widened, the incident
// says so, and it ends when nothing has been heard for ten minutes.
func TestBanWithoutEffect(t *testing.T) {
	s := newSite(t, guessing(100))
	s.ban(thief+"/32", incident.ScopeSIP)
	s.acknowledges(noon, thief+"/32")
	acknowledged := func(from, to time.Duration) { // only what was asked for is acknowledged
		for at := from; at < to; at += 500 * time.Millisecond {
			s.log = nil
			s.Answered(noon.Add(at), netip.MustParseAddr(thief))
			if len(s.log) > 0 {
				s.acknowledges(noon.Add(at), thief+"/32")
			}
		}
	}
	acknowledged(500*time.Millisecond, 4*time.Second) // renewed at 2.5 s
	if list := s.Effect.List(noon.Add(4 * time.Second)); len(list) > 0 || s.Counters().Renewed != 1 || s.Counters().Ineffective != 0 {
		t.Errorf("while renewing may have helped: %+v, %+v", list, s.Counters())
	}
	if !strings.HasPrefix(s.noted, "#7/-1 done: until ") || !strings.Contains(s.noted, "still answered 1 time after 2s") {
		t.Errorf("the incident says %q", s.noted)
	}
	acknowledged(4*time.Second, 5*time.Second+1)
	list := s.Effect.List(noon.Add(5 * time.Second))
	if len(list) != 1 || list[0].Failing != noon.Add(5*time.Second) || s.Counters().Ineffective != 1 {
		t.Fatalf("after renewing did not help: %+v, %+v", list, s.Counters())
	}
	if got := s.bans(noon.Add(5 * time.Second)); got != "192.0.2.66/32 brief #0" {
		t.Errorf("bans %s", got)
	}
	if b := s.Bans.List(noon)[0]; b.Until != noon.Add(time.Hour) || !b.Spoofable() {
		t.Errorf("widened to %+v", b)
	}
	if !strings.HasPrefix(s.noted, "#7/-1 failed: without effect: until ") || !strings.Contains(s.noted, "widened to all traffic of the address at 12:00:05 UTC") {
		t.Errorf("the incident says %q", s.noted)
	}
	acknowledged(5500*time.Millisecond, time.Minute)
	s.Prune(noon.Add(time.Minute))
	if !strings.Contains(s.noted, "still answered 115 times") || s.Counters().Ineffective != 1 {
		t.Errorf("the incident says %q", s.noted)
	}
	if b := s.Bans.List(noon)[0]; b.Scope != incident.ScopeBrief {
		t.Errorf("%+v", b)
	}
	for after, want := range map[time.Duration]int{10 * time.Minute: 1, 11 * time.Minute: 0} {
		if got := len(s.Effect.List(noon.Add(after))); got != want {
			t.Errorf("%d after %s", got, after)
		}
	}
	s.Prune(noon.Add(12 * time.Minute))
	if !strings.HasPrefix(s.noted, "#7/-1 done: ") {
		t.Errorf("the incident says %q", s.noted)
	}
	acknowledged(20*time.Minute, 20*time.Minute+1)
	if got := len(s.Effect.List(noon.Add(20 * time.Minute))); got != 1 || s.Counters().Ineffective != 2 {
		t.Errorf("%d when it is heard again", got)
	}
	s.Bans.Remove(netip.MustParsePrefix(thief + "/32"))
	if got := len(s.Effect.List(noon.Add(20 * time.Minute))); got != 0 {
		t.Errorf("%d after the ban was released", got)
	}
}

// A ban of Asterisk's ports that renewing does not help becomes one of everything, and
// stays one on proven evidence.
func TestBanOfAsteriskIsWidened(t *testing.T) {
	s := newSite(t, guessing(100))
	s.ban(thief+"/32", incident.ScopeAsterisk)
	s.acknowledges(noon, thief+"/32")
	for after := 3 * time.Second; after < 9*time.Second; after += 3 * time.Second {
		s.names(noon.Add(after), noon.Add(after), intake.SensorAMI, "PJSIP", thief, event.TLS) // a port that nobody knows
		s.acknowledges(noon.Add(after), thief+"/32")
	}
	if got := s.bans(noon.Add(9 * time.Second)); got != "192.0.2.66/32 all #0" || len(s.Effect.List(noon.Add(9*time.Second))) != 1 {
		t.Errorf("%s", got)
	}
	if b := s.Bans.List(noon)[0]; b.Until != noon.Add(time.Hour) || b.Spoofable() {
		t.Errorf("widened to %+v", b)
	}
	if !strings.Contains(s.noted, "widened to all traffic of the address") {
		t.Errorf("the incident says %q", s.noted)
	}
}

// One sign, as of an element that another program removed, is repaired by renewing
// the ban, and makes no ban without effect.
func TestRenewedBan(t *testing.T) {
	s := newSite(t, guessing(100))
	s.ban(thief+"/32", incident.ScopeAll)
	s.acknowledges(noon, thief+"/32")
	for _, step := range []struct {
		after time.Duration
		ack   bool
		want  string
	}{
		{time.Minute, false, "renew 192.0.2.66 all #0"},
		{2 * time.Minute, true, ""}, // the kernel is busy
		{2*time.Minute + 1900*time.Millisecond, false, ""},
		{2*time.Minute + 2100*time.Millisecond, true, "renew 192.0.2.66 all #0"},
	} {
		s.Answered(noon.Add(step.after), netip.MustParseAddr(thief))
		if got := s.effects(); got != step.want {
			t.Errorf("after %s: %q, want %q", step.after, got, step.want)
		}
		if step.ack {
			s.acknowledges(noon.Add(step.after), thief+"/32")
		}
	}
}

// A ban is not widened where that would cut off a phone of ours.
func TestBanIsNotWidenedWhereAccountsLive(t *testing.T) {
	for name, settle := range map[string]func(*site){
		"a registered phone": func(s *site) {
			s.SetContacts(noon, []places.Contact{{Account: "1001", Source: netip.MustParseAddr(thief)}}, nil)
		},
		"a carrier": func(s *site) {
			s.Places.SetCarriers([]places.Protected{{Prefix: netip.MustParsePrefix("192.0.2.64/29"), Why: "identify of carrier"}})
		},
	} {
		s := newSite(t, guessing(100))
		settle(s)
		s.ban(thief+"/32", incident.ScopeSIP)
		s.acknowledges(noon, thief+"/32")
		s.heard(3*time.Second, 4*time.Second)
		s.heard(7*time.Second, 8*time.Second)
		if got := s.bans(noon); got != "192.0.2.66/32 sip #0" || len(s.Effect.List(noon.Add(8*time.Second))) != 1 {
			t.Errorf("%s: %s", name, got)
		}
		if !strings.Contains(s.noted, "not widened to all traffic: 192.0.2.") {
			t.Errorf("%s: the incident says %q", name, s.noted)
		}
	}
}

// In mode observe nothing is dropped, so that nothing is without effect.
func TestObserveHasNoBansWithoutEffect(t *testing.T) {
	p := guessing(100)
	p.Observe = true
	s := newSite(t, p)
	s.ban(thief+"/32", incident.ScopeAll)
	s.heard(3*time.Second, time.Minute)
	if got := s.effects(); got != "" || len(s.Effect.List(noon.Add(time.Minute))) != 0 {
		t.Error(got)
	}
}

// However many bans fail, what is remembered of them is bounded.
func TestBansWithoutEffectAreBounded(t *testing.T) {
	s := newSite(t, guessing(100))
	for round := range 3 {
		at := noon.Add(time.Duration(3*round) * time.Second)
		for i := range 1000 {
			address := netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)})
			prefix := netip.PrefixFrom(address, 32).String()
			if round == 0 {
				s.ban(prefix, incident.ScopeAll)
			} else {
				s.Answered(at, address)
			}
			s.acknowledges(at, prefix)
		}
	}
	if n := len(s.Effect.List(noon.Add(9 * time.Second))); n > 256 {
		t.Errorf("%d", n)
	}
}

// Looking for bans without effect allocates nothing.
func TestSignsAllocateNothing(t *testing.T) {
	j, err := judge.New(noon, guessing(100), judge.Discard{})
	if err != nil {
		t.Fatal(err)
	}
	b := incident.Ban{Prefix: netip.MustParsePrefix(thief + "/32"), Since: noon, Until: noon.Add(time.Hour)}
	j.Bans.Put(b)
	j.Bans.Acknowledged(noon, b)
	for name, addr := range map[string]string{"not banned": office, "just banned": thief} {
		a := netip.MustParseAddr(addr)
		if n := testing.AllocsPerRun(100, func() { j.Answered(noon.Add(time.Second), a) }); n > 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}

// What is heard while another program has damaged the table is explained by that,
// unless it happens all the time.
func TestDamagedTableIsNoBanWithoutEffect(t *testing.T) {
	for name, tc := range map[string]struct {
		pause   time.Duration // between two repairs
		before  bool          // the sign comes before the repair is known
		failing bool
	}{
		"once a minute": {time.Minute, false, false},
		"once a minute, heard before it is known": {time.Minute, true, false},
		"all the time":                           {3 * time.Second, false, true},
		"all the time, heard before it is known": {3 * time.Second, true, true},
	} {
		s := newSite(t, guessing(100))
		s.ban(thief+"/32", incident.ScopeAll)
		s.acknowledges(noon, thief+"/32")
		at := noon
		for range 8 {
			at = at.Add(tc.pause)
			if tc.before {
				s.Answered(at, netip.MustParseAddr(thief))
			}
			at = at.Add(20 * time.Millisecond)
			s.Effect.Repaired(at)
			if !tc.before {
				s.Answered(at.Add(20*time.Millisecond), netip.MustParseAddr(thief))
			}
			s.acknowledges(at.Add(30*time.Millisecond), thief+"/32")
		}
		if got := len(s.Effect.List(at.Add(time.Second))) > 0; got != tc.failing {
			t.Errorf("%s: without effect %t", name, got)
		}
	}
}
