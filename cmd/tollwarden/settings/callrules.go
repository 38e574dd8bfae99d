package settings

import (
	"github.com/tollwarden/tollwarden/config"
	"github.com/tollwarden/tollwarden/responder/calls"
	"github.com/tollwarden/tollwarden/responder/numbers"
)

// callRules is the section calls as package calls takes it.
func callRules(c *config.Calls) calls.Rules {
	r := calls.Rules{
		Dialling: numbers.Dialling{
			Country: c.Country, Outside: c.OutsideLine, International: c.International, Internal: c.InternalDigits,
			EmergencyNumbers: c.Emergency,
		},
		Hours: calls.Hours{Zone: c.Timezone},
		Learn: c.Learn, Carriers: c.Carriers, Limits: callLimits(c.Limits),
	}
	for _, h := range c.Hours {
		r.Hours.Open = append(r.Hours.Open, calls.Span(h))
	}
	for _, d := range c.Holidays {
		r.Hours.Holidays = append(r.Hours.Holidays, calls.Day(d))
	}
	for _, g := range c.Groups {
		r.Groups = append(r.Groups, calls.Group{Name: g.Name, Accounts: g.Accounts, Limits: callLimits(g.Limits)})
	}
	return r
}

func callLimits(l config.CallLimits) calls.Limits {
	return calls.Limits{
		Rate: l.Rate, Concurrent: l.Concurrent, Gap: l.Gap, Variants: l.Variants,
		OffHours: l.OffHours, OffHoursConcurrent: l.OffHoursConcurrent, Dormant: l.Dormant,
		Destinations: calls.Destinations{Allow: l.Allow, Deny: l.Deny},
	}
}
