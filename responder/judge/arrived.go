package judge

import (
	"fmt"

	"github.com/tollwarden/tollwarden/responder/score"
)

// arrived handles the success of an account's own phone that has moved: its address no longer
// limits the account's costs.
func (j *Judge) arrived(o *score.Observation) {
	account := string(o.Account)
	if _, limited := j.Contain.Costs.Of(account); !limited || !j.Places.Known(account, o.Source, o.At) {
		return
	}
	j.Calls.Trust(o.At, account, o.Source)
	j.limits.endProbation(o.At, account, fmt.Sprintf("one of the extension's own phones has moved to %s", o.Source.Unmap()))
}
