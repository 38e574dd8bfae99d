package judge

import (
	"time"

	"github.com/tollwarden/tollwarden/responder/calls"
)

// SetForwards takes the call forwards that Asterisk's database holds now, and judges those
// that are new. It returns in words the costly ones that stood at the very first look.
func (j *Judge) SetForwards(now time.Time, list []calls.Forward) (stood []string) {
	signs, stood := j.Calls.Forwards(now, list)
	j.raise(now, signs, nil)
	return stood
}
