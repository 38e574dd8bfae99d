package gate

import (
	"time"

	"github.com/tollwarden/tollwarden/responder/calls"
	"github.com/tollwarden/tollwarden/responder/score"
)

// Refuse ends a leg that its account or origin may not have now.
func (g *Gate) Refuse(now time.Time, leg calls.Leg) {
	if g.observe {
		return
	}
	if g.EndsCallsOf(leg.Cause) {
		g.effects.EndCall(leg.Channel)
		return
	}
	if score.IsOrigin(leg.Cause) {
		g.endOfOrigin(now, leg)
		return
	}
	if leg.Costs != "" && g.waits(now, leg.Cause) {
		g.End(leg.Channel)
	}
}

// EndCostly ends a call of an account that waits for a person, since a thief has its
// password: one that may cost money. Calls within the site and the country go on, so that
// many accounts that wait do not silence a site.
func (g *Gate) EndCostly(now time.Time, account, channel, dialled string) {
	if g.waits(now, account) && g.calls.Cost(account, dialled) != "" {
		g.End(channel)
	}
}

// waits says whether costly calls of an account are ended since it waits for a person.
func (g *Gate) waits(now time.Time, account string) bool {
	return g.contain.Breaker.Waits(account) && g.endsCostly(now) && !g.Contains(now, account)
}

// endOfOrigin ends a leg that costs, while the costs of its origin are limited.
func (g *Gate) endOfOrigin(now time.Time, leg calls.Leg) {
	limit, limited := g.contain.Costs.Of(leg.Cause)
	if !limited || leg.Costs == "" || !g.endsCostly(now) {
		return
	}
	g.End(leg.Channel)
	if c, others := leg.AsCall(); others && limit.Incident != 0 {
		g.add(now, []int64{limit.Incident}, c)
	}
}

// originLimitFor is how long an origin may make no costly calls once it made too many:
// over a night and a day, in which somebody reads the message.
const originLimitFor = 24 * time.Hour

// LimitOrigin ends the costly calls of an origin that are up, and has new ones ended for a
// time.
func (g *Gate) LimitOrigin(now time.Time, origin string) {
	g.contain.Costs.BeginEverywhere(now, origin, now.Add(originLimitFor))
	for leg := range g.calls.Legs() {
		if leg.Cause == origin {
			g.endOfOrigin(now, leg)
		}
	}
}
