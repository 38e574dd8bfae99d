package responder

import (
	"context"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/tollwarden/tollwarden/responder/incident"
)

// finishWithin is how old an incident may be whose steps are still carried out
// after a restart. What was decided longer ago is for a person to look at,
// since the account may have changed hands since.
const finishWithin = time.Hour

// tellWithin is the same for telling somebody, which is tried for a day while
// the daemon runs.
const tellWithin = 24 * time.Hour

// unfinished deals with the steps that a crash left open: the bans among them
// are in force again by now; of a fresh incident the rest is carried out once
// there is a connection; what remains is reported.
func (r *Responder) unfinished(ctx context.Context, now time.Time) {
	steps, err := r.parts.Ledger.OpenSteps(ctx)
	r.doubt(err, "the unfinished steps")
	var fresh []int64
	for _, s := range steps {
		row, err := r.parts.Ledger.Incident(ctx, s.Incident)
		switch {
		case s.Step.Step == incident.StepBan && r.drops(ctx, now, s.Target):
			s.State, s.Detail = incident.Done, "in force since the restart"
		case err == nil && !r.policy.Observe && r.canFinish(StepKind(s.Step.Step), now.Sub(row.At)):
			if !slices.Contains(fresh, s.Incident) {
				fresh = append(fresh, s.Incident)
			}
			continue
		default:
			s.State, s.Detail = incident.Failed, "the daemon ended before this was finished: look after it"
			r.log.Error().Int64("incident", s.Incident).Str("step", string(s.Step.Step)).Str("target", s.Target).Msg("a step was not finished before the daemon ended")
		}
		r.parts.Ledger.PutStep(s.Incident, s.N, s.Started, s.Step)
	}
	for _, id := range fresh {
		r.finish(ctx, id)
	}
}

// canFinish names the steps that do no harm when they are done twice, of an
// incident that is not too old for them.
func (r *Responder) canFinish(kind StepKind, age time.Duration) bool {
	switch kind {
	case StepHangup, StepRotate, StepExpireContacts:
		return age < finishWithin
	case StepNotify:
		return age < tellWithin && r.parts.Notifier != nil
	}
	return false
}

// drops says whether a target is banned, or will be once its ban is loaded.
func (r *Responder) drops(ctx context.Context, now time.Time, target string) bool {
	prefix, err := parseTarget(target)
	if err != nil {
		return false
	}
	if _, ok := r.book.covering(now, prefix); ok || r.isLoaded() {
		return ok
	}
	_, ok, err := r.parts.Ledger.Ban(ctx, now, prefix)
	r.doubt(err, "a ban")
	return ok
}

// finish gives what is left of an incident to the crew.
func (r *Responder) finish(ctx context.Context, id int64) {
	row, err := r.parts.Ledger.Incident(ctx, id)
	if err != nil {
		r.doubt(err, "an unfinished incident")
		return
	}
	r.log.Warn().Int64("incident", id).Str("account", row.Account).Msg("an incident was not finished before the daemon ended: going on with it")
	r.employ(remembered(&row))
}

func parseTarget(s string) (netip.Prefix, error) {
	if strings.Contains(s, "/") {
		return netip.ParsePrefix(s)
	}
	addr, err := netip.ParseAddr(s)
	if err != nil {
		return netip.Prefix{}, err
	}
	return addr.Prefix(addr.BitLen())
}
