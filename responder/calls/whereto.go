package calls

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tollwarden/tollwarden/ami/event"
	"github.com/tollwarden/tollwarden/responder/numbers"
	"github.com/tollwarden/tollwarden/responder/score"
)

// Limits of where a thief's calls go and an owner's do not.
const (
	// sharedBy accounts that call one new costly number within the hour are a sign.
	sharedBy = 4
	// inARow costly numbers in a row, within the hour, are a sign.
	inARow = 4
	// afterLogin is how long after the first login from a network a call counts as what
	// somebody logged in there for.
	afterLogin = 10 * time.Minute
	// maxCostly bounds the costly numbers kept for an account.
	maxCostly = 32
)

// costlyNumber is an unusual number that an account called.
type costlyNumber struct {
	e164    string
	country string
	at      time.Time
}

// newNetwork is the network that an account was first used from, and when.
type newNetwork struct {
	prefix netip.Prefix
	at     time.Time
}

// checkWhereTo looks for what thieves call: numbers that cost, and that the account does not
// usually call. It is to be called after checkCountry.
func (d *Detector) checkWhereTo(now time.Time, a *accountState, s *signs) {
	costs := d.cost(a.limits, s.number)
	if costs == "" || costs == noNumber {
		return
	}
	d.checkShared(now, a, costs, s)
	d.checkAfterLogin(now, a, costs, s)
	if d.unusual(now, a, s.number, costs) {
		a.checkSequence(now, s)
	}
}

// unusual reports whether a number costs and is none that the account usually calls.
// Nothing abroad is unusual before anything has been learned.
func (d *Detector) unusual(now time.Time, a *accountState, n *numbers.Number, costs string) bool {
	if costs == "" || costs == noNumber {
		return false
	}
	return paysThieves(n, costs) || d.abroad(n) && d.callsKnown(now) && !a.usuallyCalls(now, n.Country)
}

// abroad reports whether a number is certain to be abroad: without the site's country, a
// domestic one in international form looks so, too.
func (d *Detector) abroad(n *numbers.Number) bool { return n.Foreign && d.rules.Dialling.Country != "" }

// paysThieves reports whether whoever is called earns from the call, or the rules forbid it.
func paysThieves(n *numbers.Number, costs string) bool {
	return n.Type == "premium" || n.Type == "satellite" || n.Type == "personal" || strings.HasPrefix(costs, "forbidden")
}

// risky is paysThieves, also for countries that fraud prefers and the account does not
// usually call.
func (d *Detector) risky(now time.Time, a *accountState, n *numbers.Number, costs string) bool {
	return paysThieves(n, costs) ||
		d.abroad(n) && d.rules.Risky != nil && d.rules.Risky(n.Country) && (a == nil || !a.usuallyCalls(now, n.Country))
}

// checkAfterLogin looks for a number known for fraud that is called minutes after the first
// login from a network, once for each such network. A forbidden one has a sign already.
func (d *Detector) checkAfterLogin(now time.Time, a *accountState, costs string, s *signs) {
	is := a.newNetwork
	if is.at.IsZero() || now.Sub(is.at) > afterLogin || strings.HasPrefix(costs, "forbidden") || !d.risky(now, a, s.number, costs) {
		return
	}
	if from := s.from.Source; from.IsValid() && event.NetworkPrefix(from) != is.prefix {
		return
	}
	a.newNetwork = newNetwork{}
	s.add(CostlyAfterLogin, "%s, %s after the first login from %s", costs, now.Sub(is.at).Round(time.Second), is.prefix)
}

// checkSequence looks for numbers in a row: whoever is paid for them rents a range.
func (a *accountState) checkSequence(now time.Time, s *signs) {
	var again bool
	if a.costly, again = addNumber(a.costly, now, s.number); again {
		return
	}
	called := map[uint64]bool{}
	for _, c := range a.costly {
		if v, err := strconv.ParseUint(strings.TrimPrefix(c.e164, "+"), 10, 64); err == nil {
			called[v] = true
		}
	}
	v, err := strconv.ParseUint(strings.TrimPrefix(s.number.E164, "+"), 10, 64)
	if err != nil {
		return
	}
	n := 1
	for i := v - 1; called[i]; i-- {
		n++
	}
	for i := v + 1; called[i]; i++ {
		n++
	}
	if n >= inARow {
		s.add(SequentialNumbers, "one of %d costly numbers in a row", n)
	}
}

// addNumber adds a number to those called within the hour. again is true if it is one of
// them, and nothing is added.
func addNumber(list []costlyNumber, now time.Time, n *numbers.Number) (_ []costlyNumber, again bool) {
	list = slices.DeleteFunc(list, func(c costlyNumber) bool { return now.Sub(c.at) >= hour })
	if n.E164 == "" || slices.ContainsFunc(list, func(c costlyNumber) bool { return c.e164 == n.E164 }) {
		return list, true
	}
	if len(list) >= maxCostly {
		list = slices.Delete(list, 0, 1)
	}
	return append(list, costlyNumber{n.E164, n.Country, now}), false
}

// sharedNumbers are the costly numbers that accounts called, by E164.
type sharedNumbers map[string]*sharedNumber

// sharedNumber is one of them. Its callers are those within the hour, by account.
type sharedNumber struct {
	first, last time.Time
	callers     map[string]time.Time
}

// Bounds of sharedNumbers: as many numbers as a large office calls in a week.
const (
	maxShared        = 4096
	maxSharedCallers = 16
	sharedFor        = 30 * 24 * time.Hour
)

// note records that an account calls a number, and returns who called it within the hour,
// if it is new to the site: called for less than a day.
func (l *sharedNumbers) note(now time.Time, e164, account string) (callers []string) {
	if *l == nil {
		*l = sharedNumbers{}
	}
	n := (*l)[e164]
	if n == nil || now.Sub(n.last) >= sharedFor {
		l.makeRoom()
		n = &sharedNumber{first: now, callers: map[string]time.Time{}}
		(*l)[e164] = n
	}
	n.last = now
	maps.DeleteFunc(n.callers, func(_ string, at time.Time) bool { return now.Sub(at) >= hour })
	if len(n.callers) < maxSharedCallers {
		n.callers[account] = now
	}
	if now.Sub(n.first) >= knownAfter {
		return nil
	}
	return slices.Sorted(maps.Keys(n.callers))
}

// makeRoom forgets the number called the longest ago, if there is no room.
func (l *sharedNumbers) makeRoom() {
	if len(*l) < maxShared {
		return
	}
	oldest := ""
	for e164, n := range *l {
		if oldest == "" || n.last.Before((*l)[oldest].last) {
			oldest = e164
		}
	}
	delete(*l, oldest)
}

// checkShared looks for one number that several accounts call and nobody called before: a thief
// with many passwords tries them on it. A customer abroad, or a conference bridge, is in a
// country that somebody of the site usually calls.
func (d *Detector) checkShared(now time.Time, a *accountState, costs string, s *signs) {
	n := s.number
	if n.E164 == "" || score.IsOrigin(a.name) {
		return
	}
	callers := d.shared.note(now, n.E164, a.name)
	if len(callers) < sharedBy {
		return
	}
	if paysThieves(n, costs) || d.abroad(n) && d.callsKnown(now) && !d.siteCalls(now, n.Country) {
		for i := range callers {
			callers[i] = score.Printable(callers[i])
		}
		s.add(SharedNumber, "%s, called from %d extensions within an hour (%s)", costs, len(callers), strings.Join(callers, ", "))
	}
}

// siteCalls reports whether any account usually calls a country.
func (d *Detector) siteCalls(now time.Time, country string) bool {
	for _, a := range d.accounts {
		if a.usuallyCalls(now, country) {
			return true
		}
	}
	return false
}

// words says where a login came from; "" if that is not known.
func (l Login) words() string {
	if !l.Source.IsValid() {
		return ""
	}
	return fmt.Sprintf(" from %s", l.Source.Unmap())
}
