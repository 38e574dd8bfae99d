package decide

import (
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
	for _, e := range v.Evidence {
		counted := v.Threshold.Points[e.Signal] > 0 && v.At.Sub(e.At) < v.Threshold.Within
		if counted && (!pace(e.Signal) || event.NetworkPrefix(e.Source) != home) {
			return false
		}
	}
	return true
}

// pace says whether a signal is about how fast calls follow each other, not where they go.
func pace(s score.Signal) bool {
	return s == score.CallRate || s == score.ConcurrentCalls || s == score.Cadence
}
