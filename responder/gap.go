package responder

import (
	"fmt"
	"time"

	"github.com/tollwarden/tollwarden/responder/ledger"
)

// nobody is the user of what the daemon records of its own accord.
const nobody = -1

// Gap records a time during which nothing was heard from Asterisk. Resync
// rebuilds what can be rebuilt of it.
func (r *Responder) Gap(from, to time.Time) {
	r.parts.Ledger.PutAction(ledger.Action{
		At: to, UID: nobody, Action: "gap", Target: "events",
		Detail: fmt.Sprintf("nothing was heard from %s to %s (%s)", from.UTC().Format(time.RFC3339Nano), to.UTC().Format(time.RFC3339Nano), to.Sub(from).Round(time.Millisecond)),
	})
}
