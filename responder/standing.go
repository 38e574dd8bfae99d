package responder

import (
	"slices"
	"strings"
	"time"

	"github.com/tollwarden/tollwarden/responder/score"
)

// Standing is how a source, a network or an account stands now.
type Standing struct {
	score.Standing
	Ban      *Ban   // that covers a source or a network
	Why      string // it is not banned lightly, when it is not
	Channels int    // that an account has up
	Held     string // what is taken from an account for now; "" when nothing is
	Rotated  time.Time
}

// Standings are the n keys of one kind nearest to a threshold, the nearest
// first.
func (r *Responder) Standings(now time.Time, per score.Per, n int) []Standing {
	r.mu.Lock()
	defer r.mu.Unlock()
	var list []Standing
	for _, s := range r.table.Standings(now, per, n) {
		st := Standing{Standing: s}
		if per == score.PerAccount {
			st.Channels = r.calls.Account(s.Key.Account)
			st.Held = r.held(s.Key.Account)
			st.Rotated = r.rotatedAt[s.Key.Account]
		} else {
			if ban, ok := r.book.covering(now, s.Key.Prefix); ok {
				st.Ban = &ban
			}
			if st.Why = r.trust.why(s.Key.Prefix); r.trust.allowed(s.Key.Prefix) {
				st.Why = "on the allow list"
			}
		}
		list = append(list, st)
	}
	return list
}

// Accounts are the accounts that Asterisk has lately named to us: those with a
// registration or a call, and those that score. It is what a person may want to
// complete a name from.
func (r *Responder) Accounts(now time.Time) []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	names := slices.Clone(r.registered)
	for _, s := range r.table.Standings(now, score.PerAccount, 1000) {
		if !strings.HasPrefix(s.Key.Account, score.ManagerAccounts) {
			names = append(names, s.Key.Account)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}
