package decide

import (
	"net/netip"
	"slices"
	"time"

	"github.com/tollwarden/tollwarden/responder/score"
)

const (
	// maxMissed bounds the keys whose verdicts of a pause are remembered.
	maxMissed = 4096
	// missedFor is how long after a pause a verdict about an account still counts: a thief
	// may wait for a night. One about an address counts as long as its threshold looks back.
	missedFor = 24 * time.Hour
)

// Missed are the verdicts of a pause, to be acted on when their attacks go on afterwards.
// The zero value is ready to use.
type Missed struct {
	by map[score.Key][]*score.Verdict
}

// Len is how many keys have verdicts.
func (m *Missed) Len() int { return len(m.by) }

// Of are the verdicts of a key, one for each threshold.
func (m *Missed) Of(k score.Key) []*score.Verdict { return slices.Clone(m.by[k]) }

// Add remembers a verdict in place of the one before by the same threshold.
func (m *Missed) Add(v *score.Verdict) {
	m.Forget(v.Key, v.Threshold.Name)
	if _, known := m.by[v.Key]; !known && len(m.by) >= maxMissed {
		return
	}
	if m.by == nil {
		m.by = map[score.Key][]*score.Verdict{}
	}
	kept := *v
	m.by[v.Key] = append(m.by[v.Key], &kept)
}

// Forget forgets the verdict of a key by one threshold.
func (m *Missed) Forget(k score.Key, threshold string) {
	left := slices.DeleteFunc(m.by[k], func(v *score.Verdict) bool { return v.Threshold.Name == threshold })
	if len(left) == 0 {
		delete(m.by, k)
	} else {
		m.by[k] = left
	}
}

// ForgetAccount forgets the verdicts about an account.
func (m *Missed) ForgetAccount(account string) {
	delete(m.by, score.Key{Per: score.PerAccount, Account: account})
}

// ForgetIn forgets the verdicts about addresses in a prefix.
func (m *Missed) ForgetIn(prefix netip.Prefix) {
	for k := range m.by {
		if k.Prefix.IsValid() && k.Prefix.Overlaps(prefix) {
			delete(m.by, k)
		}
	}
}

// Prune forgets the verdicts that are too old. It is not to be called during a pause.
func (m *Missed) Prune(now time.Time) {
	for k := range m.by {
		for _, v := range m.Of(k) {
			within := v.Threshold.Within
			if k.Per == score.PerAccount {
				within = max(within, missedFor)
			}
			if now.Sub(v.At) >= within {
				m.Forget(k, v.Threshold.Name)
			}
		}
	}
}
