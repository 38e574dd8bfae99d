package decide

import (
	"strings"

	"github.com/tollwarden/tollwarden/ami/event"
	"github.com/tollwarden/tollwarden/responder/score"
)

// hurriedAtHome is why an account is not taken from its owner for the pace of its calls.
const hurriedAtHome = "many calls at once, from where the extension has long been used, are a machine of the owner's or a mistake: they are ended; " +
	"if they are meant, give the extension a [[calls.group]] of its own"

// hurried says whether a verdict rests on nothing but the pace of calls from a place where
// the account's own users are, and within the country, as those of a dialer or of somebody
// in a hurry with a telephone list. Whoever steals does so for calls that cost.
func hurried(v *score.Verdict, f Facts) bool {
	if f.Home == "" || f.Costly || !pace(v.Cause.Signal) {
		return false
	}
	home := event.NetworkPrefix(v.Cause.Source)
	for _, e := range Counted(v) {
		if !pace(e.Signal) || event.NetworkPrefix(e.Source) != home {
			return false
		}
	}
	return true
}

// redialledAtHome is why an account is not taken from its owner for one number.
const redialledAtHome = "calls to one forbidden number alone, from where the extension has long been used, are those of somebody who wonders why they are cut off: " +
	"each of them is ended; if they are meant, give the extension a [[calls.group]] whose deny leaves that number out"

// redialled says whether a verdict rests on nothing but calls to one forbidden number from a
// place where the account's own users are. Whoever is cut off at once dials again, and so
// does whoever returns a call from such a number. A thief dials others.
func redialled(v *score.Verdict, f Facts) bool {
	number := dialledIn(v.Cause.Session)
	if f.Home == "" || number == "" {
		return false
	}
	home, forbidden := event.NetworkPrefix(v.Cause.Source), false
	for _, e := range Counted(v) {
		if !saysWhereTo(e.Signal) || event.NetworkPrefix(e.Source) != home || dialledIn(e.Session) != number {
			return false
		}
		forbidden = forbidden || e.Signal == score.ForbiddenDestination
	}
	return forbidden
}

// saysWhereTo says whether a signal is about where a call goes, or when: a single call may
// raise all of them.
func saysWhereTo(s score.Signal) bool {
	return s == score.ForbiddenDestination || s == score.NewCountry || s == score.Dormant || s == score.OffHours
}

// dialledIn is the number in the session of a record about a call, which names the channel,
// the number and what is odd about it; "" if there is none.
func dialledIn(session string) string {
	_, call, _ := strings.Cut(session, " ")
	number, _, _ := strings.Cut(call, ":")
	return number
}

// pace says whether a signal is about how fast calls follow each other, not where they go.
func pace(s score.Signal) bool {
	return s == score.CallRate || s == score.ConcurrentCalls || s == score.Cadence
}
