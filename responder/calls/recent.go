package calls

import "time"

// maxRecent bounds the ended calls remembered: some minutes of the worst theft
// there is, some hours of a large PBX.
const maxRecent = 8192

// Ended is a channel that is over.
type Ended struct {
	Channel
	At time.Time
}

// Recent remembers the calls that ended last, so that an incident can tell of
// those that were over when it was noticed. The zero Recent is ready.
type Recent struct {
	ring []Ended
	next int // where the oldest is, once the ring is full
}

// Add remembers one more.
func (r *Recent) Add(c Channel, at time.Time) {
	if len(r.ring) < maxRecent {
		r.ring = append(r.ring, Ended{c, at})
		return
	}
	r.ring[r.next] = Ended{c, at}
	r.next = (r.next + 1) % maxRecent
}

// Of are the remembered calls of an account that ended after since.
func (r *Recent) Of(account string, since time.Time) (list []Ended) {
	for _, e := range r.ring {
		if e.Account == account && e.At.After(since) {
			list = append(list, e)
		}
	}
	return list
}
