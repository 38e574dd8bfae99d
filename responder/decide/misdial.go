package decide

import (
	"github.com/tollwarden/tollwarden/ami/event"
	"github.com/tollwarden/tollwarden/responder/score"
)

// misdialledAtHome is why nothing is taken from an account for one number in many forms.
const misdialledAtHome = "one number dialled in several ways, from where the extension has long been used, is one that somebody cannot get through to: " +
	"calls and password are left alone"

// misdialled says whether a verdict rests on nothing but calls to one number in several
// forms from a place where the account's own users are: with 00, with +, with and without
// the outside line. A thief who tries what gets through does so from elsewhere, as fast as a
// machine, or goes on with other numbers.
func misdialled(v *score.Verdict, f Facts) bool {
	if f.Home == "" || !f.OneNumber {
		return false
	}
	home, forms := event.NetworkPrefix(v.Cause.Source), false
	for _, e := range Counted(v) {
		if e.Signal != score.DialProbing && !saysWhereTo(e.Signal) || event.NetworkPrefix(e.Source) != home {
			return false
		}
		forms = forms || e.Signal == score.DialProbing
	}
	return forms
}

// Counted is the evidence that counts for the threshold of a verdict.
func Counted(v *score.Verdict) (list []score.Record) {
	for _, e := range v.Evidence {
		if v.Threshold.Points[e.Signal] > 0 && v.At.Sub(e.At) < v.Threshold.Within {
			list = append(list, e)
		}
	}
	return list
}

// Dialled are the numbers that the evidence of a verdict names. ok is false if some of it
// names none.
func Dialled(v *score.Verdict) (list []string, ok bool) {
	for _, e := range Counted(v) {
		number := dialledIn(e.Session)
		if number == "" {
			return nil, false
		}
		list = append(list, number)
	}
	return list, len(list) > 0
}
