package ami_test

import (
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tollwarden/tollwarden/ami"
	"github.com/tollwarden/tollwarden/ami/amitest"
	"github.com/tollwarden/tollwarden/ami/event"
)

// rawEvent returns a security event as Asterisk writes it.
func rawEvent(name, service string, n int) string {
	severity, extra := "Error", ""
	switch name {
	case "ChallengeSent":
		severity, extra = "Informational", "Challenge: \r\n"
	case "SuccessfulAuth":
		severity, extra = "Informational", "UsingPassword: 1\r\n"
	case "ChallengeResponseFailed":
		extra = "Challenge: 1/a\r\nResponse: b\r\nExpectedResponse: \r\n"
	}
	return fmt.Sprintf("Event: %s\r\nPrivilege: security,all\r\nEventTV: 2026-11-22T00:26:26.070+0000\r\nSeverity: %s\r\nService: %s\r\nEventVersion: 1\r\nAccountID: %d\r\nSessionID: s-%d\r\nLocalAddress: IPV4/UDP/192.0.2.1/5060\r\nRemoteAddress: IPV4/UDP/198.51.100.7/5060\r\n%s\r\n",
		name, severity, service, 1000+n%500, n, extra)
}

// For each event handled, three more are raised, so events arrive three times faster than
// they can be handled on any machine. Events that reveal a break-in are still handled, and
// in time; the session survives; and dropped events are counted, the least important
// first.
func TestOverload(t *testing.T) {
	const (
		events   = 100_000
		first    = 5_000                 // initial burst
		mostLate = 50_000                // most events between raising and handling one; 68,000 without load shedding
		work     = 20 * time.Microsecond // for one event
	)
	// Number of ChallengeSent among 20 events. Two reveal a break-in; the rest are
	// InvalidAccountID.
	for name, challenges := range map[string]int{"challenges": 16, "unknown accounts": 2} {
		t.Run(name, func(t *testing.T) {
			p := startPBX(t, amitest.Options{})
			var handled, important atomic.Int64 // important ones reveal a break-in
			d := ami.Dialer{Address: p.Address(), Username: warden.Name, Secret: warden.Secret, Events: "security", Handle: func(now time.Time, b *event.Block) {
				for time.Since(now) < work {
				}
				if e := string(b.Headers[0].Value); e == "ChallengeResponseFailed" || e == "SuccessfulAuth" {
					important.Add(1)
				}
				handled.Add(1)
			}}
			c, err := d.Connect(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			shed := &d.Counters().Shed
			raised, evidence, late := 0, int64(0), 0
			for end := time.Now().Add(30 * time.Second); important.Load() < evidence || raised < events; time.Sleep(200 * time.Microsecond) {
				if time.Now().After(end) {
					t.Fatalf("of %d events %d are important, %d of them handled; dropped: %d", raised, evidence, important.Load(), shed.Total())
				}
				if c.Err() != nil {
					t.Fatalf("the session did not survive: %v", c.Err())
				}
				late = max(late, raised-int(handled.Load())-int(shed.Total()))
				var text strings.Builder
				for due := min(first+3*int(handled.Load()), events); raised < due; raised++ {
					e := "InvalidAccountID"
					switch n := raised % 20; {
					case n < challenges:
						e = "ChallengeSent"
					case n >= 18:
						e = [...]string{"ChallengeResponseFailed", "SuccessfulAuth"}[n%2]
						evidence++
					}
					text.WriteString(rawEvent(e, "PJSIP", raised))
				}
				p.Raw("security", text.String())
			}
			t.Logf("of %d events, %d important ones were handled, at most %d events late; dropped: %d ChallengeSent, %d InvalidAccountID",
				raised, evidence, late, shed.ChallengeSent.Load(), shed.InvalidAccountID.Load())
			if shed.ChallengeSent.Load() == 0 || name == "unknown accounts" && shed.InvalidAccountID.Load() == 0 {
				t.Error("nothing was dropped")
			}
			if late > mostLate {
				t.Errorf("%d events late", late)
			}
		})
	}
}

// Without overload nothing is dropped, even in a burst. Challenges from chan_sip are never
// dropped, because they name the caller.
func TestNothingIsDropped(t *testing.T) {
	for name, tt := range map[string]struct {
		service string
		prefix  string // of AccountID
		work    time.Duration
		events  int
	}{
		"burst":                          {"PJSIP", "", 0, 1_000},
		"chan_sip":                       {"SIP", "", 50 * time.Microsecond, 10_000},
		"chan_sip with a forged Service": {"SIP", "x\r\nService: PJSIP\r\nX: ", 50 * time.Microsecond, 10_000},
	} {
		t.Run(name, func(t *testing.T) {
			p := startPBX(t, amitest.Options{WriteTimeout: time.Minute})
			done, n := make(chan struct{}), 0
			d := ami.Dialer{Address: p.Address(), Username: warden.Name, Secret: warden.Secret, Events: "security", Handle: func(now time.Time, b *event.Block) {
				for time.Since(now) < tt.work {
				}
				if string(b.Headers[0].Value) != "ChallengeSent" {
					return
				}
				if n++; n == tt.events {
					close(done)
				}
			}}
			c, err := d.Connect(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			var text strings.Builder
			for i := range tt.events {
				text.WriteString(strings.Replace(rawEvent("ChallengeSent", tt.service, i), "AccountID: ", "AccountID: "+tt.prefix, 1))
			}
			p.Raw("security", text.String())
			select {
			case <-done:
			case <-time.After(20 * time.Second):
			}
			if shed := d.Counters().Shed.Total(); shed > 0 {
				t.Errorf("%d events were dropped", shed)
			}
		})
	}
}
