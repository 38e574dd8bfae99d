package calls

import "time"

// maxRecent bounds the ended calls kept: a few minutes of the worst toll fraud, a few
// hours of a large PBX.
const maxRecent = 8192

// Ended is a channel that has ended.
type Ended struct {
	Channel
	At time.Time
}

// Recent keeps the calls that ended last, so that an incident can include calls that
// were over when it was detected. The zero Recent is ready to use.
type Recent struct {
	ring []Ended
	next int // index of the oldest once the ring is full
}

// Add adds a call.
func (r *Recent) Add(c Channel, at time.Time) {
	if len(r.ring) < maxRecent {
		r.ring = append(r.ring, Ended{c, at})
		return
	}
	r.ring[r.next] = Ended{c, at}
	r.next = (r.next + 1) % maxRecent
}

// Of returns the calls of an account that ended after since, in no order.
func (r *Recent) Of(account string, since time.Time) (list []Ended) {
	for _, e := range r.ring {
		if e.Account == account && e.At.After(since) {
			list = append(list, e)
		}
	}
	return list
}
