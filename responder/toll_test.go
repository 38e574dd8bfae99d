package responder_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tollwarden/tollwarden/ami/event"
	"github.com/tollwarden/tollwarden/responder/intake"
)

// A recorded break-in knows its calls: what was dialled, when each began and
// ended. Calls to an account, and those of others, are none of it.
func TestCallsOfABreakIn(t *testing.T) {
	h := newHarness(t, guessing(10))
	ring := func(at time.Time, kind event.Kind, channel, dialled string) {
		h.Report(at, intake.SensorAMI, &event.Event{Kind: kind, Channel: []byte(channel), Exten: []byte(dialled), ChannelState: event.StateRing})
	}
	early := noon.Add(-time.Minute)
	ring(early, event.Newchannel, "PJSIP/1002-000000f0", "0044123")
	h.Report(early.Add(9*time.Second), intake.SensorAMI, &event.Event{Kind: event.Newstate, Channel: []byte("PJSIP/1002-000000f0"), ChannelState: event.StateUp})
	h.Report(early.Add(19*time.Second), intake.SensorAMI, &event.Event{Kind: event.Newstate, Channel: []byte("PJSIP/1002-000000f0"), ChannelState: event.StateUp})
	ring(early.Add(30*time.Second), event.Hangup, "PJSIP/1002-000000f0", "")
	ring(early, event.Newchannel, "PJSIP/1002-000000f1", "s")
	ring(early, event.Newchannel, "PJSIP/1001-000000f2", "0044456")
	h.hear(t, noon, []byte(proven(failures("1002", "192.0.2.66", 4)+success("1002", "192.0.2.66"))))
	list := h.settled(t)
	if got := thresholds(list); !strings.Contains(got, "break-in 1002") {
		t.Fatalf("incidents: %s", got)
	}
	id := list[len(list)-1].ID
	now := time.Now() // within what the account is closed for
	ring(now, event.Newchannel, "PJSIP/1002-000000f3", "00881234567")
	ring(now.Add(2*time.Second), event.Hangup, "PJSIP/1002-000000f3", "")

	i, err := h.ledger.Incident(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, c := range i.Calls {
		billed := "unanswered"
		if !c.Answered.IsZero() {
			billed = c.Ended.Sub(c.Answered).String()
		}
		got = append(got, c.Account+" "+c.Dialled+" "+c.Ended.Sub(c.Began).String()+" "+billed)
	}
	slices.Sort(got)
	if g := strings.Join(got, ", "); g != "1002 0044123 30s 21s, 1002 00881234567 2s unanswered" {
		t.Errorf("calls: %s", g)
	}
	// Each observation carries Asterisk's own lines, without what a secret could
	// be tried out on.
	for _, e := range i.Evidence {
		lines := strings.Split(string(e.Raw), "\r\n")
		name := e.Signal.String()
		if name == "SuccessAfterFailures" {
			name = "SuccessfulAuth"
		}
		if lines[0] != "Event: "+name || !slices.Contains(lines, "RemoteAddress: IPV4/TCP/192.0.2.66/5060") || lines[len(lines)-1] != "" {
			t.Errorf("%s was read from %q", e.Signal, e.Raw)
		}
		if name == "ChallengeResponseFailed" && (!slices.Contains(lines, "Response: (left out)") || !slices.Contains(lines, "ExpectedResponse: (left out)")) {
			t.Errorf("%s shows a digest: %q", e.Signal, e.Raw)
		}
	}
	if len(i.Evidence) != 5 {
		t.Errorf("%d observations", len(i.Evidence))
	}
}
