package judge

import (
	"time"

	"github.com/tollwarden/tollwarden/responder/places"
)

// SetNamed takes the addresses to which the host names on the allow list lead, and
// releases bans that a known place does not get.
func (j *Judge) SetNamed(now time.Time, list []places.Protected) {
	for _, prefix := range j.Places.SetNamed(now, list) {
		if ban, ok := j.Bans.Covering(now, prefix); ok && ban.Spoofable() {
			j.release(ban, "a host name on the allow list leads there")
		}
	}
}
