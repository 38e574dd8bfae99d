package decide

import (
	"slices"
	"strings"
	"time"

	"github.com/tollwarden/tollwarden/responder/incident"
	"github.com/tollwarden/tollwarden/responder/score"
)

const (
	// unstoppedAt is how often a threshold has to be crossed, without anything
	// being done, until the attack counts as one that goes on.
	unstoppedAt = 3
	// unstoppedQuiet is how long it must not be crossed until the attack is over.
	unstoppedQuiet = 10 * time.Minute
	// maxUnstopped bounds the attacks that are remembered. Beyond it those quiet
	// longest are forgotten first.
	maxUnstopped = 256
)

// Attack is one that goes on because no step of its playbook could be carried out.
type Attack struct {
	Key       score.Key
	Threshold string
	Since     time.Time // when nothing was done for the first time
	Last      time.Time
	Crossed   int    // how often the threshold was
	Reason    string // why nothing was done
	Advice    string // what a person can do
}

// Unstopped remembers the attacks that go on because nothing is done about them. It
// is bounded. The zero value is ready to use.
type Unstopped struct {
	by map[score.Key]*Attack
}

// Crossed records that a threshold was crossed and nothing was done. begins is true when
// the attack becomes one that goes on.
func (u *Unstopped) Crossed(a Attack) (begins bool) {
	was := u.by[a.Key]
	if was == nil || a.Last.Sub(was.Last) >= unstoppedQuiet {
		a.Since = a.Last
		u.add(&a)
		return false
	}
	a.Since, a.Crossed = was.Since, was.Crossed+1
	*was = a
	return a.Crossed == unstoppedAt
}

func (u *Unstopped) add(a *Attack) {
	if u.by == nil {
		u.by = map[score.Key]*Attack{}
	}
	if _, known := u.by[a.Key]; !known && len(u.by) >= maxUnstopped {
		oldest := a
		for _, other := range u.by {
			if oldest == a || other.Last.Before(oldest.Last) {
				oldest = other
			}
		}
		delete(u.by, oldest.Key)
	}
	a.Crossed = 1
	u.by[a.Key] = a
}

// Stopped records that something was done about a key.
func (u *Unstopped) Stopped(k score.Key) { delete(u.by, k) }

// Prune forgets the attacks that are over.
func (u *Unstopped) Prune(now time.Time) {
	for k, a := range u.by {
		if now.Sub(a.Last) >= unstoppedQuiet {
			delete(u.by, k)
		}
	}
}

// List returns the attacks that go on now, the longest first.
func (u *Unstopped) List(now time.Time) (list []Attack) {
	for _, a := range u.by {
		if a.Crossed >= unstoppedAt && now.Sub(a.Last) < unstoppedQuiet {
			list = append(list, *a)
		}
	}
	slices.SortFunc(list, func(x, y Attack) int {
		if c := x.Since.Compare(y.Since); c != 0 {
			return c
		}
		return strings.Compare(x.Key.Value(), y.Key.Value())
	})
	return list
}

// Idle says whether nothing is done about an attack, and why: every step was skipped or
// has failed. Informing somebody counts as something, unless an address should have been
// banned.
func Idle(steps []incident.Step) (why string, idle bool) {
	var reasons []string
	informs, bans := false, false
	for _, s := range steps {
		undone := (s.State == incident.Skipped || s.State == incident.Failed) && !s.Instead
		switch {
		case undone && s.Detail != "":
			reasons = append(reasons, string(s.Step)+" "+string(s.State)+": "+s.Detail)
			bans = bans || s.Step == incident.StepBan
		case undone:
			reasons = append(reasons, string(s.Step)+" "+string(s.State))
		case s.Informs():
			informs = true
		default:
			return "", false
		}
	}
	return strings.Join(reasons, "; "), len(steps) > 0 && (bans || !informs)
}

// GoesOn says whether an attack goes on after a plan, and why. It does not in mode
// observe or during a pause, if a single flow is cut, or if a ban is in force already.
func GoesOn(steps []incident.Step, f Facts) (why string, goesOn bool) {
	if f.Observe || f.Paused || f.Flow != nil || f.Banned != nil {
		return "", false
	}
	return Idle(steps)
}

// Remedy is what a person can do about an attack that goes on.
func Remedy(f Facts) string {
	switch target := incident.PrefixText(f.Target); {
	case !f.Target.IsValid():
		return incident.Command("incidents") + " shows what is known of it"
	case f.Allowed:
		return incident.Command("allow", "list") + " shows the entry: remove it, or stop what guesses at " + target
	case f.Vital != "":
		return remedyVital(f)
	case proxied(f):
		return "block the guesser at the proxy " + target + ", which alone knows where it is, or correct the phone that has a wrong password"
	case f.Protected != "" || f.Home != "":
		return "find the device at " + target + " that guesses, or block the address with all its phones: " + incident.Command("ban", target, "--force")
	case f.Full:
		return "block the network at your provider or router, or " + incident.Command("ban", target)
	}
	return incident.Command("incidents") + " shows what is known of it"
}
