package calls

import (
	"strings"
	"time"

	"github.com/tollwarden/tollwarden/responder/score"
)

// knownAfter is how long after its first call a country is one that an account or an origin
// usually calls. A thief must not make it one by a call an hour before.
const knownAfter = 24 * time.Hour

// causeOf says whose a call is: an account's, or an origin's.
func (d *Detector) causeOf(c *trackedCall) string {
	if score.IsOrigin(c.account) || d.listed == nil || d.isPhoneName(c.account) || d.isGuest(c.account) {
		return c.account
	}
	return score.TrunkOrigins + c.account
}

// isGuest reports whether calls under this name belong to no account.
func (d *Detector) isGuest(name string) bool {
	a := d.accounts[name]
	if a == nil {
		a = &accountState{name: name, carrier: d.rules.isCarrier(name)}
	}
	return d.isAnonymous(a)
}

// forwarder returns the account that sends a call to another channel than its own phone's:
// what has been dialled is its name, or was at first (dialplans jump, and macros dial as
// "s"): by the caller, or by the Local channel through which a queue or a ring group rings
// the extension. "" means that none does. An account's registration may forward its calls, too.
func (d *Detector) forwarder(x Dial) string {
	if tech, peer := peerOf(x.Channel); named(tech) && !d.isTrunk(peer) && numberIn(tech, x.String) == "" && d.redirected(peer) != "" {
		return peer
	}
	c, account := d.parts[x.By].call, x.Exten
	if !d.isExtension(account) {
		switch tech, peer := peerOf(x.By); {
		case c != nil && c.own == x.By:
			account = c.did
		case tech == "Local" && strings.HasSuffix(x.By, ";2"):
			account, _, _ = strings.Cut(peer, "@")
		}
	}
	if _, peer := peerOf(x.Channel); peer == account || !d.isExtension(account) || c != nil && c.account == account {
		return ""
	}
	return account
}

// isExtension is isPhoneName for what somebody dialled: chan_sip names that in the
// SuccessfulAuth of a call, so that a login does not make an account of it.
func (d *Detector) isExtension(dialled string) bool {
	return d.isPhoneName(dialled) && (d.listed == nil || d.listed[dialled].Login)
}

// consults gives a call of the PBX to the phone that has the PBX dial for it: for an attended
// transfer by keys (features.conf, atxfer) and for Page, no event says who dialled. The phone
// has called or answered, and has the same Linkedid. If the caller's number is that of such a
// phone, it is this one; otherwise there must be only one.
func (d *Detector) consults(x Dial, c *trackedCall) {
	if c.account != score.PBXItself || x.Linkedid == "" {
		return
	}
	found := ""
	for up := range d.All() {
		switch {
		case up.Linkedid != x.Linkedid || up.Answered.IsZero() && !up.Calling || !d.isPhoneName(up.Account):
		case up.Account == x.CallerID:
			c.account = up.Account
			return
		case found == "" || found == up.Account:
			found = up.Account
		default:
			found = score.PBXItself
		}
	}
	if found != "" {
		c.account = found
	}
}

// clickToDial gives a call to a phone that the PBX has called to connect it with a number:
// when the channel dials, the phone has answered.
func (d *Detector) clickToDial(by string) {
	c := d.parts[by].call
	if c == nil || c.orphan || c.account != score.PBXItself {
		return
	}
	tech, peer := peerOf(by)
	placed := &trackedCall{account: peer, placed: true, first: by}
	switch {
	case named(tech):
		placed.own = by
	case tech == "Local" && strings.HasSuffix(by, ";1"):
		placed.account, _, _ = strings.Cut(peer, "@")
	}
	if d.isPhoneName(placed.account) {
		d.parts[by] = part{call: placed}
	}
}

// recause says whose the legs of a call are, now that it is known who dialled its Local
// channel.
func (d *Detector) recause(c *trackedCall) {
	for name, l := range d.out {
		if l.call == c {
			l.Cause = d.causeOf(c)
			d.out[name] = l
		}
	}
}

// checkOrigin checks a call that no account sets up. Calls within the country, and to
// countries that the origin usually calls, count only by their destination: a queue with
// members outside makes as many as there are callers.
func (d *Detector) checkOrigin(now time.Time, a *accountState, leg *Leg, s *signs) {
	a.checkLeaving(s)
	known := leg.Number.Type == "" && !leg.Forbidden && a.usuallyCalls(now, leg.Number.Country)
	if leg.Number.External {
		d.checkCountry(now, a, s)
		d.checkWhereTo(now, a, s)
	}
	// Without a country nobody knows which numbers are abroad.
	abroad := d.rules.Dialling.Country != "" || leg.Number.Type != "" || leg.Forbidden
	if leg.Costs == "" || known || !abroad || leg.call.counted {
		return
	}
	leg.call.counted = true
	a.starts, a.fresh = recent(append(a.starts, now), now), recent(append(a.fresh, now), now)
	if n := since(a.starts, now.Add(-minute)); n >= a.limits.Rate && a.limits.Rate > 0 {
		s.add(CallRate, "costly call %d within a minute", n)
	}
	live := d.costlyLegs(a.name)
	if live > a.limits.Concurrent && a.limits.Concurrent > 0 {
		s.add(ConcurrentCalls, "%d costly calls at once", live)
	}
	if d.rules.Hours.closed(now) {
		a.checkOffHours(now, live, false, s)
	}
}

// usuallyCalls reports whether a country has been called for a day or longer.
func (a *accountState) usuallyCalls(now time.Time, country string) bool {
	u := a.countries[country]
	return u != nil && now.Sub(u.first) >= knownAfter
}

// costlyLegs returns how many costly calls of an origin are up.
func (d *Detector) costlyLegs(origin string) int {
	up := map[string]bool{}
	for l := range d.Legs() {
		if l.Cause == origin && l.Costs != "" {
			up[l.Call] = true
		}
	}
	return len(up)
}
