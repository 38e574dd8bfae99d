package contain

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"time"

	"github.com/tollwarden/tollwarden/responder/incident"
)

// Time limits of the steps that wait for Asterisk, its reconnection included.
const (
	hangupWithin = 15 * time.Second
	rotateWithin = 60 * time.Second
	expireWithin = 15 * time.Second
	// quietWithin is how long the Hangup events of channels that Asterisk
	// says are gone may take to arrive.
	quietWithin = 2 * time.Second
	// legsWithin is how soon the legs that an account had dialled go down with
	// it; what is up by then was transferred away just before, and is ended, too.
	legsWithin = 300 * time.Millisecond
)

// job is one incident with the steps that a worker has to carry out. The
// incident's Steps belong to the Owner, which may change them meanwhile; the
// worker reads only its own list.
type job struct {
	incident *incident.Incident
	account  string
	at       time.Time
	steps    map[incident.StepKind]int // index of each step still intended
	to       []netip.Prefix            // of its restriction
}

// newJob is a job of the steps from number first on.
func newJob(i *incident.Incident, first int) job {
	j := job{incident: i, account: i.Account, at: i.At, steps: map[incident.StepKind]int{}}
	for n, s := range i.Steps {
		if n < first {
			continue
		}
		if s.State == incident.Intended {
			j.to = append(j.to, s.Networks...)
		}
		if s.Step == incident.StepRotate {
			j.at = i.Started(n)
		}
		if s.State == incident.Intended && s.Step != incident.StepBan && s.Step != incident.StepHangupCall && !s.Informs() {
			j.steps[s.Step] = n
		}
	}
	return j
}

// containing says whether the account's calls are ended by the job, so that a
// new one has to be, too.
func (j *job) containing() bool {
	for _, kind := range []incident.StepKind{incident.StepHangup, incident.StepRotate, incident.StepRemoveRegistrations, incident.StepLock} {
		if _, ok := j.steps[kind]; ok {
			return true
		}
	}
	return false
}

// HasWork says whether an incident has steps, from number first on, that wait for
// Asterisk.
func HasWork(i *incident.Incident, first int) bool { return len(newJob(i, first).steps) > 0 }

// Enqueue gives the steps of an incident, from number first on, that wait for Asterisk to
// a worker. refused are those for which there is no room. The caller holds the lock; it
// does not wait.
func (r *Runner) Enqueue(i *incident.Incident, first int) (refused []int) {
	j := newJob(i, first)
	if len(j.steps) == 0 {
		return nil
	}
	select {
	case r.jobsC <- j:
		if j.containing() {
			r.state.Sessions.Begin(j.account, i.ID)
		}
		return nil
	default:
		for _, n := range j.steps {
			refused = append(refused, n)
		}
		return refused
	}
}

// contain carries out one incident's steps. The hang-up and the rotation begin
// at once, beside the ban. The registrations go after the rotation, since a thief
// removed before it could come back with the old password; then calls that
// slipped in are ended.
func (r *Runner) contain(ctx context.Context, j job) {
	var beside sync.WaitGroup
	beside.Go(func() { r.hangupStep(ctx, j, "") })
	r.step(j, incident.StepLock, func() (string, error) { return r.lock(ctx, j.account, j.incident.ID) })
	r.step(j, incident.StepRestrict, func() (string, error) {
		detail, err := r.restrict(ctx, j.account, j.to, j.incident.ID)
		return detail + "; until the attack is over", err
	})
	r.rotate(ctx, j)
	r.step(j, incident.StepRemoveRegistrations, func() (string, error) { return r.expire(ctx, j.account) })
	beside.Wait()
	r.hangupStep(ctx, j, ", the last after everything else was done")
	if j.containing() {
		r.owner.With(func() { r.state.Sessions.Finish(time.Now(), j.account) })
	}
	r.owner.Finished(j.incident)
}

// step carries out one step of a job, if the job has it, and reports it.
func (r *Runner) step(j job, kind incident.StepKind, do func() (detail string, err error)) {
	n, ok := j.steps[kind]
	if !ok {
		return
	}
	detail, err := do()
	if err != nil {
		r.owner.Report(j.incident, n, incident.Failed, err.Error())
		return
	}
	r.owner.Report(j.incident, n, incident.Done, detail)
}

// hangupStep ends the account's channels, those in the events as well as those
// Asterisk lists.
func (r *Runner) hangupStep(ctx context.Context, j job, when string) {
	n, ok := j.steps[incident.StepHangup]
	if !ok {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, hangupWithin)
	defer cancel()
	channels, err := r.endCalls(ctx, j.account)
	r.ended(j.account, channels)
	left := 0
	if err == nil {
		left = r.quiet(ctx, j.account, legsWithin)
	}
	if left > 0 {
		var more []string
		more, err = r.endCalls(ctx, j.account)
		r.ended(j.account, more)
		left = r.quiet(ctx, j.account, quietWithin)
	}
	total := r.ended(j.account, nil) // with those that a sweep ended meanwhile
	done := incident.Count(total, "channel") + " ended"
	if len(channels) > 0 && total > len(channels) {
		done += when
	}
	switch {
	case err != nil:
		r.owner.Report(j.incident, n, incident.Failed, done+": "+err.Error())
	case left > 0:
		r.owner.Report(j.incident, n, incident.Failed, fmt.Sprintf("%s, %d still up by their events", done, left))
	default:
		r.owner.Report(j.incident, n, incident.Done, done)
	}
}

// endCalls ends all calls of an account: those it is in, and those it has left.
func (r *Runner) endCalls(ctx context.Context, account string) (channels []string, err error) {
	var strays []string
	r.owner.With(func() { strays = r.channels.Strays(account) })
	for _, name := range strays {
		ended, herr := r.calls.HangupChannel(ctx, name)
		if ended {
			channels = append(channels, name)
		}
		err = errors.Join(err, herr)
	}
	own, herr := r.calls.Hangup(ctx, account, func() (emergencies []string) {
		r.owner.With(func() { emergencies = r.channels.Emergencies(account) })
		return emergencies
	})
	return append(channels, own...), errors.Join(err, herr)
}

func (r *Runner) ended(account string, channels []string) (total int) {
	r.owner.With(func() { total = r.state.Sessions.Ended(account, channels) })
	return total
}

// quiet waits until the events, too, say that the account has no channel up, and
// returns how many are left when they do not in time.
func (r *Runner) quiet(ctx context.Context, account string, within time.Duration) (left int) {
	deadline := time.NewTimer(within)
	defer deadline.Stop()
	for {
		var downC <-chan struct{}
		r.owner.With(func() {
			left = r.channels.Account(account) - len(r.channels.Emergencies(account)) + len(r.channels.Strays(account))
			downC = r.downC
		})
		if left == 0 {
			return 0
		}
		select {
		case <-downC:
		case <-deadline.C:
			return left
		case <-ctx.Done():
			return left
		}
	}
}

// rotate changes the password once, however many incidents ask for it.
func (r *Runner) rotate(ctx context.Context, j job) {
	n, ok := j.steps[incident.StepRotate]
	if !ok {
		return
	}
	var last time.Time
	r.owner.With(func() { last = r.state.Rotations.At(j.account) })
	if last.After(j.at) {
		r.owner.Report(j.incident, n, incident.Skipped, "the password was already changed after this")
		return
	}
	r.step(j, incident.StepRotate, func() (string, error) { return r.rotateOnce(ctx, j.account, j.incident.ID) })
}

// rotateOnce changes an account's password; whoever asks for it meanwhile gets
// the same answer. number is the incident that asks, 0 for a person.
func (r *Runner) rotateOnce(ctx context.Context, account string, number int64) (detail string, err error) {
	detail, shared, err := r.rotateShared(ctx, account, number)
	if shared && number != 0 && errors.Is(err, incident.ErrUnreachable) {
		detail, _, err = r.rotateShared(ctx, account, number) // that was a person's, who does not wait for Asterisk
	}
	return detail, err
}

func (r *Runner) rotateShared(ctx context.Context, account string, number int64) (detail string, shared bool, err error) {
	done, err, shared := r.rotations.Do(account, func() (any, error) {
		ctx, cancel := context.WithTimeout(ctx, rotateWithin)
		defer cancel()
		defer r.begin(account)()
		old := r.passwords(ctx, account)
		detail, err := r.accounts.Rotate(ctx, account)
		r.rotated(ctx, account, number, old, err)
		if err == nil {
			detail += "; " + r.owner.PasswordChanged(account)
		}
		return detail, err
	})
	return done.(string), shared, err
}

// expire removes the account's registrations. An error names what was done
// before it.
func (r *Runner) expire(ctx context.Context, account string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, expireWithin)
	defer cancel()
	done, err := r.accounts.RemoveRegistrations(ctx, account)
	if err != nil {
		return done, fmt.Errorf("%s: %w", done, err)
	}
	return done, nil
}
