package orders

import (
	"fmt"
	"slices"
	"time"
)

// LockedContext is the dialplan context of a locked account.
const LockedContext = "tollwarden-locked"

// Live is what Asterisk has in force for an account.
type Live struct {
	Gone bool // there is no such account
	// Contexts and Permits are by technology: the dialplan context of its calls, and the
	// networks that it can be used from, "" for all.
	Contexts, Permits map[string]string
	// Passwords are the fingerprints of what it logs in with; none if that cannot be read.
	Passwords []Fingerprint
}

// Action is what to do about an order.
type Action uint8

// What to do about an order.
const (
	Wait         Action = iota // nothing can be said now
	Hold                       // it is in force
	Repair                     // put it back
	Stop                       // it was put back too often
	End                        // a person has changed it
	RemoveTraces               // the account is gone
)

// Decide compares an order with what Asterisk has in force. why is for a person.
func (o *Order) Decide(now time.Time, live Live) (do Action, why string) {
	if live.Gone {
		if o.missing.IsZero() {
			o.missing = now
		}
		if now.Sub(o.missing) < goneFor {
			return Wait, ""
		}
		return RemoveTraces, "the extension no longer exists"
	}
	o.missing = time.Time{}
	o.adopt(live)
	holds, person, why := o.compare(live)
	switch {
	case holds:
		o.held = now
		return Hold, ""
	case o.Settling(now):
		return Wait, ""
	case person:
		return End, why
	case why == "":
		return Wait, "" // nothing is known
	case o.attempts > 0 && now.Sub(o.failed) < o.pause():
		return Wait, ""
	case len(o.recent(now)) >= MaxRepairs:
		return Stop, fmt.Sprintf("%s again, after %d repairs within an hour", why, MaxRepairs)
	}
	return Repair, why
}

// compare says whether the order is in force, whether a person has ended it, and what is
// different.
func (o *Order) compare(live Live) (holds, person bool, why string) {
	switch o.Kind {
	case Lock:
		for _, context := range live.Contexts {
			if context != LockedContext {
				return false, false, "its context was " + quote(context)
			}
		}
		return len(live.Contexts) > 0, false, ""
	case Restrict:
		for _, permit := range live.Permits {
			switch permit {
			case o.Networks:
			case "":
				return false, false, "everybody could use it"
			default:
				return false, true, "somebody else changed its deny and permit, which stay"
			}
		}
		return len(live.Permits) > 0, false, ""
	default:
		return o.comparePasswords(live.Passwords)
	}
}

func (o *Order) comparePasswords(live []Fingerprint) (holds, person bool, why string) {
	old := slices.ContainsFunc(live, o.Replaced)
	switch {
	case len(live) == 0 || o.unread && !old:
		return false, false, ""
	case old && len(o.New) == 0:
		return false, false, "the stolen password is still valid"
	case old:
		return false, false, "the old password was back"
	case len(o.Old) == 0 && len(o.New) == 0:
		return false, false, ""
	case len(o.New) > 0 && !slices.ContainsFunc(live, func(f Fingerprint) bool { return !slices.Contains(o.New, f) }):
		return true, false, ""
	}
	return false, true, "it has another password now, which somebody else set"
}

// adopt takes what could not be read before: the password that was set, or the one to be
// replaced.
func (o *Order) adopt(live Live) {
	if o.Kind != Rotate || len(live.Passwords) == 0 {
		return
	}
	foreign := func(f Fingerprint) bool { return !f.sameKey(live.Passwords[0]) }
	if slices.ContainsFunc(o.New, foreign) || slices.ContainsFunc(o.Old, foreign) {
		// The key was lost. What is in force counts as ours, since nothing shows otherwise.
		o.Old = nil
		if len(o.New) > 0 {
			o.Set(live.Passwords)
		}
	}
	if len(o.New) > 0 {
		return
	}
	switch {
	case o.unread && !slices.ContainsFunc(live.Passwords, func(f Fingerprint) bool { return slices.Contains(o.Old, f) }):
		o.Set(live.Passwords)
	case !o.unread && len(o.Old) == 0:
		o.Old = slices.Clone(live.Passwords)
	}
}

// pause is how long after a failed attempt the next one is made.
func (o *Order) pause() time.Duration {
	first := retryAfter
	if o.reloaded {
		first = retryReloaded
	}
	return min(first<<min(o.attempts-1, 6), retryAtMost)
}

// Held records that the order is in force. news is false if that was so before.
func (o *Order) Held(now time.Time) (news bool) {
	news = o.State != InForce
	o.set(now, InForce, "")
	o.attempts, o.failed = 0, time.Time{}
	return news
}

// Repaired records that the order was put back.
func (o *Order) Repaired(now time.Time, why string) {
	o.Repairs = append(o.recent(now), now)
	o.touched, o.attempts, o.failed = now, 0, time.Time{}
	o.set(now, InForce, "put back at "+now.UTC().Format(time.RFC3339)+": "+why)
}

// Again records that Asterisk has read its files once more for the order.
func (o *Order) Again(now time.Time) { o.Repairs = append(o.recent(now), now) }

// Failed records that the order could not be carried out or put back. reloaded says that
// Asterisk has read its files for it, so that the attempt counts as a repair. news is false
// if that was so before.
func (o *Order) Failed(now time.Time, err error) (news bool) {
	if o.reloaded = Reloaded(err); o.reloaded {
		o.Again(now)
	}
	o.touched, o.failed = now, now
	o.attempts++
	news = o.State != CannotPutBack
	o.set(now, CannotPutBack, err.Error())
	return news
}

// Stopped records that the order is not put back any more for now. news is false if that was
// so before.
func (o *Order) Stopped(now time.Time, why string) (news bool) {
	news = o.State != GaveUp
	o.set(now, GaveUp, why)
	return news
}

// Finish records that the order no longer stands.
func (o *Order) Finish(now time.Time, s State, why string) { o.set(now, s, why) }

func quote(s string) string { return fmt.Sprintf("%q", s) }
