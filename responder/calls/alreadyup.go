package calls

import (
	"slices"
	"strings"
	"time"

	"github.com/tollwarden/tollwarden/responder/numbers"
)

// A call that was up before any event told of it, as at the start or after a gap, shows
// where it goes and beside how many others. How fast the calls were dialled cannot be told,
// and neither can what is new about them: they teach nothing, and are judged once.

// AlreadyUp returns the outgoing calls of phones, and all of guests, that only Asterisk's
// last list has told of: each once. It is to be called after ApplySnapshot.
func (d *Detector) AlreadyUp(now time.Time) (list []Channel) {
	for _, name := range d.unheard {
		c, up := d.Channel(name)
		if !up {
			continue
		}
		if a := d.state(now, c.Account); a != nil && (c.Outgoing || d.isAnonymous(a)) {
			list = append(list, c)
		}
	}
	d.unheard = nil
	return list
}

// UpNow returns the calls that AlreadyUp would, however they became known, ordered by name.
func (d *Detector) UpNow(now time.Time) (list []Channel) {
	for _, c := range d.byName {
		if !c.Calling {
			continue
		}
		if a := d.state(now, c.Account); a != nil && (c.Outgoing || d.isAnonymous(a)) {
			list = append(list, c)
		}
	}
	slices.SortFunc(list, func(a, b Channel) int { return strings.Compare(a.Name, b.Name) })
	return list
}

// CheckAlreadyUp returns the signs of calls that were already up. These count:
//   - forbidden destinations
//   - more than Concurrent costly calls of one account at once, except to countries that it
//     usually calls
//   - more than OffHoursConcurrent costly calls of one account at once, to whatever country,
//     outside working hours
//   - calls of guests, as when they begin
//
// Costly calls go abroad, or to numbers that cost more than others. Calls that were heard
// of, and are still up, count towards both limits, but have no sign.
func (d *Detector) CheckAlreadyUp(now time.Time, list []Channel) (found []Sign) {
	costly := map[string]*costlyCalls{}
	for _, c := range list {
		a := d.state(now, c.Account)
		if a == nil {
			continue
		}
		n := d.read(a.limits, c.Dialled)
		s := signs{account: a, channel: c.Name, number: &n}
		s.from.Source = c.From
		if d.isAnonymous(a) {
			a.checkAnonymous(&s)
			found = append(found, s.list...)
			continue
		}
		a.checkDestination(&s)
		if costly[a.name] == nil {
			costly[a.name] = d.costlyCallsOf(now, a)
		}
		d.checkAtOnce(now, costly[a.name], &c, &s)
		found = append(found, s.list...)
	}
	return found
}

// CheckLegsAlreadyUp returns the signs of legs that were up before any event named them. It
// leaves out those of a phone's own channel. These count:
//   - forbidden destinations
//   - more than Concurrent costly calls of one account or origin at once, except to countries
//     that it usually calls
func (d *Detector) CheckLegsAlreadyUp(now time.Time, legs []Leg) (found []Sign) {
	up, over := map[string]map[string]bool{}, map[string]int{}
	unusual := func(a *accountState, leg *Leg) bool {
		abroad := d.rules.Dialling.Country != "" || leg.Number.Type != "" || leg.Forbidden
		return leg.Costs != "" && abroad && (leg.Number.Type != "" || leg.Forbidden || !a.usuallyCalls(now, leg.Number.Country))
	}
	for i := range legs {
		leg := &legs[i]
		a := d.state(now, leg.Cause)
		if a == nil || leg.Own || leg.Emergency || !unusual(a, leg) {
			continue
		}
		if up[leg.Cause] == nil {
			up[leg.Cause] = map[string]bool{}
		}
		up[leg.Cause][leg.Call] = true
		if n := len(up[leg.Cause]); a.limits.Concurrent > 0 {
			over[leg.Cause] = n - a.limits.Concurrent
		}
	}
	for i := range legs {
		leg := &legs[i]
		a := d.state(now, leg.Cause)
		if a == nil || leg.Own || leg.Emergency {
			continue
		}
		s := signs{account: a, channel: leg.Channel, number: &leg.Number}
		a.checkLeaving(&s)
		if over[leg.Cause] > 0 && unusual(a, leg) && up[leg.Cause][leg.Call] {
			s.add(ConcurrentCalls, "%d costly calls at once, this one for %s", len(up[leg.Cause]), max(0, now.Sub(leg.Began)).Round(time.Second))
			over[leg.Cause]--
		}
		found = append(found, s.list...)
	}
	return found
}

// costlyCalls are how many costly calls an account has up.
type costlyCalls struct {
	all, unusual int // unusual are those to countries that it does not usually call
	// How many of them are beyond the limits, and have no sign yet.
	over, overClosed int
}

func (d *Detector) costlyCallsOf(now time.Time, a *accountState) *costlyCalls {
	up := &costlyCalls{}
	for _, c := range d.Of(a.name) {
		if costly, usual := d.costlyAlready(now, a, &c); costly {
			up.all++
			if !usual {
				up.unusual++
			}
		}
	}
	if a.limits.Concurrent > 0 {
		up.over = max(0, up.unusual-a.limits.Concurrent)
	}
	if d.rules.Hours.closed(now) {
		up.overClosed = max(0, up.all-a.limits.OffHoursConcurrent)
	}
	return up
}

// costlyAlready says whether a call that is up costs more than others, and whether the
// account usually calls that country.
func (d *Detector) costlyAlready(now time.Time, a *accountState, c *Channel) (costly, usual bool) {
	if !c.Outgoing {
		return false, false
	}
	why := d.Cost(a.name, c.Dialled)
	if why == "" || why == noNumber {
		return false, false
	}
	n := d.read(a.limits, c.Dialled)
	return true, n.Foreign && n.Type == "" && a.usuallyCalls(now, n.Country)
}

// checkAtOnce gives a costly call a sign for each limit that is exceeded, and has not been
// raised often enough yet.
func (d *Detector) checkAtOnce(now time.Time, up *costlyCalls, c *Channel, s *signs) {
	costly, usual := d.costlyAlready(now, s.account, c)
	if !costly {
		return
	}
	long := c.UpFor(now).Round(time.Second)
	if !usual && up.over > 0 {
		up.over--
		s.add(ConcurrentCalls, "%d costly calls at once, this one for %s", up.unusual, long)
	}
	if up.overClosed > 0 {
		up.overClosed--
		s.add(OffHours, "%d costly calls at once, this one for %s, outside working hours", up.all, long)
	}
}

// UpFor is how long a call has been up and costs, at most: of one that was up before the
// events told of it, Asterisk's list gives only how long its channel exists. It is zero for
// a call that was not answered.
func (c *Channel) UpFor(now time.Time) time.Duration {
	if c.Answered.IsZero() {
		return 0
	}
	return max(0, now.Sub(c.Answered))
}

// sentInstead returns the number in the arguments of Dial if it costs more than what was
// dialled, as where the dialplan rewrites numbers or goes on at "s"; otherwise what was
// dialled.
func (d *Detector) sentInstead(a *accountState, c *Channel) string {
	n := d.read(a.limits, c.Dialled)
	best, weight := c.Dialled, d.weightOf(a, &n)
	for _, number := range numbersIn(c.Data) {
		n := d.readSent(number)
		if w := d.weightOf(a, &n); w > weight {
			best, weight = number, w
		}
	}
	return best
}

// weightOf orders numbers by how much they matter: internal ones, within the country,
// costly, forbidden.
func (d *Detector) weightOf(a *accountState, n *numbers.Number) int {
	why := d.cost(a.limits, n)
	switch {
	case strings.HasPrefix(why, "forbidden"):
		return 3
	case why != "" && why != noNumber:
		return 2
	case n.External:
		return 1
	}
	return 0
}

// numbersIn returns the numbers that the arguments of Dial send, to each of its devices.
func numbersIn(data string) (list []string) {
	data, _, _ = strings.Cut(data, ",")
	for to := range strings.SplitSeq(data, "&") {
		tech, _, _ := strings.Cut(to, "/")
		if number := numberIn(tech, to); number != "" {
			list = append(list, number)
		}
	}
	return list
}
