package ongoing

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/tollwarden/tollwarden/ami/event"
	"github.com/tollwarden/tollwarden/responder/decide"
	"github.com/tollwarden/tollwarden/responder/incident"
	"github.com/tollwarden/tollwarden/responder/score"
)

// An incident about a guesser goes on as long as the guesses do. The next flow that is dropped
// joins it, and so do guesses that cross no threshold of their own. A later incident lists
// only what is new, and names the one before.

const (
	// goesOnWithin is how long after its last guess an incident goes on whose address is
	// not banned.
	goesOnWithin = time.Hour
	// maxGuesses bounds the guesses that an incident lists; the others are counted.
	maxGuesses = 200
	// listedFor is how long it is remembered what an incident has listed of a key, and
	// maxListings bounds the keys.
	listedFor   = 24 * time.Hour
	maxListings = 4096
)

// guessed says whether a record is a failed attempt.
func guessed(s score.Signal) bool { return s.Failure() || s == score.InvalidAccountID }

// isGuesser has the further guesses of an address join an incident, if the verdict is about it.
func (s *Incidents) isGuesser(u *Incident, v *score.Verdict) {
	if u.source.IsValid() || v.Key.Per != score.PerSource {
		return
	}
	u.source, u.heard = v.Key.Prefix, v.At
	if s.guessers == nil {
		s.guessers = map[netip.Prefix]*Incident{}
	}
	if was := s.guessers[u.source]; was != nil {
		was.late = 0 // the verdict's evidence has them
	}
	s.guessers[u.source] = u
}

// Follow counts a guess of an address that an incident is about. The table keeps what is
// to be listed.
func (s *Incidents) Follow(o *score.Observation, mode incident.Mode) {
	if len(s.guessers) == 0 || !guessed(o.Signal) {
		return
	}
	u := s.guessers[event.SourcePrefix(o.Source)]
	if u == nil || u.over(o.At) || u.Incident.Shared() || u.Incident.Mode != mode {
		return
	}
	u.heard = o.At
	u.late++
}

// over says whether an incident can no longer be joined by more guesses. Those of a banned
// address were in Asterisk's queues when the ban took effect.
func (u *Incident) over(now time.Time) bool {
	switch {
	case now.Sub(u.last) < joinWithin:
		return false
	case !u.source.IsValid(), now.Sub(u.Incident.At) >= GoesOnFor:
		return true
	}
	return now.Sub(u.heard) >= goesOnWithin || u.bans(false)
}

// bans says whether an incident bans anything; observed counts a ban that was not carried
// out, too.
func (u *Incident) bans(observed bool) bool {
	return slices.ContainsFunc(u.Incident.Steps, func(s incident.Step) bool {
		return s.Ban.Prefix.IsValid() && (observed || !s.Ban.Observed)
	})
}

// goesOnAs says whether a verdict is about the guesser of an incident, which goes on since its
// address is not banned. Another phone with a wrong password is another matter.
func (u *Incident) goesOnAs(v *score.Verdict) bool {
	if v.Key.Per != score.PerSource || v.Key != u.Incident.Key || !guessed(v.Cause.Signal) || u.over(v.At) || u.bans(true) {
		return false
	}
	return !decide.OnePhone(v) || u.Incident.Account == v.Cause.Account
}

// GoingOn is the incident of a guesser that goes on; nil if there is none.
func (s *Incidents) GoingOn(v *score.Verdict, mode incident.Mode) *Incident {
	for _, u := range slices.Backward(s.list) {
		if u.goesOnAs(v) && s.takesMore(u, v, mode) {
			return u
		}
	}
	return nil
}

// RecordGuesses lists the guesses that came since: record is called for each incident that
// has some.
func (s *Incidents) RecordGuesses(now time.Time, record func(*Incident)) {
	for _, u := range s.list {
		if !u.begun {
			continue
		}
		if u.late > 0 && len(u.Incident.Evidence) < maxGuesses {
			u.fresh = append(u.fresh, &score.Verdict{At: now, Key: score.Key{Per: score.PerSource, Prefix: u.source}, Evidence: s.guessesOf(u)})
			record(u)
			continue
		}
		u.unlisted, u.late = u.unlisted+u.late, 0
		if u.unlisted != u.named && now.Sub(u.amended) >= countEvery {
			u.amend(now)
			s.effects.Amend(u.Incident)
		}
	}
}

// guessesOf are the guesses of an incident's address that the table has.
func (s *Incidents) guessesOf(u *Incident) (list []score.Record) {
	for _, r := range s.table.Evidence(score.Key{Per: score.PerSource, Prefix: u.source}) {
		if guessed(r.Signal) && !r.At.Before(u.Incident.At) {
			list = append(list, r)
		}
	}
	return list
}

// listGuesses bounds what is added to the evidence of an incident that goes on, and counts
// what is left out, and what the table has forgotten.
func (u *Incident) listGuesses(more []incident.Evidence) []incident.Evidence {
	if !u.begun || u.late == 0 {
		return more
	}
	guesses, room := 0, maxGuesses-len(u.Incident.Evidence)
	kept := more[:0]
	for _, e := range more {
		if guessed(e.Signal) {
			if guesses >= room {
				continue
			}
			guesses++
		}
		kept = append(kept, e)
	}
	u.unlisted, u.late = u.unlisted+max(0, u.late-guesses), 0
	return kept
}

// amend has the reason say how many guesses are not listed.
func (u *Incident) amend(now time.Time) {
	i := u.Incident
	i.Reason = strings.TrimSuffix(i.Reason, u.suffix)
	if u.suffix = ""; u.unlisted > 0 {
		u.suffix = fmt.Sprintf("; %s came too fast, or were too many, to be listed", incident.Count(u.unlisted, "more failed attempt"))
	}
	i.Reason += u.suffix
	u.named, u.amended = u.unlisted, now
}

// Guesser returns the number of the incident about the guesses of an address; 0 if there is
// none, or if it has no number yet.
func (s *Incidents) Guesser(at netip.Prefix) int64 {
	if u := s.guessers[at]; u != nil {
		return u.Incident.ID
	}
	return 0
}
