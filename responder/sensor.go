package responder

import (
	"hash/maphash"
	"net/netip"
	"time"

	"github.com/tollwarden/tollwarden/ami/event"
	"github.com/tollwarden/tollwarden/responder/score"
)

// Sensor says whose eyes saw something.
type Sensor uint8

// The sensors. Asterisk writes one failed attempt to each of them that is
// switched on; what it cannot put into an event, it still puts into its log.
const (
	SensorAMI         Sensor = iota // the event session
	SensorSecurityLog               // SECURITY lines of Asterisk's log
	SensorLog                       // the other lines of it

	maxLogs = 3 // logs that are told apart
	sensors = 1 + 2*maxLogs
)

// LogSensors are the sensors of the log number n, counted from 0. Asterisk may
// write the same into several logs, messages and full for instance.
func LogSensors(n int) (security, plain Sensor) {
	first := SensorSecurityLog + Sensor(2*min(n, maxLogs-1))
	return first, first + 1
}

// plain says whether it reads the lines of a log that are no security events.
func (s Sensor) plain() bool { return s > SensorAMI && s%2 == 0 }

// String names the sensor.
func (s Sensor) String() string {
	switch {
	case s == SensorAMI:
		return "ami"
	case s.plain():
		return "log"
	}
	return "security log"
}

// Report takes one event that a sensor saw; e is the responder's until Report
// returns. Like Handle it computes, queues and returns. news is false for what
// another sensor has told before.
func (r *Responder) Report(now time.Time, s Sensor, e *event.Event) (news bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if s.plain() && misdialled(e) {
		return false
	}
	r.counters.Events++
	if s != SensorAMI {
		r.counters.Logged++
	}
	return r.hear(now, s, e)
}

// misdialled says whether an event is an account's own call to a number that
// does not exist: Asterisk raises no event of it, and every user does it.
func misdialled(e *event.Event) bool {
	return e.Kind == event.FailedACL && string(e.ACLName) == "no_extension_match" &&
		len(e.AccountID) > 0 && string(e.AccountID) != "anonymous"
}

// ReportTampering takes something that Asterisk did not write as it stands: of
// e the true source with its transport, and the text.
func (r *Responder) ReportTampering(now time.Time, s Sensor, e *event.Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.counters.Events++
	r.tampered(now, s, e)
}

// tampered is ReportTampering for a caller that holds the lock.
func (r *Responder) tampered(now time.Time, s Sensor, e *event.Event) {
	r.counters.Tampered++
	if !e.Remote.IsValid() || !r.sightings.first(now, s, &event.Event{Remote: e.Remote}) {
		return
	}
	o := tampering(now, e)
	r.observe(&o)
}

// ReportBlinding takes Asterisk's own word that it could not issue a security
// event: somebody is hiding, and only the log sees him.
func (r *Responder) ReportBlinding(now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.counters.Blinded++
	if now.Sub(r.blindedAt) > time.Minute {
		r.log.Warn().Msg("somebody hides from the manager interface: Asterisk could not issue a security event")
	}
	r.blindedAt = now
}

// LastFailures is when the events, and when Asterisk's log, last told of a
// failed attempt: a log that stays behind does not hold them.
func (r *Responder) LastFailures() (events, log time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, at := range r.failures[SensorSecurityLog:] {
		if at.After(log) {
			log = at
		}
	}
	return r.failures[SensorAMI], log
}

// Blinded is when Asterisk last said so; the zero time when it never did.
func (r *Responder) Blinded() time.Time {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.blindedAt
}

// Banned is the ban in force that drops a source.
func (r *Responder) Banned(now time.Time, source netip.Addr) (Ban, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !source.IsValid() {
		return Ban{}, false
	}
	source = source.Unmap()
	return r.book.covering(now, netip.PrefixFrom(source, source.BitLen()))
}

const (
	// sightingSlots is how many sessions are told apart at once, in 3 MB.
	sightingSlots = 1 << 16
	// sensorsLag is how far the sensors may be apart for the same thing: a log
	// on a slow disk comes seconds later. It is also how long a sensor that
	// missed something may count too little when the one that saw it falls
	// silent.
	sensorsLag = 30 * time.Second
	// sessionHead is how much of a session tells it apart: Asterisk's log cuts
	// a Call-ID off at 255 bytes.
	sessionHead = 128
)

// sightings makes what several sensors see of one session count once. A
// session may hold any number of attempts, so that "seen already" would hide
// all but the first: each sensor's sightings of one kind are counted, and news
// is what brings a sensor's count above that of every other. So the sum is
// that of the sensor that saw the most, and no sensor's blindness takes
// anything away.
//
// It is of fixed size. A session takes the place of another, which then begins
// anew: at worst what was counted counts again.
type sightings struct {
	seed  maphash.Seed
	slots []sighting
}

type sighting struct {
	session uint64
	counts  [sensors]uint32
	most    uint32
	at      int64 // milliseconds since 1970, of the last news
}

func newSightings() *sightings {
	return &sightings{seed: maphash.MakeSeed(), slots: make([]sighting, sightingSlots)}
}

// first says whether what a sensor saw is news; with a single sensor, a nil t,
// everything is.
func (t *sightings) first(now time.Time, s Sensor, e *event.Event) bool {
	if t == nil {
		return true
	}
	key, ms := t.key(e), now.UnixMilli()
	slot := &t.slots[key%sightingSlots]
	if age := ms - slot.at; slot.session != key || age > sensorsLag.Milliseconds() || age < -sensorsLag.Milliseconds() {
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
// with the others one source's failures are one session.
func (t *sightings) key(e *event.Event) uint64 {
	var h maphash.Hash
	h.SetSeed(t.seed)
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

var unknownAccount = []byte(event.Unknown)

// complete adds what the log leaves out of a PJSIP attempt and the events
// tell: the challenges, and that an account does not exist, for which the log
// gives the name that was tried. The caller holds the lock.
func (r *Responder) complete(now time.Time, s Sensor, e *event.Event) {
	if !s.plain() || string(e.Service) != "PJSIP" {
		return
	}
	o := score.Observation{At: now, Signal: signals[e.Kind], Source: e.Remote.Addr(), Session: e.SessionID}
	if r.attempts.Expect(&o) {
		e.AccountID = unknownAccount
	}
}
