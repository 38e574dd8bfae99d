package responder_test

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/tollwarden/tollwarden/ami/event"
	"github.com/tollwarden/tollwarden/responder/intake"
)

// guess is one wrong password for 1002 under PJSIP.
func guess(session string) *event.Event {
	return &event.Event{
		Kind: event.ChallengeResponseFailed, Service: []byte("PJSIP"), AccountID: []byte("1002"), SessionID: []byte(session),
		Remote: netip.MustParseAddrPort("203.0.113.7:5060"),
	}
}

// twoSensors is a responder with two sensors that bans a source at a number of
// guesses.
func twoSensors(t *testing.T, guesses int) *harness {
	t.Helper()
	p := guessing(guesses)
	p.Log, p.Observe = true, true
	return newHarness(t, p)
}

// The sensors see the same guesses; each counts once, however many share one
// Call-ID and whichever sensor is first.
func TestTwoSensorsCountOnce(t *testing.T) {
	for _, c := range []struct {
		name         string
		ami, log, to int // guesses each sensor sees, and what they come to
	}{
		{"both see everything", 10, 10, 10},
		{"only the events", 10, 0, 10},
		{"blinded: only the log", 0, 10, 10},
		{"the events lost some", 4, 10, 10},
		{"the log lost some", 10, 4, 10},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := twoSensors(t, 1000)
			for i := range max(c.ami, c.log) {
				at := noon.Add(time.Duration(i) * 100 * time.Millisecond)
				if i < c.ami {
					r.Report(at, intake.SensorAMI, guess("one"))
				}
				if i < c.log {
					r.Report(at.Add(250*time.Millisecond), intake.SensorLog, guess("one"))
				}
			}
			if got := r.Counters().Observations; got != uint64(c.to) {
				t.Errorf("%d observations, want %d", got, c.to)
			}
		})
	}
}

// Three sensors: NOTICE and SECURITY lines of one file, and the events.
func TestThreeSensorsCountOnce(t *testing.T) {
	r := twoSensors(t, 1000)
	for i := range 50 {
		session := fmt.Sprint("call-", i%5)
		r.Report(noon, intake.SensorLog, guess(session))
		r.Report(noon, intake.SensorSecurityLog, guess(session))
		r.Report(noon, intake.SensorAMI, guess(session))
	}
	if got := r.Counters().Observations; got != 50 {
		t.Errorf("%d observations, want 50", got)
	}
}

// A sensor that missed much does not hide what comes after the other one has
// fallen silent.
func TestADebtOfSightingsIsForgotten(t *testing.T) {
	r := twoSensors(t, 1000)
	for range 100 {
		r.Report(noon, intake.SensorLog, guess("one"))
	}
	for i := range 10 {
		r.Report(noon.Add(time.Minute+time.Duration(i)*time.Second), intake.SensorAMI, guess("one"))
	}
	if got := r.Counters().Observations; got != 110 {
		t.Errorf("%d observations, want 110", got)
	}
}

// What the log shows of attempts on an account that does not exist: two
// requests and one failure each, without the challenge between them.
func TestLogOnlyAttemptsOnUnknownAccountsCountOnce(t *testing.T) {
	r := twoSensors(t, 1000)
	for i := range 8 {
		at := noon.Add(time.Duration(i) * time.Second)
		probe := func() *event.Event {
			e := guess("one")
			e.Kind, e.AccountID = event.InvalidAccountID, []byte("nobody")
			return e
		}
		r.Report(at, intake.SensorLog, probe())
		r.Report(at, intake.SensorLog, probe())
		failed := guess("one")
		failed.AccountID = []byte("nobody")
		r.Report(at, intake.SensorLog, failed)
	}
	if got := r.Counters().Observations; got != 8 {
		t.Errorf("%d observations, want 8", got)
	}
}

// In mode observe the ladder is climbed as it would be.
func TestObservedBansClimbTheLadder(t *testing.T) {
	r := twoSensors(t, 3)
	connected := func(session string) *event.Event {
		e := guess(session)
		e.Transport = event.TCP // no offence without proof
		return e
	}
	for i := range 3 {
		r.Report(noon, intake.SensorAMI, connected(fmt.Sprint(i)))
	}
	guesser := netip.MustParsePrefix("203.0.113.7/32")
	first, ok := r.Bans.Registry.Covering(noon, guesser)
	if !ok || first.Offence != 1 {
		t.Fatalf("banned %v, offence %d; want the first", ok, first.Offence)
	}
	later := first.Until.Add(time.Minute)
	r.Prune(later)
	if _, ok := r.Bans.Registry.Covering(later, guesser); ok {
		t.Fatal("still banned after its time")
	}
	for i := range 3 {
		r.Report(later, intake.SensorAMI, connected(fmt.Sprint("later", i)))
	}
	if second, _ := r.Bans.Registry.Covering(later, guesser); second.Offence != 2 {
		t.Errorf("offence %d, want 2", second.Offence)
	}
}
