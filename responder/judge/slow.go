package judge

import (
	"time"

	"github.com/tollwarden/tollwarden/responder/score"
	"github.com/tollwarden/tollwarden/responder/slow"
)

// observeSlow scores what an attempt shows together with those of the days before. It
// skips failures after we changed the password: the owner's phones fail wherever they
// are, and a guess is hopeless.
func (j *Judge) observeSlow(o *score.Observation) {
	if o.Signal.Failure() && j.Contain.Rotations.InGrace(o.At, o.Account) {
		return
	}
	raised := j.Slow.Observe(o)
	for i := range raised {
		j.observe(&raised[i], nil)
	}
	j.Slow.RaisedChanged(j.effects.SlowRaised)
}

// explain gives a verdict on a signal of package slow its reason and evidence, and one on
// a new place its reason: the table knows only the signal.
func (j *Judge) explain(v *score.Verdict) {
	if v.Cause.Signal == score.NewPlaceAfterFailures {
		v.Reason = j.suspicions.newPlaceReason(v)
	}
	if !slow.Raises(v.Cause.Signal) {
		return
	}
	if why := j.Slow.Explain(&v.Cause); why != "" {
		v.Reason = why
	}
	v.Evidence = append(j.Slow.Evidence(&v.Cause), v.Cause)
}

// keptEveryMinute bounds the guesses that are kept on disk in a minute. A flood of
// forged packets must not fill the disk.
const keptEveryMinute = 1000

// pruneSlow has what changed kept on disk, and forgets what no longer counts.
func (j *Judge) pruneSlow(now time.Time) {
	j.Slow.Prune(now)
	j.Slow.Changed(keptEveryMinute, j.effects.GuessChanged)
}
