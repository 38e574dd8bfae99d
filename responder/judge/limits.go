package judge

import (
	"slices"
	"time"

	"github.com/tollwarden/tollwarden/responder/contain"
	"github.com/tollwarden/tollwarden/responder/incident"
	"github.com/tollwarden/tollwarden/responder/ongoing"
	"github.com/tollwarden/tollwarden/responder/places"
	"github.com/tollwarden/tollwarden/responder/score"
)

// limits begins and ends the limits of accounts' costs, and has their incidents say so.
type limits struct {
	costs   *contain.CostLimits
	places  *places.Places
	ongoing *ongoing.Incidents
	effects Effects
}

// begin limits the costs of the account of a verdict.
func (l *limits) begin(v *score.Verdict, account string) {
	until := l.probationEnds(v.At, account)
	if !until.IsZero() {
		l.costs.BeginProbation(v.At, account, until)
	}
	if until.IsZero() || v.Cause.Signal != score.NewPlaceAfterFailures {
		l.costs.BeginAttack(v.At, account)
	}
}

// probationEnds is when the last of an account's addresses is off probation; zero if none
// is on it.
func (l *limits) probationEnds(now time.Time, account string) (until time.Time) {
	if since, undecided := l.places.Undecided([]byte(account), now); undecided {
		until = since.Add(places.ProbationFor)
	}
	return until
}

// endProbation ends what the costs of an account are limited for an address that is no
// longer on probation, and has the incident that limits them say why if nothing does any
// more. It returns whether nothing does; another address, or an attack, may.
func (l *limits) endProbation(now time.Time, account, why string) (ended bool) {
	x, _ := l.costs.Of(account)
	if ended = l.costs.EndProbation(account, l.probationEnds(now, account)); ended {
		l.ended(x.Incident, account, why)
	}
	return ended
}

// end ends the limit of an account's costs, whatever asked for it, and has the
// incident that brought it about say why.
func (l *limits) end(account, why string) {
	if x, limited := l.costs.Of(account); limited {
		l.costs.End(account)
		l.ended(x.Incident, account, why)
	}
}

// ended has an incident say why the limit that it brought about has ended.
func (l *limits) ended(number int64, account, why string) {
	if number == 0 {
		return
	}
	s := incident.Step{Step: incident.StepLimitCosts, Target: account, State: incident.Done, Detail: incident.NoLonger + why, Took: 1}
	l.ongoing.NoteStep(number, s)
	l.effects.NoteStep(number, s)
}

// record has the calls that are ended belong to an incident that limits costs.
func (l *limits) record(i *incident.Incident) {
	if i.Mode == incident.Enforce && slices.ContainsFunc(i.Steps, limitsCosts) {
		l.costs.Record(i.Account, i.ID)
	}
}
