package judge_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"

	"github.com/tollwarden/tollwarden/ami"
	"github.com/tollwarden/tollwarden/ami/event"
	"github.com/tollwarden/tollwarden/responder/bans"
	"github.com/tollwarden/tollwarden/responder/incident"
	"github.com/tollwarden/tollwarden/responder/intake"
	"github.com/tollwarden/tollwarden/responder/judge"
)

// randomEvent is any event about a few accounts, channels and addresses.
func randomEvent(r *rand.Rand) event.Event {
	pick := func(list ...string) []byte { return []byte(list[r.IntN(len(list))]) }
	kinds := event.Kinds()
	channel := func() []byte {
		return fmt.Appendf(nil, "%s-%08x", pick("PJSIP/1001", "PJSIP/1002", "SIP/1003", "PJSIP/carrier", "Local/x@y"), r.IntN(6))
	}
	source := netip.AddrFrom4([4]byte{198, 51, 100, byte(r.IntN(12))})
	switch r.IntN(8) {
	case 0:
		source = netip.MustParseAddr(fmt.Sprintf("2001:db8:%d::1", r.IntN(4)))
	case 1:
		source = netip.AddrFrom4([4]byte{203, byte(r.IntN(2)), 113, byte(r.IntN(12))})
	}
	e := event.Event{
		Kind: kinds[r.IntN(len(kinds))], Raw: []byte("Event: x\r\nResponse: digest\r\n"),
		Service: pick("PJSIP", "SIP", "AMI", "IAX2"), AccountID: pick("1001", "1002", "1003", "warden", "", event.Unknown, "sip:1002@192.0.2.1"),
		SessionID: pick("a", "b", "c", ""), Remote: netip.AddrPortFrom(source, uint16(5060+r.IntN(5))),
		Transport: []event.Transport{event.UDP, event.TCP, event.TLS, event.TransportUnknown}[r.IntN(4)],
		ACLName:   pick("", "no_extension_match", "registrar_attempt_exceeds_maximum_configured_contacts"),
		Challenge: pick("1/a", "1/b", ""), UsingPassword: r.IntN(2) == 0,
		Channel: channel(), DestChannel: channel(), ChannelState: event.ChannelState(r.IntN(8)),
		Exten: pick("", "s", "1001", cuba, "02079460001", "00881612345678"), Result: pick("Success", "Fail"), Forward: pick("", cuba),
	}
	if r.IntN(3) > 0 { // attacks are more than noise
		e.Kind = []event.Kind{event.ChallengeResponseFailed, event.InvalidPassword, event.SuccessfulAuth, event.Newchannel, event.InvalidAccountID}[r.IntN(5)]
	}
	if r.IntN(50) == 0 {
		e.Remote = netip.AddrPort{}
	}
	return e
}

// Whatever happens in whatever order: nothing panics, the registry holds what was
// carried out and nothing else, nobody who is allowed is dropped, a protected
// address only on proof, offences are counted for proven bans alone, and no network
// is closed on other evidence near an account.
func TestAnySequenceOfEvents(t *testing.T) {
	allowed := netip.MustParsePrefix("198.51.100.3/32")
	closed := 0
	for seed := range uint64(12) {
		r := rand.New(rand.NewPCG(seed, 4))
		p := forbidding()
		p.Thresholds[0].Score, p.Log = 3, true
		p.Allow = []netip.Prefix{allowed}
		p.Playbooks["block"] = []incident.StepKind{incident.StepBan, incident.StepNotify}
		p.Thresholds = append(p.Thresholds, takesTurns)
		s := newSite(t, p)
		now, offences, seen := noon, map[netip.Prefix]int{}, 0
		for range 1500 {
			now = now.Add(time.Duration(r.IntN(20)) * time.Second)
			for _, ban := range s.Bans.Closed() {
				if ban.InForce(now) && s.Places.Near(now, ban.Prefix.Addr()) {
					t.Fatalf("seed %d: closed where an account lives: %+v", seed, ban)
				}
				closed++
			}
			switch r.IntN(60) {
			case 0:
				s.Prune(now)
			case 1:
				s.Watch(now)
			case 2:
				s.registered(now, "1001", "1002", "1003")
			case 3:
				s.challenged(now, "198.51.100.5")
			case 4:
				s.PasswordChanged(now, "1002")
			case 5:
				s.Contain.Sessions.Finish(now, "1002")
			case 7:
				s.turn(now, 0, fmt.Sprintf("2001:db9:%x:%%x00::1", r.IntN(4)), 10, 1)
			case 8:
				s.turn(now, 0, fmt.Sprintf("203.%d.113.%%d", r.IntN(3)), 12, 1)
			case 6:
				s.Tampered(now, intake.SensorSecurityLog, &event.Event{Remote: netip.MustParseAddrPort("198.51.100.9:5060")})
			default:
				e := randomEvent(r)
				s.Event(now, intake.Sensor(r.IntN(3)), &e)
			}
			for _, i := range s.incidents[seen:] {
				if i.ID == 0 || len(i.Steps) == 0 {
					t.Fatalf("seed %d: %+v", seed, i)
				}
				for _, step := range i.Steps {
					if step.State == incident.Skipped && step.Detail == "" {
						t.Fatalf("seed %d: a step is skipped and nobody says why: %+v", seed, i)
					}
				}
			}
			seen = len(s.incidents)
		}
		for prefix, ban := range s.dropped {
			if prefix == allowed {
				t.Fatalf("seed %d: an allowed address is dropped: %+v", seed, ban)
			}
			if ban.Spoofable() != (ban.Offence == 0) || (ban.Scope == incident.ScopeSIP) != (ban.Repeat > 0) {
				t.Fatalf("seed %d: %s as offence %d", seed, ban.Scope, ban.Offence)
			}
			offences[prefix] = ban.Offence
		}
		for _, ban := range s.Bans.List(now) {
			if was, ok := s.dropped[ban.Prefix]; !ok || was.Until != ban.Until || was.Scope != ban.Scope {
				t.Fatalf("seed %d: registered %+v, carried out %+v", seed, ban, was)
			}
		}
		for prefix, was := range s.dropped {
			if ban, ok := s.Bans.Exact(now, prefix); was.InForce(now) && (!ok || ban.Until != was.Until) {
				t.Fatalf("seed %d: carried out %+v, registered %+v", seed, was, ban)
			}
			if n := s.Offences.Count(now, prefix); n < offences[prefix] {
				t.Fatalf("seed %d: %s has %d offences counted, and a ban for its offence %d", seed, prefix, n, offences[prefix])
			}
		}
		if c := s.Counters(); c.Incidents != uint64(len(s.incidents)) || c.Verdicts < c.Incidents {
			t.Fatalf("seed %d: %+v, %d incidents", seed, c, len(s.incidents))
		}
	}
	if closed == 0 {
		t.Error("no network was ever closed")
	}
}

// Whoever spoofs as many addresses as they like fills no more than the room for
// such bans, and has no offence counted; proven attackers still have room.
func TestSpoofersFillNothing(t *testing.T) {
	p := guessing(1)
	s := newSite(t, p)
	guess := event.Event{Kind: event.InvalidPassword, Service: []byte("PJSIP"), AccountID: []byte("1002"), SessionID: []byte("a"), Transport: event.UDP}
	for i := range bans.MaxSpoofable + 1000 {
		e := guess
		e.Remote = netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}), 5060)
		s.Event(noon, intake.SensorAMI, &e)
	}
	if n := s.Bans.Spoofable(); n != bans.MaxSpoofable || s.Bans.Count() != n {
		t.Errorf("%d bans on spoofable evidence", n)
	}
	s.hear(t, noon.Add(time.Second), over("TCP", failures("1002", thief, 1)))
	if _, ok := s.Bans.Exact(noon.Add(time.Second), netip.MustParsePrefix(thief+"/32")); !ok {
		t.Error("a proven attacker is not banned")
	}
	if n := s.Offences.Count(noon.Add(time.Second), netip.MustParsePrefix("10.0.0.1/32")); n != 0 {
		t.Errorf("a spoofed address has %d offences", n)
	}
	for _, after := range []time.Duration{30 * time.Minute, 2 * time.Hour} {
		s.Prune(noon.Add(after))
	}
	if n := s.Bans.Count(); n != 0 {
		t.Errorf("%d bans are kept for ever", n)
	}
}

// player hands the same blocks to a Judge over and over, each round a second
// later.
type player struct {
	*judge.Judge
	parser event.Parser
	event  event.Event
	text   []byte
	src    *bytes.Reader
	r      *ami.Reader
	now    time.Time
}

func newPlayer(tb testing.TB, text []byte) *player {
	tb.Helper()
	j, err := judge.New(noon, guessing(3), judge.Discard{})
	if err != nil {
		tb.Fatal(err)
	}
	p := &player{Judge: j, text: text, src: bytes.NewReader(text), now: noon}
	p.r = ami.NewReader(p)
	return p
}

// Read gives the text without an end.
func (p *player) Read(b []byte) (int, error) {
	n, err := p.src.Read(b)
	if err != nil {
		p.src.Reset(p.text)
		p.now = p.now.Add(time.Second)
		return p.src.Read(b)
	}
	return n, nil
}

func (p *player) next(tb testing.TB) {
	block, err := p.r.Next()
	if err != nil {
		tb.Fatal(err)
	}
	if err := p.parser.Parse(block, &p.event); err != nil {
		tb.Fatal(err)
	}
	p.Event(p.now, intake.SensorAMI, &p.event)
}

// An ordinary event costs no allocation on its whole way from the socket's bytes
// to the score.
func TestOrdinaryEventAllocatesNothing(t *testing.T) {
	p := newPlayer(t, ordinary())
	for range 2000 { // every account and place is known by now
		p.next(t)
	}
	if n := testing.AllocsPerRun(20000, func() { p.next(t) }); n != 0 {
		t.Errorf("%v allocations per event, want none", n)
	}
}

// A failed attempt that crosses no threshold costs none either.
func TestFailureAllocatesNothing(t *testing.T) {
	policy := guessing(60_000)
	policy.Thresholds = append(policy.Thresholds, takesTurns)
	j, err := judge.New(noon, policy, judge.Discard{})
	if err != nil {
		t.Fatal(err)
	}
	j.Places.Lived(netip.MustParseAddr("198.51.7.7"), noon) // so that nothing is closed
	n := 0
	sources := make([]netip.AddrPort, 200)
	for i := range sources {
		sources[i] = netip.AddrPortFrom(netip.AddrFrom4([4]byte{198, 51, 100, byte(i)}), 5060)
	}
	e := event.Event{Kind: event.ChallengeResponseFailed, Service: []byte("PJSIP"), AccountID: []byte("1002"), SessionID: []byte("s"), Challenge: []byte("1/a"), Transport: event.UDP}
	next := func() {
		e.Remote = sources[n%len(sources)]
		n++
		j.Event(noon.Add(time.Duration(n)*time.Millisecond), intake.SensorAMI, &e)
	}
	for range 50_000 {
		next()
	}
	if allocs := testing.AllocsPerRun(20_000, next); allocs != 0 {
		t.Errorf("%v allocations per failure", allocs)
	}
	if n := j.Counters().Observations; n < 70_000 {
		t.Errorf("only %d were observed", n)
	}
}

func BenchmarkEvent(b *testing.B) {
	p := newPlayer(b, ordinary())
	b.ReportAllocs()
	for b.Loop() {
		p.next(b)
	}
}
