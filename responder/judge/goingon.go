package judge

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

// An incident about a guesser goes on as long as the guesses do: what is cut next joins it,
// and so do the guesses that cross no threshold of their own. An incident that comes later
// lists only what is new, and names the one before.

const (
	// goesOnWithin is how long after its last guess an incident goes on whose address is
	// not banned.
	goesOnWithin = time.Hour
	// maxGuesses bounds the guesses that an incident lists; the others are counted.
	maxGuesses = 200
	// listedFor is how long it is known which guesses an incident has listed, and
	// maxListings bounds the keys of which it is.
	listedFor   = 24 * time.Hour
	maxListings = 4096
)

// guessed says whether a record is a failed attempt.
func guessed(s score.Signal) bool { return s.Failure() || s == score.InvalidAccountID }

// isGuesser makes an incident about an address one that its guesses go on with.
func (j *Judge) isGuesser(u *underWay, v *score.Verdict) {
	if u.source.IsValid() || v.Key.Per != score.PerSource {
		return
	}
	u.source, u.heard = v.Key.Prefix, v.At
	if j.guessers == nil {
		j.guessers = map[netip.Prefix]*underWay{}
	}
	if was := j.guessers[u.source]; was != nil {
		was.late = 0 // the verdict's evidence has them
	}
	j.guessers[u.source] = u
}

// follow counts a guess of an address that an incident is about. The table keeps what is
// to be listed.
func (j *Judge) follow(o *score.Observation) {
	if len(j.guessers) == 0 || !guessed(o.Signal) {
		return
	}
	u := j.guessers[event.SourcePrefix(o.Source)]
	if u == nil || u.over(o.At) || u.incident.Shared() || u.incident.Mode != j.modeOf(o.At) {
		return
	}
	u.heard = o.At
	u.late++
}

// over says whether an incident can no longer be joined by more guesses. Those of a banned
// address were in Asterisk's queues when the ban took effect.
func (u *underWay) over(now time.Time) bool {
	switch {
	case now.Sub(u.last) < joinWithin:
		return false
	case !u.source.IsValid(), now.Sub(u.incident.At) >= goesOnFor:
		return true
	}
	return now.Sub(u.heard) >= goesOnWithin || u.bans(false)
}

// bans says whether an incident bans anything; observed counts a ban that was not carried
// out, too.
func (u *underWay) bans(observed bool) bool {
	return slices.ContainsFunc(u.incident.Steps, func(s incident.Step) bool {
		return s.Ban.Prefix.IsValid() && (observed || !s.Ban.Observed)
	})
}

// goesOnAs says whether a verdict is about the guesser of an incident, who goes on since
// nothing but what was used is cut. Another phone with a wrong password is another matter.
func (u *underWay) goesOnAs(v *score.Verdict) bool {
	if v.Key.Per != score.PerSource || v.Key != u.incident.Key || !guessed(v.Cause.Signal) || u.over(v.At) || u.bans(true) {
		return false
	}
	return !decide.OnePhone(v) || u.incident.Account == v.Cause.Account
}

// goingOn is the incident of a guesser that goes on; nil if there is none.
func (j *Judge) goingOn(v *score.Verdict) *underWay {
	for _, u := range slices.Backward(j.underWay) {
		if u.goesOnAs(v) && j.takesMore(u, v) {
			return u
		}
	}
	return nil
}

// recordGuesses lists the guesses that came since.
func (j *Judge) recordGuesses(now time.Time) {
	for _, u := range j.underWay {
		if !u.begun {
			continue
		}
		if u.late > 0 && len(u.incident.Evidence) < maxGuesses {
			u.fresh = append(u.fresh, &score.Verdict{At: now, Key: score.Key{Per: score.PerSource, Prefix: u.source}, Evidence: j.guessesOf(u)})
			j.record(u)
			continue
		}
		u.unlisted, u.late = u.unlisted+u.late, 0
		if u.unlisted != u.told && now.Sub(u.amended) >= countEvery {
			u.amend(now)
			j.effects.Amend(u.incident)
		}
	}
}

// guessesOf are the guesses of an incident's address that the table has.
func (j *Judge) guessesOf(u *underWay) (list []score.Record) {
	for _, r := range j.table.Evidence(score.Key{Per: score.PerSource, Prefix: u.source}) {
		if guessed(r.Signal) && !r.At.Before(u.incident.At) {
			list = append(list, r)
		}
	}
	return list
}

// listGuesses bounds what is added to the evidence of an incident that goes on, and counts
// what is left out, and what the table has forgotten.
func (u *underWay) listGuesses(more []incident.Evidence) []incident.Evidence {
	if !u.begun || u.late == 0 {
		return more
	}
	guesses, room := 0, maxGuesses-len(u.incident.Evidence)
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
func (u *underWay) amend(now time.Time) {
	i := u.incident
	i.Reason = strings.TrimSuffix(i.Reason, u.suffix)
	if u.suffix = ""; u.unlisted > 0 {
		u.suffix = fmt.Sprintf("; %s came too fast, or were too many, to be listed", incident.Count(u.unlisted, "more failed attempt"))
	}
	i.Reason += u.suffix
	u.told, u.amended = u.unlisted, now
}

// listing is what an incident has listed of a key.
type listing struct {
	incident int64
	until    time.Time // of the newest record
	at       time.Time // when it was listed
}

// hasListed remembers what an incident lists of the keys of its verdicts.
func (j *Judge) hasListed(u *underWay, fresh []*score.Verdict) {
	if u.spoofed || u.incident.ID == 0 {
		return // the addresses of a flood may get incidents of their own
	}
	for _, v := range fresh {
		if v.Key.Per != score.PerSource && v.Key.Per != score.PerNetwork && v.Key.Per != score.PerAccount || len(v.Evidence) == 0 {
			continue
		}
		if _, known := j.listings[v.Key]; !known && len(j.listings) >= maxListings {
			continue
		}
		if j.listings == nil {
			j.listings = map[score.Key]listing{}
		}
		j.listings[v.Key] = listing{u.incident.ID, v.Evidence[len(v.Evidence)-1].At, v.At}
	}
}

// before is the incident that has listed what a verdict's key did before; ok is false if
// there is none. A break-in lists the guesses that make it one in any case.
func (j *Judge) before(v *score.Verdict) (l listing, ok bool) {
	l, ok = j.listings[v.Key]
	return l, ok && !afterFailures(v) && v.At.Sub(l.at) < listedFor
}

// notListed leaves out of a verdict's records what another incident has listed.
func (j *Judge) notListed(v *score.Verdict, id int64) []score.Record {
	l, ok := j.before(v)
	if !ok || l.incident == id {
		return v.Evidence
	}
	var list []score.Record
	for n, r := range v.Evidence {
		if r.At.After(l.until) || !guessed(r.Signal) || n == len(v.Evidence)-1 {
			list = append(list, r)
		}
	}
	return list
}

// RestorePartial takes over a partial block that the kernel has kept, and has its incident
// named by the next one about the address. The conversations in live pass at an address that
// is throttled or closed.
func (j *Judge) RestorePartial(now time.Time, b incident.PartialBlock, live []netip.AddrPort) {
	j.restoreListing(now, b)
	j.Partial.Restore(now, b, live)
}

// restoreListing has an incident about a block of before a restart named by the next one
// about its address.
func (j *Judge) restoreListing(now time.Time, b incident.PartialBlock) {
	if b.Incident == 0 {
		return
	}
	if j.listings == nil {
		j.listings = map[score.Key]listing{}
	}
	key := score.Key{Per: score.PerSource, Prefix: event.SourcePrefix(b.Source().Addr())}
	if was := j.listings[key]; b.Incident > was.incident && len(j.listings) < maxListings {
		j.listings[key] = listing{b.Incident, b.Since, now}
	}
}

func (j *Judge) pruneListings(now time.Time) {
	for k, l := range j.listings {
		if now.Sub(l.at) >= listedFor {
			delete(j.listings, k)
		}
	}
}
