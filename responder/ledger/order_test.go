package ledger

import (
	"slices"
	"testing"
	"time"

	"github.com/tollwarden/tollwarden/responder/incident"
	"github.com/tollwarden/tollwarden/responder/score"
)

// Evidence comes back in the order in which it arrived, although its times have lost their
// microseconds, and although some of it was recorded later.
func TestOrderWithinAMillisecond(t *testing.T) {
	l, err := Open(file(t), Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	at := func(after time.Duration, session string) incident.Evidence {
		return incident.Evidence{Record: score.Record{At: noon.Add(after), Signal: score.InvalidPassword, Session: session}}
	}
	i := &incident.Incident{At: noon, Evidence: []incident.Evidence{at(600*time.Microsecond, "3rd"), at(600*time.Microsecond, "4th")}}
	l.PutIncident(i)
	l.ExtendIncident(i, 0, []incident.Evidence{at(200*time.Microsecond, "1st"), at(200*time.Microsecond, "2nd"), at(time.Millisecond, "5th")})
	var order []string
	for _, e := range must[incident.Incident](t)(l.Incident(t.Context(), i.ID)).Evidence {
		order = append(order, e.Session)
	}
	if want := []string{"1st", "2nd", "3rd", "4th", "5th"}; !slices.Equal(order, want) {
		t.Errorf("%q", order)
	}
}

// A step is found by its kind and target, whatever its number.
func TestPutStepOf(t *testing.T) {
	l, err := Open(file(t), Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	i := &incident.Incident{At: noon, Steps: []incident.Step{
		{Step: incident.StepBan, Target: "1002", State: incident.Done, Detail: "until noon"},
		{Step: incident.StepLimitCosts, Target: "1002", State: incident.Done, Detail: "until noon"},
	}}
	l.PutIncident(i)
	l.PutStepOf(i.ID, incident.Step{Step: incident.StepLimitCosts, Target: "1002", State: incident.Done, Detail: "no longer"})
	l.PutStepOf(i.ID, incident.Step{Step: incident.StepLimitCosts, Target: "1003", State: incident.Done, Detail: "no longer"})
	steps := must[incident.Incident](t)(l.Incident(t.Context(), i.ID)).Steps
	if len(steps) != 2 || steps[0].Detail != "until noon" || steps[1].Detail != "no longer" {
		t.Errorf("%+v", steps)
	}
}
