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
	blocked := 0
	for _, s := range t.r.Steps {
		if s.State == string(incident.Done) {
			blocked++
			if s.At.After(last) {
				last = s.At
			}
		}
	}
	return fmt.Sprintf("Blocked %d of the %d addresses that are listed below.", blocked, len(t.r.Steps)), last
}

const sharedAdvice = "Nothing, unless one of the addresses is yours: release it with `tollwarden unban ADDRESS`, and run `tollwarden allow add ADDRESS` so that it is not blocked again."
