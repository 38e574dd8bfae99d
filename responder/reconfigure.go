package responder

import (
	"fmt"
	"reflect"

	"github.com/tollwarden/tollwarden/responder/score"
)

// Reconfigure puts another policy in force without a pause: scores, bans,
// offences, known places and everything under way stay, and every event is
// judged by the one policy or by the other. The mode, our own name and the
// sensors cannot change while the responder runs, and stay as they were; so
// does the allow list, which Allow changes.
//
// Where the thresholds differ the scores are counted anew from the
// observations kept as evidence, of each key the newest 32. What those cross
// by the new thresholds is no verdict: only what is observed from now on is.
// An error leaves everything as it was.
func (r *Responder) Reconfigure(p Policy) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !reflect.DeepEqual(p.Thresholds, r.policy.Thresholds) {
		table, err := score.New(p.Thresholds, score.Limits{})
		if err != nil {
			return fmt.Errorf("thresholds: %w", err)
		}
		for _, o := range r.table.Notes() {
			table.Observe(&o)
		}
		table.KeepRaws(r.table)
		r.table = table
	}
	r.breakIn.Configure(p.BreakIn)
	r.offences.forget = p.Ladder.Forget
	r.calls.Configure(p.Calls)
	r.policy.Calls = p.Calls
	r.policy.Thresholds, r.policy.Playbooks = p.Thresholds, p.Playbooks
	r.policy.Ladder, r.policy.BreakIn, r.policy.Deaf, r.policy.Command = p.Ladder, p.BreakIn, p.Deaf, p.Command
	r.policy.Restrict = p.Restrict
	return nil
}
