package decide

import (
	"github.com/tollwarden/tollwarden/responder/incident"
	"github.com/tollwarden/tollwarden/responder/score"
)

// Spoofed says whether a verdict is one of those that forged packets bring about by the
// thousand: all it asks for is to block an address, or a network, that may be spoofed. The
// like of it shares an incident.
func Spoofed(v *score.Verdict, steps []incident.Step) bool {
	if v.Proven || v.Key.Per != score.PerSource && v.Key.Per != score.PerNetwork || len(steps) == 0 {
		return false
	}
	for _, s := range steps {
		if s.Step != incident.StepBan || s.Flow.At.IsValid() {
			return false
		}
	}
	return true
}
