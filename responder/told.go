package responder

import (
	"time"

	"github.com/tollwarden/tollwarden/responder/score"
)

// told knows of which verdicts nothing but a word came, so that an attack that
// cannot be banned (a carrier's address forged, an account guessed at from
// everywhere) makes one incident and not one for every few packets.
type told map[toldOf]time.Time // until when it need not be told again

type toldOf struct {
	key       score.Key
	threshold string
}

// maxTold bounds it. What does not fit is told every time.
const maxTold = 1 << 14

// tell says whether to tell of a verdict now: not again within the time that
// its threshold looks back. The caller holds the lock.
func (r *Responder) tell(v *score.Verdict) bool {
	of := toldOf{v.Key, v.Threshold.Name}
	if until, known := r.told[of]; known && v.At.Before(until) {
		return false
	}
	if len(r.told) < maxTold {
		r.told[of] = v.At.Add(v.Threshold.Within)
	}
	return true
}

// tellFlow is tell for a phone with a stale password, once a day: it goes on
// until somebody walks there.
func (r *Responder) tellFlow(v *score.Verdict) bool {
	of := toldOf{score.Key{Per: score.PerAccount, Account: v.Cause.Account, Prefix: v.Key.Prefix}, v.Threshold.Name}
	if until, known := r.told[of]; known && v.At.Before(until) {
		return false
	}
	if len(r.told) < maxTold {
		r.told[of] = v.At.Add(24 * time.Hour)
	}
	return true
}

func (t told) prune(now time.Time) {
	for of, until := range t {
		if !now.Before(until) {
			delete(t, of)
		}
	}
}

// harmless says that a plan changes nothing: all that is left of it is to tell.
func harmless(steps []Step) bool {
	for _, s := range steps {
		if !s.tells() && (s.State == Intended || s.ban.Prefix.IsValid()) {
			return false
		}
	}
	return true
}
