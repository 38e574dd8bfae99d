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

// rawEvent is a security event as Asterisk writes it.
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

// For every event that is handled three more are raised, so that they come at
// three times the pace at which they can be handled, whatever the machine. What
// tells of a break-in is handled all the same, and soon; the session survives;
// and what was passed over is counted, the cheapest first.
func TestOverload(t *testing.T) {
	const (
		events   = 100_000
		first    = 5_000                 // at once
		mostLate = 50_000                // events between one's being raised and its being handled; 68,000 if none is passed over
		work     = 20 * time.Microsecond // for one event
	)
	// In 20 events so many are ChallengeSent, and two tell of a break-in; the rest
	// is InvalidAccountID.
	for name, challenges := range map[string]int{"challenges": 16, "strangers": 2} {
		t.Run(name, func(t *testing.T) {
			p := startPBX(t, amitest.Options{})
			var handled, told atomic.Int64 // events; of them those that tell of a break-in
			d := ami.Dialer{Address: p.Address(), Username: warden.Name, Secret: warden.Secret, Events: "security", Handle: func(now time.Time, b *event.Block) {
				for time.Since(now) < work {
				}
				if e := string(b.Headers[0].Value); e == "ChallengeResponseFailed" || e == "SuccessfulAuth" {
					told.Add(1)
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
			for end := time.Now().Add(30 * time.Second); told.Load() < evidence || raised < events; time.Sleep(200 * time.Microsecond) {
				if time.Now().After(end) {
					t.Fatalf("of %d events %d tell of a break-in, of which %d are handled; passed over: %d", raised, evidence, told.Load(), shed.Total())
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
			t.Logf("of %d events %d tell of a break-in and were handled, at most %d events behind; passed over: %d ChallengeSent, %d InvalidAccountID",
				raised, evidence, late, shed.ChallengeSent.Load(), shed.InvalidAccountID.Load())
			if shed.ChallengeSent.Load() == 0 || name == "strangers" && shed.InvalidAccountID.Load() == 0 {
				t.Error("nothing was passed over")
			}
			if late > mostLate {
				t.Errorf("it was behind by %d events", late)
			}
		})
	}
}

// Without an overload nothing is passed over, even if much comes at once; and of
// chan_sip no challenge ever, whose challenges tell who calls.
func TestNothingIsPassedOver(t *testing.T) {
	for name, tt := range map[string]struct {
		service string
		name    string // before the account's
		work    time.Duration
		events  int
	}{
		"a burst":                          {"PJSIP", "", 0, 1_000},
		"chan_sip":                         {"SIP", "", 50 * time.Microsecond, 10_000},
		"chan_sip, and somebody forges it": {"SIP", "x\r\nService: PJSIP\r\nX: ", 50 * time.Microsecond, 10_000},
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
				text.WriteString(strings.Replace(rawEvent("ChallengeSent", tt.service, i), "AccountID: ", "AccountID: "+tt.name, 1))
			}
			p.Raw("security", text.String())
			select {
			case <-done:
			case <-time.After(20 * time.Second):
			}
			if shed := d.Counters().Shed.Total(); shed > 0 {
				t.Errorf("%d events were passed over", shed)
			}
		})
	}
}
