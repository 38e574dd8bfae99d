package gate

import (
	"time"

	"github.com/tollwarden/tollwarden/responder/calls"
	"github.com/tollwarden/tollwarden/responder/score"
)

// Refuse ends a leg if the account or origin that caused it may not have it now: a costly one
// while it waits for a person or its costs are limited, any one while it is locked.
func (g *Gate) Refuse(now time.Time, leg calls.Leg) {
	if g.EndsCallsOf(leg.Cause) {
		g.effects.EndCall(leg.Channel)
		return
	}
	if score.IsOrigin(leg.Cause) {
		g.endOriginLeg(now, leg)
		return
	}
	if leg.Costs != "" && g.waits(now, leg.Cause) {
		g.End(leg.Channel)
	}
}

// EndCostly ends a call that may cost money, of an account that waits for a person since a
// thief has its password. Calls within the site and the country go on, so that many waiting
// accounts do not silence a site.
func (g *Gate) EndCostly(now time.Time, account, channel, dialled string) {
	if g.waits(now, account) && g.calls.Cost(account, dialled) != "" {
		g.End(channel)
	}
}

// waits says whether costly calls of an account are ended since it waits for a person.
func (g *Gate) waits(now time.Time, account string) bool {
	return g.contain.Breaker.Waits(account) && g.endsCostly(now) && !g.Contains(now, account)
}

// endOriginLeg ends a costly leg while the costs of its origin are limited.
func (g *Gate) endOriginLeg(now time.Time, leg calls.Leg) {
	limit, limited := g.contain.Costs.Of(leg.Cause)
	if !limited || leg.Costs == "" || !g.endsCostly(now) {
		return
	}
	g.End(leg.Channel)
	if c, others := leg.AsCall(); others && limit.Incident != 0 {
		g.add(now, []int64{limit.Incident}, c)
	}
}

// originLimitFor is how long the costs of an origin are limited: long enough that somebody
// reads the message.
const originLimitFor = 24 * time.Hour

// LimitOrigin ends the costly calls of an origin: those that are up, and for 24 hours new
// ones.
func (g *Gate) LimitOrigin(now time.Time, origin string) {
	g.contain.Costs.BeginEverywhere(now, origin, now.Add(originLimitFor))
	for leg := range g.calls.Legs() {
		if leg.Cause == origin {
			g.endOriginLeg(now, leg)
		}
	}
}
