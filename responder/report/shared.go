package report

import (
	"fmt"
	"strings"
	"time"

	"github.com/tollwarden/tollwarden/responder/incident"
)

// The addresses that may be spoofed of one minute share an incident. Its report says so in
// one line each, since nobody reads the same sentence about a hundred addresses.

// sharedTitle is how many there were, and what was done: the reason begins with it.
func (t *builder) sharedTitle() string {
	title, _, _ := strings.Cut(t.i.Reason, ";")
	return Plain(title)
}

// sharedBlocks says how many of the listed addresses were blocked, and by when.
func (t *builder) sharedBlocks() (text string, last time.Time) {
	var all, blocked [2]int // addresses, and networks
	for _, s := range t.r.Steps {
		kind := 0
		if p, err := incident.ParsePrefix(s.raw); err == nil && (incident.Ban{Prefix: p}).Network() {
			kind = 1
		}
		all[kind]++
		if s.State == string(incident.Done) {
			blocked[kind]++
			if s.At.After(last) {
				last = s.At
			}
		}
	}
	if blocked == all {
		return fmt.Sprintf("Blocked the %s that are listed below.", incident.AddressesText(all[0], all[1])), last
	}
	return fmt.Sprintf("Blocked %d of the %s that are listed below.", blocked[0]+blocked[1], incident.AddressesText(all[0], all[1])), last
}

// sharedNote says what the evidence of a shared incident lacks.
const sharedNote = "Of each address listed, the last failed attempt before its block is kept, since a flood must not fill the disk."

const sharedAdvice = "Nothing, unless one of the addresses is yours: release it with `tollwarden unban ADDRESS`, and run `tollwarden allow add ADDRESS` so that it is not blocked again."
