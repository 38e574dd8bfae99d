package gate_test

import (
	"testing"
	"time"

	"github.com/tollwarden/tollwarden/responder/calls"
	"github.com/tollwarden/tollwarden/responder/contain"
	"github.com/tollwarden/tollwarden/responder/decide"
	"github.com/tollwarden/tollwarden/responder/gate"
	"github.com/tollwarden/tollwarden/responder/incident"
	"github.com/tollwarden/tollwarden/responder/numbers"
	"github.com/tollwarden/tollwarden/responder/places"
	"github.com/tollwarden/tollwarden/responder/spending"
)

var noon = time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)

// ended records the channels whose calls were ended.
type ended []string

func (e *ended) EndCall(channel string)    { *e = append(*e, channel) }
func (e *ended) Sweep(string)              {}
func (e *ended) Call(contain.IncidentCall) {}

func TestCostlyCallsOfAnAccountThatWaits(t *testing.T) {
	for name, tc := range map[string]struct {
		account, dialled string
		observe          bool
		pause            decide.Pause
		want             int
	}{
		"abroad":               {account: "1001", dialled: "00882161234567", want: 1},
		"within the country":   {account: "1001", dialled: "02079460001"},
		"a colleague":          {account: "1001", dialled: "1002"},
		"a call for help":      {account: "1001", dialled: "112"},
		"of another account":   {account: "1002", dialled: "00882161234567"},
		"in mode observe":      {account: "1001", dialled: "00882161234567", observe: true},
		"during a pause":       {account: "1001", dialled: "00882161234567", pause: decide.Pause{Since: noon, Until: noon.Add(time.Hour)}},
		"a pause that is over": {account: "1001", dialled: "00882161234567", pause: decide.Pause{Since: noon.Add(-time.Hour), Until: noon}, want: 1},
	} {
		t.Run(name, func(t *testing.T) {
			dialling := numbers.Dialling{Country: "GB", Internal: 6}
			detector := calls.NewDetector(noon, calls.Rules{Dialling: dialling}, places.New(places.Config{}, nil))
			state := &contain.State{}
			state.Breaker.Wait(noon, "1001", []incident.StepKind{incident.StepRotate})
			var got ended
			g := gate.New(gate.Rules{Observe: tc.observe, Dialling: dialling}, detector, state, spending.New(spending.Rules{}), tc.pause, &got)
			g.EndCostly(noon, tc.account, "PJSIP/"+tc.account+"-00000001", tc.dialled)
			if len(got) != tc.want || g.CostlyEnded() != uint64(tc.want) {
				t.Errorf("ended %v, counted %d, want %d", got, g.CostlyEnded(), tc.want)
			}
		})
	}
}
