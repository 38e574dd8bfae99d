package responder

import (
	"context"
	"fmt"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"

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
	// fallWithin is how soon what an account had dialled falls with the account;
	// what is up by then was transferred away just before, and is ended, too.
	fallWithin = 300 * time.Millisecond
)

// crew carries out the steps that wait for Asterisk. Each incident has one
// worker; what a playbook's order gives no meaning to runs side by side.
type crew struct {
	pbx PBX
	// hangUp ends all calls of an account and names the channels it ended.
	hangUp func(ctx context.Context, account string) (channels []string, err error)
	// report records the outcome of step n.
	report func(i *Incident, n int, state State, detail string)
	// channels is the number of channels that the events say an account has
	// up, those of calls it has left included, and a channel that is closed when
	// one goes down.
	channels func(account string) (int, <-chan struct{})
	// rotatedSince says whether the account's secret was changed after t.
	rotatedSince func(account string, t time.Time) bool
	// rotated is called when an account has another secret, and says whose phones
	// need it.
	rotated func(account string) (homes string)
	// ended takes the channels that were hung up and returns how many of the
	// account's are by now, in all.
	ended func(account string, channels []string) int
	// finished is called when the crew is done with an incident.
	finished func(i *Incident)
	// contained is called when nothing more is done for the account.
	contained func(account string)

	// lockUp locks an account and keeps how to unlock it.
	lockUp func(ctx context.Context, account string) (detail string, err error)
	// fence restricts an account to its known networks, and keeps how to lift it.
	fence     func(ctx context.Context, account string, to []netip.Prefix) (detail string, err error)
	rotations singleflight.Group
}

// job is one incident with the steps that the crew has to carry out. The
// incident's Steps belong to the Responder, which may change them meanwhile;
// the crew reads only its own list.
type job struct {
	incident *Incident
	account  string
	at       time.Time
	open     map[StepKind]int // index of each step still intended
	to       []netip.Prefix   // of its restriction
}

func newJob(i *Incident) job {
	j := job{incident: i, account: i.Account, at: i.At, open: map[StepKind]int{}}
	for n, s := range i.Steps {
		if s.State == Intended && s.Kind != StepBan && s.Kind != StepHangupCall && !s.tells() {
			j.open[s.Kind] = n
			j.to = append(j.to, s.to...)
		}
	}
	return j
}

// closes says whether the account's calls are ended by the job, so that a new
// one has to be, too. Who is only told of something goes on calling.
func (j *job) closes() bool {
	for _, kind := range []StepKind{StepHangup, StepRotate, StepExpireContacts, StepLock} {
		if _, ok := j.open[kind]; ok {
			return true
		}
	}
	return false
}

// contain carries out one incident's steps. The hang-up and the rotation begin
// at once, beside the ban in its lane. The registrations go after the
// rotation, since a thief thrown out before it could come back with the old
// secret; then the account is swept for calls that slipped in.
func (c *crew) contain(ctx context.Context, j job) {
	var beside sync.WaitGroup
	beside.Go(func() { c.hangup(ctx, j, "") })
	c.lock(ctx, j)
	c.restrict(ctx, j)
	c.rotate(ctx, j)
	c.expire(ctx, j)
	beside.Wait()
	c.hangup(ctx, j, ", the last after everything else was done")
	if j.closes() {
		c.contained(j.account)
	}
	c.finished(j.incident)
}

// hangup ends the account's channels, those in the events as well as those
// Asterisk lists.
func (c *crew) hangup(ctx context.Context, j job, when string) {
	n, ok := j.open[StepHangup]
	if !ok {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, hangupWithin)
	defer cancel()
	channels, err := c.hangUp(ctx, j.account)
	c.ended(j.account, channels)
	left := 0
	if err == nil {
		left = c.quiet(ctx, j.account, fallWithin)
	}
	if left > 0 {
		var more []string
		more, err = c.hangUp(ctx, j.account)
		c.ended(j.account, more)
		left = c.quiet(ctx, j.account, quietWithin)
	}
	total := c.ended(j.account, nil) // with those that a sweep ended meanwhile
	done := incident.Count(total, "channel") + " ended"
	if len(channels) > 0 && total > len(channels) {
		done += when
	}
	switch {
	case err != nil:
		c.report(j.incident, n, Failed, failure(done, err))
	case left > 0:
		c.report(j.incident, n, Failed, fmt.Sprintf("%s, %d still up by their events", done, left))
	default:
		c.report(j.incident, n, Done, done)
	}
}

// quiet waits until the events, too, say that the account has no channel up,
// and returns how many are left when they do not in time.
func (c *crew) quiet(ctx context.Context, account string, within time.Duration) int {
	deadline := time.NewTimer(within)
	defer deadline.Stop()
	for {
		left, changed := c.channels(account)
		if left == 0 {
			return 0
		}
		select {
		case <-changed:
		case <-deadline.C:
			return left
		case <-ctx.Done():
			return left
		}
	}
}

// lock takes the account's calls away until a person gives them back.
func (c *crew) lock(ctx context.Context, j job) {
	n, ok := j.open[StepLock]
	if !ok {
		return
	}
	detail, err := c.lockUp(ctx, j.account)
	if err != nil {
		c.report(j.incident, n, Failed, err.Error())
		return
	}
	c.report(j.incident, n, Done, detail)
}

// restrict lets the account be used from its known networks alone.
func (c *crew) restrict(ctx context.Context, j job) {
	n, ok := j.open[StepRestrict]
	if !ok {
		return
	}
	detail, err := c.fence(ctx, j.account, j.to)
	if err != nil {
		c.report(j.incident, n, Failed, err.Error())
		return
	}
	c.report(j.incident, n, Done, detail+"; until the storm is over")
}

// rotate changes the secret once, however many incidents ask for it.
func (c *crew) rotate(ctx context.Context, j job) {
	n, ok := j.open[StepRotate]
	if !ok {
		return
	}
	if c.rotatedSince(j.account, j.at) {
		c.report(j.incident, n, Skipped, "the secret was already changed after this")
		return
	}
	detail, err := c.rotateOnce(ctx, j.account)
	if err != nil {
		c.report(j.incident, n, Failed, err.Error())
		return
	}
	c.report(j.incident, n, Done, detail)
}

// rotateOnce changes an account's secret; who asks for it meanwhile gets the
// same answer.
func (c *crew) rotateOnce(ctx context.Context, account string) (string, error) {
	detail, err, _ := c.rotations.Do(account, func() (any, error) {
		ctx, cancel := context.WithTimeout(ctx, rotateWithin)
		defer cancel()
		detail, err := c.pbx.Rotate(ctx, account)
		if err == nil {
			detail += "; " + c.rotated(account)
		}
		return detail, err
	})
	return detail.(string), err
}

func (c *crew) expire(ctx context.Context, j job) {
	n, ok := j.open[StepExpireContacts]
	if !ok {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, expireWithin)
	defer cancel()
	done, err := c.pbx.ExpireContacts(ctx, j.account)
	if err != nil {
		c.report(j.incident, n, Failed, failure(done, err))
		return
	}
	c.report(j.incident, n, Done, done)
}

func failure(before string, err error) string { return before + ": " + err.Error() }
