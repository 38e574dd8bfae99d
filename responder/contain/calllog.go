package contain

import (
	"maps"
	"slices"
	"time"

	"github.com/tollwarden/tollwarden/responder/calls"
	"github.com/tollwarden/tollwarden/responder/incident"
)

// lookBack is how far before its first evidence an incident's calls begin.
const lookBack = time.Hour

// maxOpenCalls bounds the calls of incidents whose end is waited for.
const maxOpenCalls = 8192

// CallLog knows which calls belong to which incidents, until they end. The zero
// value is ready to use.
type CallLog struct {
	open     map[string][]int64   // incidents by the channel whose end they wait for
	followed map[string]*followed // by account
}

// followed is an account whose further calls belong to an incident, since nothing ends them: in
// mode observe, or during a pause.
type followed struct {
	incident int64
	until    time.Time
	calls    int // so far
}

const (
	// followFor is how long the calls of an account are followed, and maxFollowedCalls bounds
	// them; maxFollowed bounds the accounts.
	followFor        = 24 * time.Hour
	maxFollowedCalls = 1000
	maxFollowed      = 1024
)

// Follow has the calls that an account sets up from now on belong to an incident, if all its
// calls would have been ended for that and are not.
func (l *CallLog) Follow(now time.Time, i *incident.Incident) {
	ends := slices.ContainsFunc(i.Steps, func(s incident.Step) bool {
		_, would := s.Would()
		return would && s.Step == incident.StepHangup && i.Account != ""
	})
	if _, known := l.followed[i.Account]; !ends || !known && len(l.followed) >= maxFollowed {
		return
	}
	if l.followed == nil {
		l.followed = map[string]*followed{}
	}
	l.followed[i.Account] = &followed{incident: i.ID, until: now.Add(followFor)}
}

// FollowedBy is the incident that a new call of an account belongs to; 0 if there is none.
func (l *CallLog) FollowedBy(now time.Time, account string) int64 {
	f := l.followed[account]
	if f == nil || now.After(f.until) || f.calls >= maxFollowedCalls {
		return 0
	}
	f.calls++
	return f.incident
}

// Unfollow ends that: the account is dealt with.
func (l *CallLog) Unfollow(account string) { delete(l.followed, account) }

// Prune forgets what is over.
func (l *CallLog) Prune(now time.Time) {
	maps.DeleteFunc(l.followed, func(_ string, f *followed) bool { return now.After(f.until) })
}

// IncidentCall is one call, and the incidents that it belongs to.
type IncidentCall struct {
	Incidents []int64
	Call      incident.Call
}

// Begin gives the calls that an incident is about: those of its account that
// ended lately and those that are up. country reads the country of a dialled
// number.
func (l *CallLog) Begin(i *incident.Incident, ended []calls.Ended, up []calls.Channel, country func(dialled string) string) (list []IncidentCall) {
	number := []int64{i.ID}
	for _, c := range ended {
		if call, ok := l.Add(number, c.Channel, c.At, country); ok {
			list = append(list, call)
		}
	}
	for _, c := range up {
		if call, ok := l.Add(number, c, time.Time{}, country); ok {
			list = append(list, call)
		}
	}
	return list
}

// Since is from when on an incident's calls count.
func Since(i *incident.Incident) time.Time {
	since := i.At
	for _, e := range i.Evidence {
		if e.At.Before(since) {
			since = e.At
		}
	}
	return since.Add(-lookBack)
}

// AboutCalls says whether what was done for an incident, or would have been,
// ends calls.
func AboutCalls(i *incident.Incident) bool {
	for _, s := range i.Steps {
		if (s.Step == incident.StepHangup || s.Step == incident.StepHangupCall) && i.Account != "" {
			return true
		}
	}
	return false
}

// Add takes one call of incidents; ended is zero for one that is up. ok is false
// for a channel without a number, which is a call to the account and costs
// nothing; "s" is Asterisk's word for none.
func (l *CallLog) Add(incidents []int64, c calls.Channel, ended time.Time, country func(string) string) (_ IncidentCall, ok bool) {
	if c.Dialled == "" || c.Dialled == "s" {
		return IncidentCall{}, false
	}
	if ended.IsZero() && len(l.open) < maxOpenCalls {
		if l.open == nil {
			l.open = map[string][]int64{}
		}
		for _, id := range incidents {
			if !slices.Contains(l.open[c.Name], id) {
				l.open[c.Name] = append(l.open[c.Name], id)
			}
		}
	}
	return IncidentCall{incidents, incident.Call{
		Channel: c.Name, Account: c.Account, Dialled: c.Dialled, Country: country(c.Dialled),
		Began: c.Since, Ended: ended, Answered: c.Answered,
	}}, true
}

// Waits says whether incidents wait for the end of a channel.
func (l *CallLog) Waits(channel string) bool { return len(l.open[channel]) > 0 }

// Answered takes that a call was answered; ok is false when no incident waits for its end.
func (l *CallLog) Answered(c calls.Channel, country func(string) string) (_ IncidentCall, ok bool) {
	if !l.Waits(c.Name) {
		return IncidentCall{}, false
	}
	return l.Add(slices.Clone(l.open[c.Name]), c, time.Time{}, country)
}

// ForgetGone forgets the calls whose end was missed: those of channels that are not up. The
// next channel of that name, after a restart of Asterisk, is another call.
func (l *CallLog) ForgetGone(up func(channel string) bool) {
	for channel := range l.open {
		if !up(channel) {
			delete(l.open, channel)
		}
	}
}

// End takes the end of a call; ok is false when no incident waits for it.
func (l *CallLog) End(c calls.Channel, now time.Time, country func(string) string) (_ IncidentCall, ok bool) {
	incidents, open := l.open[c.Name]
	if !open {
		return IncidentCall{}, false
	}
	delete(l.open, c.Name)
	return l.Add(incidents, c, now, country)
}
