package ledger

import (
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tollwarden/tollwarden/responder/incident"
	"github.com/tollwarden/tollwarden/responder/score"
)

func TestSummary(t *testing.T) {
	l, err := Open("", Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	now := time.Now()
	for _, of := range []struct {
		threshold string
		ago       time.Duration
	}{
		{"scanning", time.Hour}, {"break-in", 2 * time.Hour}, {"scanning", 3 * time.Hour}, {"scanning", 8 * 24 * time.Hour},
	} {
		i := incident.Incident{At: now.Add(-of.ago), Threshold: of.threshold, Mode: incident.Enforce}
		if of.threshold == "break-in" {
			i.Evidence = []incident.Evidence{{Record: score.Record{At: i.At, Signal: score.SuccessAfterFailures}}}
		}
		l.PutIncident(&i)
	}
	for n, ago := range []time.Duration{time.Hour, 2 * time.Hour, 9 * 24 * time.Hour} {
		since := now.Add(-ago)
		l.PutBan(incident.Ban{Prefix: netip.PrefixFrom(netip.AddrFrom4([4]byte{192, 0, 2, byte(n)}), 32), Since: since, Until: since.Add(30 * 24 * time.Hour)})
	}
	got, err := l.Summary(t.Context(), now.Add(-7*24*time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	want := Summary{Incidents: []ThresholdCount{{"scanning", 2}, {"break-in", 1}}, BreakIns: 1, Bans: 2}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}
