package contain

import (
	"slices"
	"strings"
)

// unknownContext is kept of an account that was found locked in Asterisk: there
// is no context that Unlock could write back.
const unknownContext = "unknown"

// partly ends what is kept of an account whose lock failed, and may have taken
// effect in part: its calls are ended as if Asterisk had never been reached.
const partly = "in-part"

// Locks are the accounts that are locked, and what unlocks each of them: the
// contexts of before, "" when Asterisk could not be reached. The zero value is
// ready to use.
type Locks struct {
	was map[string]string
}

// Restore takes over a lock of a former run.
func (l *Locks) Restore(account, was string) { l.set(account, was) }

func (l *Locks) set(account, was string) {
	if l.was == nil {
		l.was = map[string]string{}
	}
	l.was[account] = was
}

// Get is what unlocks an account; locked is false when it is not locked.
func (l *Locks) Get(account string) (was string, locked bool) {
	was, locked = l.was[account]
	return was, locked
}

// Keep remembers a lock. keep is what to store of it; changed is false when it
// is known already, and first is true when the account was not locked before. A
// lock that is known keeps what unlocks it, and one in part takes the rest.
func (l *Locks) Keep(account, was string) (keep string, first, changed bool) {
	known, locked := l.was[account]
	if known != "" && (was == "" || !strings.HasSuffix(known, partly)) {
		return known, false, false
	}
	was = joined(known, was)
	l.set(account, was)
	return was, !locked, true
}

// Forget removes a lock.
func (l *Locks) Forget(account string) { delete(l.was, account) }

// Enforced says whether the daemon itself has to end the calls of an account:
// it is locked, and Asterisk did not confirm all of it.
func (l *Locks) Enforced(account string) bool {
	was, locked := l.was[account]
	return locked && (was == "" || strings.HasSuffix(was, partly))
}

// confirmed are the accounts that Asterisk has locked, wholly or in part, with the contexts that
// they had before.
func (l *Locks) confirmed() map[string]string {
	out := map[string]string{}
	for account, was := range l.was {
		if was = contexts(was); was != "" {
			out[account] = was
		}
	}
	return out
}

// contexts is what Asterisk needs to unlock an account.
func contexts(was string) string { return strings.TrimSuffix(was, " "+partly) }

// joined is what unlocks an account that was locked in part before, and then
// again.
func joined(known, was string) string {
	words := slices.DeleteFunc(strings.Fields(known), func(word string) bool { return word == partly })
	for word := range strings.FieldsSeq(was) {
		if !slices.Contains(words, word) && (word != unknownContext || len(words) == 0) {
			words = append(words, word)
		}
	}
	return strings.Join(words, " ")
}
