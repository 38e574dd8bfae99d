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
	"github.com/tollwarden/tollwarden/responder/score"
	"github.com/tollwarden/tollwarden/responder/spending"
)

var noon = time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)

// ended records the channels whose calls were ended.
type ended []string

func (e *ended) EndCall(channel string)    { *e = append(*e, channel) }
func (e *ended) Sweep(string)              {}
func (e *ended) Call(contain.IncidentCall) {}

// recorded records the calls of incidents.
type recorded struct {
	ended
	calls []contain.IncidentCall
}

func (r *recorded) Call(c contain.IncidentCall) { r.calls = append(r.calls, c) }

// Channels have the same names again after a restart of Asterisk. A call whose end was missed
// does not make an incident's of the next one of its name.
func TestEndOfACallIsMissed(t *testing.T) {
	for name, tc := range map[string]struct {
		gap  bool
		want int
	}{
		"its end is seen":   {want: 2},
		"its end is missed": {gap: true, want: 1},
	} {
		t.Run(name, func(t *testing.T) {
			detector := calls.NewDetector(noon, calls.Rules{}, places.New(places.Config{}, nil))
			var got recorded
			g := gate.New(gate.Rules{}, detector, &contain.State{}, spending.New(spending.Rules{}), decide.Pause{}, &got)
			c := calls.Channel{Name: "PJSIP/1001-00000001", Account: "1001", Dialled: "00882161234567", Since: noon, Calling: true}
			detector.Up(c)
			g.CallsOf(noon, &incident.Incident{ID: 1, Account: "1001"}, noon)
			if tc.gap {
				detector.BeginSnapshot()
				detector.ApplySnapshot(noon.Add(time.Minute), nil)
				g.ForgetGone()
				detector.Up(c)
			}
			down, _, _ := detector.End(noon.Add(time.Hour), c.Name)
			g.Ended(noon.Add(time.Hour), down)
			if len(got.calls) != tc.want {
				t.Errorf("recorded %+v, want %d", got.calls, tc.want)
			}
		})
	}
}

func TestCostlyCallsOfAnAccountThatWaits(t *testing.T) {
	for name, tc := range map[string]struct {
		account, dialled string
		pause            decide.Pause
		want             int
	}{
		"abroad":               {account: "1001", dialled: "00882161234567", want: 1},
		"within the country":   {account: "1001", dialled: "02079460001"},
		"a colleague":          {account: "1001", dialled: "1002"},
		"a call for help":      {account: "1001", dialled: "112"},
		"of another account":   {account: "1002", dialled: "00882161234567"},
		"during a pause":       {account: "1001", dialled: "00882161234567", pause: decide.Pause{Since: noon, Until: noon.Add(time.Hour)}},
		"a pause that is over": {account: "1001", dialled: "00882161234567", pause: decide.Pause{Since: noon.Add(-time.Hour), Until: noon}, want: 1},
	} {
		t.Run(name, func(t *testing.T) {
			dialling := numbers.Dialling{Country: "GB", Internal: 6}
			detector := calls.NewDetector(noon, calls.Rules{Dialling: dialling}, places.New(places.Config{}, nil))
			state := &contain.State{}
			state.Breaker.Wait(noon, "1001", []incident.StepKind{incident.StepRotate})
			var got ended
			g := gate.New(gate.Rules{Dialling: dialling}, detector, state, spending.New(spending.Rules{}), tc.pause, &got)
			g.EndCostly(noon, tc.account, "PJSIP/"+tc.account+"-00000001", tc.dialled)
			if len(got) != tc.want || g.CostlyEnded() != uint64(tc.want) {
				t.Errorf("ended %v, counted %d, want %d", got, g.CostlyEnded(), tc.want)
			}
		})
	}
}

// The same calls often reach the limits of the site and of a trunk at once: what is blocked is
// named once, and in order.
func TestLimitsReachedAtOnce(t *testing.T) {
	for place, want := range map[string]string{
		"RO":        "calls abroad and to costly numbers are ended until 2026-11-30 14:00 UTC; to allow them before: `tollwarden unlock 1001`, `tollwarden unlock 1002`",
		"satellite": "calls abroad and to costly numbers to places that are not usual are ended until 2026-11-30 14:00 UTC; to allow them before: `tollwarden resume`",
	} {
		hard := spending.Limits{Minutes: spending.Pair{Hard: 10}}
		s := spending.New(spending.Rules{Site: hard, Trunk: hard})
		var usual []spending.Use
		for day := range 5 {
			for _, account := range []string{"1001", "1002"} {
				usual = append(usual, spending.Use{Hour: noon.Unix()/3600 - int64(24*(day+2)), Account: account, Place: "RO", Sum: spending.Sum{Time: time.Minute, Calls: 1}})
			}
		}
		s.Restore(usual)
		for account, channel := range map[string]string{"1001": "PJSIP/carrier-00000001", "1002": "PJSIP/carrier-00000002"} {
			s.Began(spending.Call{Channel: channel, Account: account, Trunk: "carrier", E164: "+40212345678", Place: place, Class: spending.International})
			s.Answered(noon, channel)
		}
		now := noon.Add(time.Hour)
		if reached := s.Check(now, time.Time{}); len(reached) != 2 {
			t.Fatalf("%s: reached %+v, want the trunk's limit and the site's", place, reached)
		}
		var got ended
		detector := calls.NewDetector(noon, calls.Rules{}, places.New(places.Config{}, nil))
		g := gate.New(gate.Rules{Budget: spending.Budget{Block: time.Hour}}, detector, &contain.State{}, s, decide.Pause{}, &got)
		if words := g.LimitSpending(&score.Verdict{At: now, Cause: score.Record{Signal: score.SiteSpendingHard}}); words != want {
			t.Errorf("%s: %s, want %s", place, words, want)
		}
	}
}
