package intake

import (
	"hash/maphash"
	"time"

	"github.com/tollwarden/tollwarden/ami/event"
)

const (
	// dedupSlots is how many sessions are distinguished at once, in 3 MB.
	dedupSlots = 1 << 16
	// sensorLag is how far the sensors may be apart for the same thing: a log
	// on a slow disk comes seconds later. It is also how long a sensor that
	// missed something may count too little when the one that saw it falls
	// silent.
	sensorLag = 30 * time.Second
	// sessionHead is how much of a session identifies it: Asterisk's log cuts
	// a Call-ID off at 255 bytes.
	sessionHead = 128
)

// dedup makes what several sensors see of one session count once. A session may
// hold any number of attempts, so that "seen already" would hide all but the
// first: each sensor's sightings of one kind are counted, and news is what brings
// a sensor's count above that of every other. So the sum is that of the sensor
// that saw the most, and no sensor's blindness takes anything away.
//
// It is of fixed size. A session takes the place of another, which then begins
// anew: at worst what was counted counts again.
type dedup struct {
	seed  maphash.Seed
	slots []sighting
}

type sighting struct {
	session uint64
	counts  [sensors]uint32
	most    uint32
	at      int64 // milliseconds since 1970, of the last news
}

func newDedup() *dedup {
	return &dedup{seed: maphash.MakeSeed(), slots: make([]sighting, dedupSlots)}
}

// first says whether what a sensor saw is news; with a single sensor, a nil
// dedup, everything is.
func (d *dedup) first(now time.Time, s Sensor, e *event.Event) bool {
	if d == nil {
		return true
	}
	key, ms := d.key(e), now.UnixMilli()
	slot := &d.slots[key%dedupSlots]
	if age := ms - slot.at; slot.session != key || age > sensorLag.Milliseconds() || age < -sensorLag.Milliseconds() {
		*slot = sighting{session: key}
	}
	slot.counts[s]++
	if slot.counts[s] <= slot.most {
		return false
	}
	slot.most, slot.at = slot.counts[s], ms
	return true
}

// key is the session that a sighting belongs to, with its kind. Only PJSIP has
// sessions that every sensor knows, and kinds that all of them call the same;
// with the others one address's failures are one session.
func (d *dedup) key(e *event.Event) uint64 {
	var h maphash.Hash
	h.SetSeed(d.seed)
	addr := e.Remote.Addr().As16()
	h.Write(addr[:])
	h.Write(e.Service)
	h.WriteByte(0)
	if string(e.Service) == "PJSIP" {
		h.WriteByte(byte(e.Kind))
		h.Write(e.SessionID[:min(len(e.SessionID), sessionHead)])
		return h.Sum64()
	}
	switch e.Kind {
	case event.InvalidPassword, event.ChallengeResponseFailed, event.InvalidAccountID, event.FailedACL:
		h.WriteByte(byte(event.InvalidPassword))
	default:
		h.WriteByte(byte(e.Kind))
	}
	return h.Sum64()
}
