package ongoing

import (
	"time"

	"github.com/tollwarden/tollwarden/responder/decide"
	"github.com/tollwarden/tollwarden/responder/incident"
)

// What a person reports about an account that was treated as compromised within the hour joins
// the incident about that: a second new password would only be one more to enter.

const (
	containedFor = time.Hour
	maxContained = 4096
)

// contain remembers that an incident treats its account as compromised.
func (s *Incidents) contain(u *Incident, at time.Time) {
	i := u.Incident
	if u.gravity < decide.Compromise || i.Mode != incident.Enforce || i.Account == "" {
		return
	}
	if _, known := s.contained[i.Account]; !known && len(s.contained) >= maxContained {
		return
	}
	if s.contained == nil {
		s.contained = map[string]*Incident{}
	}
	s.contained[i.Account], u.Contained = u, at
}

// ContainedBy is the incident that has treated an account as compromised within the hour; nil
// if there is none.
func (s *Incidents) ContainedBy(now time.Time, account string) *Incident {
	u := s.contained[account]
	if u == nil || now.Sub(u.Contained) >= containedFor || u.Incident.Account != account {
		return nil
	}
	return u
}

func (s *Incidents) pruneContained(now time.Time) {
	for account, u := range s.contained {
		if now.Sub(u.Contained) >= containedFor {
			delete(s.contained, account)
		}
	}
}
