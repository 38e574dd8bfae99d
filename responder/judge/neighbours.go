package judge

import (
	"fmt"

	"github.com/tollwarden/tollwarden/ami/event"
	"github.com/tollwarden/tollwarden/responder/decide"
	"github.com/tollwarden/tollwarden/responder/score"
)

// Where healthy accounts live, only what was used is cut: a ban of the address would hit
// them.

// spare fills in what a plan must know of the accounts that live at its target.
func (j *Judge) spare(v *score.Verdict, f *decide.Facts) {
	if v.Cause.Source.IsValid() && f.Target == event.SourcePrefix(v.Cause.Source) {
		j.spareNeighbours(v, f)
	}
	if f.Closes {
		f.CloseFor = j.Partial.CloseFor(v, f.Target)
	}
}

func (j *Judge) spareNeighbours(v *score.Verdict, f *decide.Facts) {
	first, n := j.phones.Healthy(v)
	if n == 0 && j.Places.Named(f.Target) != "" {
		n = 1 // as where one extension is used
	}
	only := false
	if n == 0 {
		var outdated bool
		if outdated, only = j.phones.Outdated(v); outdated {
			first, n = v.Cause.Account, 1 // whose healthy phones come from there, too
		}
	}
	if n == 0 {
		return
	}
	protected := f.Protected
	if protected == "" {
		if !v.Proven && !v.Cause.Transport.Connected() && !f.Throttles {
			return // only a short ban stops a guesser whom nothing can throttle
		}
		f.Protected = usedBy(first, n)
	}
	f.Healthy = n
	if f.Home != "" || f.Sharing >= decide.ProxyPhones || f.Carrier {
		return
	}
	own := j.Places.Known(v.Cause.Account, v.Cause.Source, v.At)
	_, agent := j.Places.Phones(v.Cause.Account, f.Target, v.Cause.Port)
	wider := only || f.Closes || f.Throttles && v.Cause.Transport == event.UDP
	switch flow, ok := j.Partial.Cut(v, own, agent, wider); {
	case ok:
		f.Flow = &flow
	case only:
		f.Healthy, f.Protected = 0, protected
	}
}

func usedBy(first string, n int) string {
	if n == 1 {
		return "used by " + first
	}
	return fmt.Sprintf("used by %s and %d more", first, n-1)
}
