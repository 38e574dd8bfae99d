package demo

import (
	"sync"

	"github.com/tollwarden/tollwarden/responder/incident"
)

// story remembers the incidents as the daemon reports them.
type story struct {
	mu        sync.Mutex
	incidents map[int64]incident.Incident
}

func (s *story) see(i incident.Incident) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.incidents == nil {
		s.incidents = map[int64]incident.Incident{}
	}
	s.incidents[i.ID] = i
}

// ended is the incident of a threshold, once none of its steps is open.
func (s *story) ended(threshold string) (incident.Incident, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, i := range s.incidents {
		if i.Threshold != threshold {
			continue
		}
		for _, step := range i.Steps {
			if step.State == incident.Intended {
				return i, false
			}
		}
		return i, true
	}
	return incident.Incident{}, false
}
