// Package gate decides which calls may go on. It ends those of accounts that are locked or
// contained, and the costly ones of accounts and origins that wait for a person, whose costs
// are limited, or whose budget is used up. It counts what calls cost, and records the calls
// that incidents are about.
package gate

import (
	"time"

	"github.com/tollwarden/tollwarden/responder/calls"
	"github.com/tollwarden/tollwarden/responder/contain"
	"github.com/tollwarden/tollwarden/responder/numbers"
	"github.com/tollwarden/tollwarden/responder/spending"
)

// Rules are what the operator decided.
type Rules struct {
	Dialling numbers.Dialling
	Budget   spending.Budget
}

// Effects end and record calls. None of them waits.
type Effects interface {
	// EndCall ends the call of a channel.
	EndCall(channel string)
	// Sweep ends the new calls of an account that is being contained.
	Sweep(account string)
	// Call records a call with the incidents that it belongs to.
	Call(c contain.IncidentCall)
}

// Pause is a time in which costly calls are not ended: a pause, or mode observe.
type Pause interface{ Active(now time.Time) bool }

// Gate decides which calls may go on. It has no lock: its owner calls it from one goroutine
// at a time.
type Gate struct {
	*Record
	calls    *calls.Detector
	contain  *contain.State
	spending *spending.Spending
	pause    Pause
	effects  Effects

	budget    spending.Budget
	checkedAt time.Time       // when limits of spending were last checked
	freeCalls map[string]bool // channels of phones in calls that do not count
	ended     uint64          // costly calls
}

// New makes a Gate for the calls that a Detector knows.
func New(rules Rules, c *calls.Detector, state *contain.State, s *spending.Spending, pause Pause, effects Effects) *Gate {
	g := &Gate{
		Record: &Record{calls: c, log: &state.Log, effects: effects},
		calls:  c, contain: state, spending: s, pause: pause, effects: effects,
	}
	g.Configure(rules)
	return g
}

// Configure puts other rules in force.
func (g *Gate) Configure(rules Rules) {
	g.budget = rules.Budget
	g.Record.dialling, g.Record.budget = rules.Dialling, rules.Budget
}

// CostlyEnded is how many calls were ended since they cost.
func (g *Gate) CostlyEnded() uint64 { return g.ended }

// End ends a call since it costs.
func (g *Gate) End(channel string) {
	g.ended++
	g.effects.EndCall(channel)
}

// endsCostly says whether costly calls are ended at all now.
func (g *Gate) endsCostly(now time.Time) bool { return !g.pause.Active(now) }
