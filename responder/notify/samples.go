package notify

import (
	"time"

	"github.com/tollwarden/tollwarden/responder/incident"
	"github.com/tollwarden/tollwarden/responder/report"
)

// Sample is an incident for `tollwarden check --notify` that says that it is one. Its
// addresses are reserved for documentation.
func Sample(now time.Time) incident.Incident {
	i := sample()
	i.ID, i.At, i.Threshold = 0, now, "sample"
	i.Reason = "this is a sample that `tollwarden check --notify` sent: nothing has happened"
	for n := range i.Evidence {
		i.Evidence[n].At = now
	}
	for n := range i.Calls {
		i.Calls[n].Began, i.Calls[n].Ended = now, now
	}
	return i
}

// SampleDigest is the digest of some messages, as an outbox makes it.
func SampleDigest(style report.Style, now time.Time, messages ...*Message) *Message {
	listed := make([]line, len(messages))
	for i, m := range messages {
		listed[i] = line{m.At, m.Subject, m.Brief}
	}
	return digestOf(style, now, listed, 0)
}
