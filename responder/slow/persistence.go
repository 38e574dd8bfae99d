package slow

import (
	"time"

	"github.com/tollwarden/tollwarden/responder/score"
)

// persistence counts the failures for one account that go on for days, from whatever
// addresses. It may be a phone with an old password on a dynamic address, so people are
// told once, however long it goes on.
type persistence struct {
	// recent and proven count the failures since begun, which is less than
	// Config.Within ago when the next failure comes.
	begun          int64
	recent, proven uint32
	raised         int64 // newest failure since LastingFailures was raised, in µs
	raisedProven   bool  // it was raised by proven failures
	kept           int64 // raised, as last kept on disk
}

// failed counts a failure and reports whether that is news. quiet says that it is not:
// people know already, or the address is being banned.
func (p *persistence) failed(failures int, cut int64, o *score.Observation, quiet bool) (proof score.Proof, news bool) {
	at := o.At.UnixMicro()
	if p.begun <= cut {
		p.begun, p.recent, p.proven = at, 0, 0
	}
	p.recent++
	if o.Proof == score.Proven {
		p.proven++
	}
	if quiet || at-p.begun < lasting.Microseconds() || int(p.recent) < failures {
		return score.Spoofable, false
	}
	if o.Proof == score.Proven && int(p.proven) >= failures {
		proof = score.Proven
	}
	news = p.raised <= cut || proof == score.Proven && !p.raisedProven
	p.raised, p.raisedProven = at, p.raisedProven && !news || proof == score.Proven
	return proof, news
}

// restore adds what was known before a restart.
func (p *persistence) restore(known *try) {
	if p.begun == 0 || known.first < p.begun {
		p.begun = known.first
	}
	p.recent += known.failures
	p.proven += known.proven
}

// Raised is a signal that people were told of: LastingFailures of an account or, without
// an account, a GuessingCampaign.
type Raised struct {
	Account string
	At      time.Time
	Proven  bool
}

// keptEvery is how exactly it is kept how long failures last.
const keptEvery = 24 * time.Hour

// keep lists for the disk when LastingFailures of an account last went on, if that is news
// or what the disk has is a day old.
func (g *Guesses) keep(x *target, news bool) {
	if x.long.raised > 0 && (news || x.long.raised-x.long.kept >= keptEvery.Microseconds()) {
		x.long.kept = x.long.raised
		g.raised = append(g.raised, Raised{x.name, time.UnixMicro(x.long.raised).UTC(), x.long.raisedProven})
	}
}

// RaisedChanged yields the signals raised since the last call, to be kept on disk.
func (g *Guesses) RaisedChanged(yield func(Raised)) {
	for _, r := range g.raised {
		yield(r)
	}
	g.raised = g.raised[:0]
}

// RestoreRaised takes over a signal of a former run.
func (g *Guesses) RestoreRaised(r Raised) {
	if r.Account == "" {
		if r.At.After(g.campaign.raised) {
			g.campaign = campaign{r.At, r.Proven}
		}
		return
	}
	if t := g.targets.use([]byte(r.Account)); t >= 0 {
		x := &g.targets.at(t).long
		if at := r.At.UnixMicro(); at > x.raised {
			x.raised, x.kept = at, at
		}
		x.raisedProven = x.raisedProven || r.Proven
	}
}
