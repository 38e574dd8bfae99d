package intake

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/tollwarden/tollwarden/ami/event"
	"github.com/tollwarden/tollwarden/responder/score"
)

func TestTranslate(t *testing.T) {
	e := guess("s", over(event.TLS))
	e.Raw = []byte("Event: ChallengeResponseFailed\r\n")
	o, news, ok := New("warden", false).Take(noon, SensorAMI, e)
	if !news || !ok {
		t.Fatal("nothing to judge")
	}
	if o.At != noon || o.Signal != score.ChallengeResponseFailed || o.Source != e.Remote.Addr() || o.Port != 5060 || o.Transport != event.TLS ||
		o.Proof != score.Proven || string(o.Service) != "PJSIP" || string(o.Account) != "1002" || string(o.Session) != "s" || string(o.Raw) != string(e.Raw) {
		t.Errorf("%+v", o)
	}
}

// Every security event has a signal of its name, which thresholds may count but
// for the challenge.
func TestEverySecurityEventHasItsSignal(t *testing.T) {
	for _, k := range event.Kinds() {
		if !k.Security() {
			continue
		}
		if got := signals[k].String(); got != k.String() {
			t.Errorf("%s has the signal %s", k, got)
		}
		if raises := Raises(signals[k]); raises != (k != event.ChallengeSent) {
			t.Errorf("%s can be counted: %t", k, raises)
		}
	}
	for s, want := range map[score.Signal]bool{score.SuccessAfterFailures: true, score.Tampering: true, score.CallRate: false} {
		if Raises(s) != want {
			t.Errorf("%s can be counted: %t", s, !want)
		}
	}
}

// PJSIP's two events for one guess at an unknown account count once, and the
// refusal of a login that had the right password never.
func TestWhatCounts(t *testing.T) {
	refused := func(acl string) *event.Event {
		return raised(event.FailedACL, "s", func(e *event.Event) { e.ACLName = []byte(acl) })
	}
	for name, c := range map[string]struct {
		events []*event.Event
		want   int
	}{
		"a wrong password":          {[]*event.Event{guess("s")}, 1},
		"a challenge":               {[]*event.Event{raised(event.ChallengeSent, "s")}, 0},
		"a success":                 {[]*event.Event{raised(event.SuccessfulAuth, "s")}, 1},
		"a refused address":         {[]*event.Event{refused("not_match_endpoint_acl")}, 1},
		"one registration too many": {[]*event.Event{refused("registrar_attempt_exceeds_maximum_configured_contacts")}, 0},
		"a guess at nobody's account": {[]*event.Event{
			raised(event.InvalidAccountID, "s", account("nobody")), raised(event.ChallengeSent, "s", account(event.Unknown)),
			raised(event.InvalidAccountID, "s", account("nobody")), guess("s", account(event.Unknown)),
		}, 1},
	} {
		in, n := New("warden", false), 0
		for _, e := range c.events {
			if counts(in, noon, SensorAMI, e) {
				n++
			}
		}
		if n != c.want {
			t.Errorf("%s counts %d times, want %d", name, n, c.want)
		}
	}
}

// chan_sip names the dialled number as the account of an INVITE; its challenge
// said who calls. Without one it was a REGISTER, which names the account.
func TestAccountOfChanSIP(t *testing.T) {
	challenge := raised(event.ChallengeSent, "call", account("sip:1002@192.0.2.1"), service("SIP"))
	if challenge.AccountTrust() != event.AccountURI {
		t.Fatalf("a challenge of chan_sip names %v", challenge.AccountTrust())
	}
	for name, c := range map[string]struct {
		challenged bool
		session    string
		want       string
	}{
		"the INVITE that was challenged":    {true, "call", "1002"},
		"a REGISTER":                        {false, "reg", "00441234"},
		"an INVITE of another session":      {true, "other", "00441234"},
		"an INVITE whose challenge is lost": {false, "call", "00441234"},
	} {
		in := New("warden", false)
		if c.challenged {
			in.Take(noon, SensorAMI, challenge)
		}
		o, _, ok := in.Take(noon, SensorAMI, raised(event.InvalidPassword, c.session, account("00441234"), service("SIP")))
		if !ok || string(o.Account) != c.want {
			t.Errorf("%s is of %q, want %q", name, o.Account, c.want)
		}
	}
}

// Forged lines count against their true source, once for all sensors, and are
// never proof.
func TestTampering(t *testing.T) {
	in := New("warden", true)
	forged := &event.Event{Remote: netip.MustParseAddrPort(source), Transport: event.TCP, Raw: []byte("AccountID: x\r\n")}
	o, ok := in.Tampering(noon, SensorAMI, forged)
	if !ok || o.Signal != score.Tampering || o.Source != forged.Remote.Addr() || o.Port != 5060 || o.Transport != event.TCP || o.Proof != score.Spoofable || string(o.Raw) != "AccountID: x\r\n" {
		t.Errorf("%t: %+v", ok, o)
	}
	if _, again := in.Tampering(noon.Add(time.Second), SensorSecurityLog, forged); again {
		t.Error("the log's report of it counts, too")
	}
	if _, more := in.Tampering(noon.Add(2*time.Second), SensorAMI, forged); !more {
		t.Error("the next forged lines do not count")
	}
	if _, ok := in.Tampering(noon, SensorAMI, &event.Event{}); ok {
		t.Error("without a source it counts against somebody")
	}
}

// Asterisk's word that it could not issue an event is news once a minute.
func TestBlinded(t *testing.T) {
	in := New("warden", true)
	if !in.BlindedAt().IsZero() {
		t.Error("blinded before anything was said")
	}
	for _, step := range []struct {
		after time.Duration
		want  bool
	}{{0, true}, {30 * time.Second, false}, {80 * time.Second, false}, {3 * time.Minute, true}} {
		if got := in.Blinded(noon.Add(step.after)); got != step.want {
			t.Errorf("%s after: news is %t", step.after, got)
		}
		if in.BlindedAt() != noon.Add(step.after) {
			t.Errorf("last at %s", in.BlindedAt())
		}
	}
}

// When the sensors last reported a failure: a log that stays behind does not.
func TestLastFailures(t *testing.T) {
	in := New("warden", true)
	security, plain := LogSensors(1)
	in.Take(noon, SensorAMI, guess("a"))
	in.Take(noon.Add(time.Second), plain, guess("a"))
	in.Take(noon.Add(2*time.Second), security, guess("a"))
	in.Take(noon.Add(3*time.Second), security, raised(event.SuccessfulAuth, "b"))
	if events, log := in.LastFailures(); events != noon || log != noon.Add(2*time.Second) {
		t.Errorf("the events at %s, the log at %s", events, log)
	}
}

// An account's own call to a number that does not exist is everybody's mistake;
// a guest's is not.
func TestMisdialled(t *testing.T) {
	dialled := func(acl, name string) *event.Event {
		return raised(event.FailedACL, "s", account(name), func(e *event.Event) { e.ACLName = []byte(acl) })
	}
	for _, c := range []struct {
		e    *event.Event
		want bool
	}{
		{dialled("no_extension_match", "1002"), true},
		{dialled("no_extension_match", "anonymous"), false},
		{dialled("no_extension_match", ""), false},
		{dialled("not_match_endpoint_acl", "1002"), false},
		{guess("s"), false},
	} {
		if got := Misdialled(c.e); got != c.want {
			t.Errorf("%s of %q with %q: %t", c.e.Kind, c.e.AccountID, c.e.ACLName, got)
		}
	}
}

// An ordinary event costs no allocation: a mistyped password, a challenge and a
// login, by one sensor or by two.
func TestOrdinaryEventAllocatesNothing(t *testing.T) {
	var events []*event.Event
	for i := range 100 {
		for _, kind := range []event.Kind{event.ChallengeSent, event.ChallengeResponseFailed, event.SuccessfulAuth} {
			events = append(events, raised(kind, fmt.Sprint("s", i), answering("1/a"), from(fmt.Sprintf("198.51.100.%d", i))))
		}
		events = append(events, raised(event.ChallengeSent, fmt.Sprint("t", i), account("sip:1002@192.0.2.1"), service("SIP")),
			raised(event.InvalidPassword, fmt.Sprint("t", i), account("1002"), service("SIP")))
	}
	for _, log := range []bool{false, true} {
		in, n := New("warden", log), 0
		next := func() {
			e := *events[n%len(events)]
			at := noon.Add(time.Duration(n) * time.Millisecond)
			counts(in, at, SensorAMI, &e)
			if log {
				counts(in, at, SensorSecurityLog, &e)
			}
			n++
		}
		for range 2 * len(events) {
			next()
		}
		if allocs := testing.AllocsPerRun(5000, next); allocs != 0 {
			t.Errorf("with a log %t: %v allocations per event", log, allocs)
		}
	}
}

// Whatever the sensors report: nothing panics, and what is no security failure
// or success is not invented.
func FuzzTake(f *testing.F) {
	f.Add(uint8(event.InvalidPassword), uint8(0), "PJSIP", "1002", "s", "1/a")
	f.Add(uint8(event.ChallengeSent), uint8(2), "SIP", "sip:1002@192.0.2.1", "s", "")
	f.Add(uint8(event.FailedACL), uint8(1), "AMI", CanaryName, "", "")
	f.Fuzz(func(t *testing.T, kind, sensor uint8, serviceName, name, session, nonce string) {
		kinds := event.Kinds()
		k := kinds[int(kind)%len(kinds)]
		if !k.Security() {
			return
		}
		in := New("warden", true)
		e := raised(k, session, service(serviceName), account(name), answering(nonce))
		o, _, ok := in.Take(noon, Sensor(sensor%sensors), e)
		if !ok {
			return
		}
		if counted, ok := in.Count(e, &o); ok && counted.Signal != signals[k] {
			t.Errorf("%s counts as %s", k, counted.Signal)
		}
		if slices.Equal(o.Account, []byte("warden")) && o.Proof == score.Proven && !e.Proven() {
			t.Error("proof from nothing")
		}
	})
}
