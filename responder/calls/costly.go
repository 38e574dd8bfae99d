package calls

import (
	"net/netip"
	"time"

	"github.com/tollwarden/tollwarden/ami/event"
	"github.com/tollwarden/tollwarden/responder/numbers"
)

// Placed returns the sign of an outgoing call that has just begun, or of a number that
// an account has just redirected a call to: a sign of kind Placed, which becomes no
// signal. It is to be called with the same now after Call, Transfer or CheckRedirect.
// ok is false unless the account is a phone and the number is outside the site.
func (d *Detector) Placed(now time.Time, account, number, channel string) (s Sign, ok bool) {
	a := d.accounts[account]
	if a == nil || !d.isPhone(a) {
		return Sign{}, false
	}
	n := d.read(a.limits, number)
	if !n.External {
		return Sign{}, false
	}
	s = d.placed(now, a, channel, &n, d.cost(a.limits, &n))
	_, _, s.Forbidden = a.limits.Destinations.forbids(&n)
	return s, true
}

// PlacedLeg is Placed for a leg, whose number and costs have been read.
func (d *Detector) PlacedLeg(now time.Time, leg *Leg) (s Sign, ok bool) {
	a := d.accounts[leg.Cause]
	if a == nil || !d.isPhone(a) || !leg.Number.External && !leg.Forbidden {
		return Sign{}, false
	}
	s = d.placed(now, a, leg.Channel, &leg.Number, leg.Costs)
	s.Forbidden = leg.Forbidden
	return s, true
}

func (d *Detector) placed(now time.Time, a *accountState, channel string, n *numbers.Number, cost string) Sign {
	s := Sign{Kind: Placed, Account: a.name, Channel: channel, From: a.where(now), Hint: a.hint(now), Detail: n.Digits, Cost: cost}
	s.NewCountry = cost != "" && n.Country != "" && n.Country != d.rules.Dialling.Country && a.isNew(n.Country, now)
	return s
}

// isNew says whether an account first called a country within the hour.
func (a *accountState) isNew(country string, now time.Time) bool {
	u := a.countries[country]
	return u == nil || now.Sub(u.first) < hour
}

// inUse is how long after its last login a place counts as one that the account's phone
// is at: phones register once an hour or more often.
const inUse = time.Hour

// Phones returns the places that an account has logged in from lately.
func (d *Detector) Phones(now time.Time, account string) (list []Login) {
	a := d.accounts[account]
	if a == nil {
		return nil
	}
	for i := range a.logins {
		if now.Sub(a.logins[i].at) < inUse {
			list = append(list, a.logins[i].Login)
		}
	}
	return list
}

// Place records where a call comes from.
func (t *Tracker) Place(channel string, from netip.Addr) {
	if c, ok := t.byName[channel]; ok && from.IsValid() {
		c.From = from
		t.byName[channel] = c
	}
}

// CostlyElsewhere returns a costly call of an account that is up, began after a time, and
// is known to come from another network than an address.
func (d *Detector) CostlyElsewhere(account string, from netip.Addr, after time.Time) (c Channel, ok bool) {
	a := d.accounts[account]
	if a == nil || d.outgoing[account] == 0 {
		return Channel{}, false
	}
	here := event.NetworkPrefix(from)
	for _, c := range d.byName {
		if c.Account != account || !c.Outgoing || !c.Since.After(after) || !c.From.IsValid() || event.NetworkPrefix(c.From) == here {
			continue
		}
		if d.Cost(account, c.Dialled) != "" {
			return c, true
		}
	}
	return Channel{}, false
}

// Trust records that an address is the account's own, because a person says so: it counts
// as used just now.
func (d *Detector) Trust(now time.Time, account string, at netip.Addr) {
	d.places.UseNetwork(now, account, at)
}
