package contain

import (
	"slices"
	"time"
)

// lingers is how long after containment an account's new calls are still ended
// as they come. The INVITE whose password gave the thief away is a channel only
// a moment after its SuccessfulAuth, and a hang-up alone can be done by then.
const lingers = 5 * time.Second

// Sessions are the accounts that are being contained: their new calls are ended
// as they come. The zero value is ready to use.
type Sessions struct {
	by map[string]*session
}

// session is one account with incidents under way.
type session struct {
	open      int                 // incidents under way
	until     time.Time           // when open is 0: how long it lingers
	incidents []int64             // their numbers
	ended     map[string]struct{} // channels hung up
	swept     map[string]struct{} // channels that came meanwhile, to be hung up
}

func (s *session) over(now time.Time) bool { return s.open == 0 && now.After(s.until) }

// Begin begins to contain an account for an incident.
func (s *Sessions) Begin(account string, incident int64) {
	is := s.by[account]
	if is == nil || is.open == 0 {
		is = &session{ended: map[string]struct{}{}, swept: map[string]struct{}{}}
		if s.by == nil {
			s.by = map[string]*session{}
		}
		s.by[account] = is
	}
	is.open++
	if !slices.Contains(is.incidents, incident) {
		is.incidents = append(is.incidents, incident)
	}
}

// Finish says that nothing more is done for an incident of the account.
func (s *Sessions) Finish(now time.Time, account string) {
	is := s.by[account]
	if is == nil {
		return
	}
	if is.open--; is.open == 0 {
		is.until = now.Add(lingers)
	}
}

// Active says whether an account's calls are all being ended.
func (s *Sessions) Active(now time.Time, account string) bool {
	is := s.by[account]
	return is != nil && !is.over(now)
}

// NewChannel takes a new channel of an account. active says that it has to be
// ended, and incidents are those that it belongs to.
func (s *Sessions) NewChannel(now time.Time, account, channel string) (incidents []int64, active bool) {
	is := s.by[account]
	if is == nil || is.over(now) {
		return nil, false
	}
	is.swept[channel] = struct{}{}
	return is.incidents, true
}

// ChannelDown records that a channel of an account went down.
func (s *Sessions) ChannelDown(account, channel string) {
	is := s.by[account]
	if is == nil {
		return
	}
	if _, ours := is.swept[channel]; ours {
		is.ended[channel] = struct{}{}
	}
}

// Ended takes the channels of an account that were hung up, whoever did it, and
// returns how many there were so far.
func (s *Sessions) Ended(account string, channels []string) int {
	is := s.by[account]
	if is == nil {
		return len(channels)
	}
	for _, name := range channels {
		is.ended[name] = struct{}{}
	}
	return len(is.ended)
}

// Prune forgets the sessions that are over.
func (s *Sessions) Prune(now time.Time) {
	for account, is := range s.by {
		if is.over(now) {
			delete(s.by, account)
		}
	}
}
