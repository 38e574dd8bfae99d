package ongoing

import (
	"time"

	"github.com/tollwarden/tollwarden/ami/event"
	"github.com/tollwarden/tollwarden/responder/incident"
	"github.com/tollwarden/tollwarden/responder/score"
)

// listing is what an incident has listed of a key.
type listing struct {
	incident int64
	until    time.Time // of the newest record
	at       time.Time // when it was listed
}

// hasListed remembers what an incident lists of the keys of its verdicts.
func (s *Incidents) hasListed(u *Incident, fresh []*score.Verdict) {
	if u.spoofed || u.Incident.ID == 0 {
		return // the addresses of a flood may get incidents of their own
	}
	for _, v := range fresh {
		if v.Key.Per != score.PerSource && v.Key.Per != score.PerNetwork && v.Key.Per != score.PerAccount || len(v.Evidence) == 0 {
			continue
		}
		if _, known := s.listings[v.Key]; !known && len(s.listings) >= maxListings {
			continue
		}
		if s.listings == nil {
			s.listings = map[score.Key]listing{}
		}
		s.listings[v.Key] = listing{u.Incident.ID, v.Evidence[len(v.Evidence)-1].At, v.At}
	}
}

// Before is the number of the incident that has listed the same before; 0 if there is none.
func (s *Incidents) Before(v *score.Verdict) int64 {
	if l, ok := s.before(v); ok {
		return l.incident
	}
	return 0
}

// before is the incident that has listed what a verdict's key did before; ok is false if
// there is none. A break-in lists the guesses that make it one in any case.
func (s *Incidents) before(v *score.Verdict) (l listing, ok bool) {
	l, ok = s.listings[v.Key]
	return l, ok && !afterFailures(v) && v.At.Sub(l.at) < listedFor
}

// notListed leaves out of a verdict's records what another incident has listed.
func (s *Incidents) notListed(v *score.Verdict, id int64) []score.Record {
	l, ok := s.before(v)
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

// RestoreListing takes over a partial block from before a restart: the next incident about its
// address names the one of the block.
func (s *Incidents) RestoreListing(now time.Time, b incident.PartialBlock) {
	if b.Incident == 0 {
		return
	}
	if s.listings == nil {
		s.listings = map[score.Key]listing{}
	}
	key := score.Key{Per: score.PerSource, Prefix: event.SourcePrefix(b.Source().Addr())}
	if was := s.listings[key]; b.Incident > was.incident && len(s.listings) < maxListings {
		s.listings[key] = listing{b.Incident, b.Since, now}
	}
}

func (s *Incidents) pruneListings(now time.Time) {
	for k, l := range s.listings {
		if now.Sub(l.at) >= listedFor {
			delete(s.listings, k)
		}
	}
}
