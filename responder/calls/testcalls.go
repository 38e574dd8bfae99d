package calls

import (
	"slices"
	"strings"
	"time"
)

// Limits of calls that test numbers, and of calls that are never answered.
const (
	// A test call is answered for at most testCall. testCalls of them within the hour, to
	// different numbers, are a sign if they go to testCountries, or to one range of 1,000.
	testCall      = 15 * time.Second
	testCalls     = 5
	testCountries = 3
	// unanswered is how long a phone may ring. A call that is not answered for longer is taken
	// for early media: the far end plays sound without answering. earlyMinutes of it within
	// the hour are a sign.
	unanswered   = time.Minute
	earlyMinutes = 5 * time.Minute
)

// earlyMedia is how long the unusual calls of an account have gone unanswered within an
// hour, and how many signs that has had.
type earlyMedia struct {
	since  time.Time
	sum    time.Duration
	raised int
}

// ended returns the signs of a channel that ends: of a leg to a trunk, or of a phone's channel
// whose call had no leg.
func (d *Detector) ended(now time.Time, name string) []Sign {
	if l, ok := d.out[name]; ok {
		if l.Emergency {
			return nil
		}
		if l.Answered.IsZero() {
			return d.countUnanswered(now, l)
		}
		return d.checkTest(now, l.Cause, name, &l)
	}
	c, ok := d.byName[name]
	if !ok || !d.isPhoneName(c.Account) || !c.Calling || !c.Outgoing || c.Answered.IsZero() || d.parts[name].call == nil || d.parts[name].call.left {
		return nil
	}
	return d.checkTest(now, c.Account, name, &Leg{Number: d.read(d.rules.limitsOf(c.Account), c.Dialled), Answered: c.Answered})
}

// checkTest looks for calls that only test whether numbers can be reached.
func (d *Detector) checkTest(now time.Time, account, channel string, l *Leg) []Sign {
	a := d.accounts[account]
	if a == nil || now.Sub(l.Answered) > testCall || !d.unusual(now, a, &l.Number, d.cost(a.limits, &l.Number)) {
		return nil
	}
	var again bool
	if a.tests, again = addNumber(a.tests, now, &l.Number); again || len(a.tests) < testCalls {
		return nil
	}
	s := signs{account: a, channel: channel, number: &l.Number}
	if countries := countriesOf(a.tests); countries >= testCountries {
		s.add(TestCalls, "%d calls of a few seconds within an hour, to %d countries", len(a.tests), countries)
	} else if n := inRange(a.tests, l.Number.E164); n >= testCalls {
		s.add(TestCalls, "%d calls of a few seconds within an hour, to one range of numbers", n)
	}
	return s.list
}

func countriesOf(list []costlyNumber) int {
	countries := map[string]bool{}
	for _, c := range list {
		countries[c.country] = true
	}
	return len(countries)
}

// inRange counts the numbers that differ from one only in the last three digits.
func inRange(list []costlyNumber, e164 string) (n int) {
	block := max(0, len(e164)-3)
	for _, c := range list {
		if len(c.e164) == len(e164) && c.e164[:block] == e164[:block] {
			n++
		}
	}
	return n
}

// Unanswered returns the signs of calls to unusual numbers that are up and not answered. It
// is to be called every second.
func (d *Detector) Unanswered(now time.Time) (list []Sign) {
	var legs []Leg
	for _, l := range d.out {
		if l.Answered.IsZero() && !l.Emergency && now.Sub(l.Began) > unanswered {
			legs = append(legs, l)
		}
	}
	slices.SortFunc(legs, func(a, b Leg) int { return strings.Compare(a.Channel, b.Channel) })
	for i := range legs {
		list = append(list, d.countUnanswered(now, legs[i])...)
	}
	return list
}

// countUnanswered counts for how long a leg has not been answered, beyond ringing.
func (d *Detector) countUnanswered(now time.Time, l Leg) []Sign {
	a := d.accounts[l.Cause]
	more := now.Sub(l.Began) - unanswered - l.early
	if a == nil || more <= 0 || !d.unusual(now, a, &l.Number, l.Costs) {
		return nil
	}
	l.early += more
	d.out[l.Channel] = l
	e := &a.early
	if now.Sub(e.since) >= hour {
		*e = earlyMedia{since: now}
	}
	if e.sum += more; e.sum < time.Duration(e.raised+1)*earlyMinutes {
		return nil
	}
	e.raised = int(e.sum / earlyMinutes)
	s := signs{account: a, channel: l.Channel, number: &l.Number}
	s.add(EarlyMedia, "%s, %s of calls within an hour that nobody answers", l.Costs, e.sum.Round(time.Second))
	return s.list
}
