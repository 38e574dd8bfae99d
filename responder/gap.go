package responder

import (
	"fmt"
	"strings"
	"time"

	"github.com/tollwarden/tollwarden/responder/ledger"
)

// nobody is the user of what the daemon records of its own accord.
const nobody = -1

// Gap records a time during which nothing was heard from Asterisk, and what was
// learnt of it all the same, "" for nothing. Resync rebuilds what can be rebuilt.
func (r *Responder) Gap(from, to time.Time, learnt string) {
	r.parts.Ledger.PutAction(ledger.Action{
		At: to, UID: nobody, Action: "gap", Target: "events",
		Detail: strings.TrimSuffix(fmt.Sprintf("nothing was heard from %s to %s (%s); %s", from.UTC().Format(time.RFC3339Nano), to.UTC().Format(time.RFC3339Nano), to.Sub(from).Round(time.Millisecond), learnt), "; "),
	})
}
