package ongoing_test

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/tollwarden/tollwarden/responder/incident"
	"github.com/tollwarden/tollwarden/responder/ongoing"
	"github.com/tollwarden/tollwarden/responder/score"
)

var noon = time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)

// recorded numbers incidents and keeps nothing.
type recorded struct{}

func (recorded) Record(i *incident.Incident)                         { i.ID = 7 }
func (recorded) Extend(*incident.Incident, int, []incident.Evidence) {}
func (recorded) Amend(*incident.Incident)                            {}
func (recorded) Undelivered(*incident.Incident) bool                 { return true }

func spoofed(n int, at time.Time) (*score.Verdict, []incident.Step) {
	source := netip.AddrFrom4([4]byte{198, 51, byte(n / 250), byte(1 + n%250)})
	v := &score.Verdict{
		At: at, Key: score.SourceKey(source), Threshold: &score.Threshold{Name: "guesses"}, Reason: "5 failed attempts",
		Cause: score.Record{At: at, Source: source, Signal: score.InvalidPassword},
	}
	ban := incident.Ban{Prefix: netip.PrefixFrom(source, 32), Since: at, Until: at.Add(10 * time.Minute)}
	return v, []incident.Step{{Step: incident.StepBan, Ban: ban}}
}

// A flood of forged packets makes one incident in a minute, which lists 100 addresses and
// counts the others; each ban that is only counted names it.
func TestFloodSharesAnIncident(t *testing.T) {
	table, err := score.New(nil, score.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	incidents := ongoing.New(table, score.NewBreakIn(score.BreakInConfig{}, nil), recorded{})
	flood := ongoing.NewFlood(recorded{})
	v, steps := spoofed(0, noon)
	if _, ok := flood.Take(v, steps, incident.Enforce, false); ok {
		t.Fatal("the first of a minute joined an incident")
	}
	u := incidents.Begin(v, &incident.Incident{At: noon, Key: v.Key, Mode: incident.Enforce, Steps: steps}, true)
	incidents.Record(u)
	flood.Opened(v, u, false)
	listed, counted := 1, 0
	for n := 1; n < 150; n++ {
		v, steps := spoofed(n, noon.Add(time.Duration(n)*100*time.Millisecond))
		taken, ok := flood.Take(v, steps, incident.Enforce, false)
		switch {
		case !ok:
			t.Fatalf("address %d opened another incident", n)
		case taken.Listed:
			listed++
		case taken.Ban != nil && taken.Ban.Incident == 7 && flood.Shares(*taken.Ban):
			counted++
		}
	}
	flood.Watch(noon.Add(30 * time.Second))
	if got, want := fmt.Sprintf("%d listed, %d counted", listed, counted), "100 listed, 50 counted"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	if u.Incident.Key.Per != score.PerSite || !strings.HasPrefix(u.Incident.Reason, "150 addresses that may be spoofed were blocked; 100 of them are listed") {
		t.Errorf("the incident is about %v: %s", u.Incident.Key, u.Incident.Reason)
	}
	v, steps = spoofed(200, noon.Add(time.Minute))
	if _, ok := flood.Take(v, steps, incident.Enforce, false); ok {
		t.Error("the incident of a minute took an address of the next")
	}
}
