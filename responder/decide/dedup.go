package decide

import (
	"net/netip"
	"time"

	"github.com/tollwarden/tollwarden/ami/event"
	"github.com/tollwarden/tollwarden/responder/incident"
	"github.com/tollwarden/tollwarden/responder/score"
)

// Dedup remembers which verdicts led only to a message, so that an
// attack that cannot be banned (a carrier's address spoofed, an account guessed
// at from everywhere) makes one incident and not one for every few packets. The
// zero value is ready to use.
type Dedup struct {
	until map[dedupKey]time.Time // until when it is not repeated
}

type dedupKey struct {
	key       score.Key
	threshold string
	widening  Widening
	paused    bool
}

// maxDedup bounds what is remembered. What does not fit is repeated.
const maxDedup = 1 << 14

// staleFlowPause is how long a phone with a wrong password is not reported
// again: it goes on until the phone is corrected.
const staleFlowPause = 24 * time.Hour

// First says whether to inform of a verdict now, and of what is done instead of a ban:
// not again within the time that its threshold looks back.
func (d *Dedup) First(v *score.Verdict, w Widening) bool {
	return d.isFirst(dedupKey{key: v.Key, threshold: v.Threshold.Name, widening: w}, v.At, v.Threshold.Within)
}

// FirstFlow is First for a verdict of which only a flow is cut: once a day for a phone
// with a wrong password, and otherwise once for its address over UDP and once for its
// connections, however many are cut there.
func (d *Dedup) FirstFlow(v *score.Verdict) bool {
	at := event.SourcePrefix(v.Cause.Source)
	if OnePhone(v) {
		key := score.Key{Per: score.PerAccount, Account: v.Cause.Account, Prefix: at}
		return d.isFirst(dedupKey{key: key, threshold: v.Threshold.Name}, v.At, staleFlowPause)
	}
	key := score.Key{Per: score.PerSource, Prefix: at, Account: incident.Flow{Connection: v.Cause.Transport.Connected()}.Kind()}
	return d.isFirst(dedupKey{key: key, threshold: v.Threshold.Name}, v.At, v.Threshold.Within)
}

// closingPause is how long nothing more is reported of an address that is closed, and opened,
// and closed again, since a guesser behind it goes on.
const closingPause = 24 * time.Hour

// FirstClosing is First for an address that is closed to what is new there: its owner hears
// of it though nobody asked for a message about guesses, but once a day.
func (d *Dedup) FirstClosing(v *score.Verdict, target netip.Prefix) bool {
	key := score.Key{Per: score.PerSource, Prefix: target}
	return d.isFirst(dedupKey{key: key, widening: Close}, v.At, closingPause)
}

// newPlacePause is how long nothing more is reported of an account whose address keeps
// changing while others guess at it.
const newPlacePause = 7 * 24 * time.Hour

// FirstNewPlace is First for an address on probation: once a week, and once more after a
// pause, when its costly calls are limited.
func (d *Dedup) FirstNewPlace(v *score.Verdict, paused bool) bool {
	return d.isFirst(dedupKey{key: v.Key, threshold: v.Threshold.Name, paused: paused}, v.At, newPlacePause)
}

// FirstNewPlaceOfDay is FirstNewPlace for the site: people hear of new addresses once a day.
func (d *Dedup) FirstNewPlaceOfDay(v *score.Verdict) bool {
	return d.isFirst(dedupKey{key: score.Key{Per: score.PerSite}, threshold: v.Threshold.Name}, v.At, 24*time.Hour)
}

func (d *Dedup) isFirst(k dedupKey, now time.Time, pause time.Duration) bool {
	if until, known := d.until[k]; known && now.Before(until) {
		return false
	}
	if d.until == nil {
		d.until = map[dedupKey]time.Time{}
	}
	if len(d.until) < maxDedup {
		d.until[k] = now.Add(pause)
	}
	return true
}

// Prune forgets what may be repeated.
func (d *Dedup) Prune(now time.Time) {
	for k, until := range d.until {
		if !now.Before(until) {
			delete(d.until, k)
		}
	}
}
