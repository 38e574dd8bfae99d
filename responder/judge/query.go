package judge

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tollwarden/tollwarden/responder/incident"
	"github.com/tollwarden/tollwarden/responder/score"
)

// ScoreStatus is how an address, a network or an account stands now.
type ScoreStatus struct {
	score.Status
	Ban      *incident.Ban           // that covers an address or a network
	Partial  []incident.PartialBlock // at an address or in a network, or of an account's phones
	Why      string                  // it is protected, when it is
	Channels int                     // that an account has up
	Held     string                  // what is taken from an account for now, and who knows its password; "" for nothing
	Rotated  time.Time               // when an account got its password from us
}

// Scores are the n keys of one kind nearest to a threshold, the nearest first.
func (j *Judge) Scores(now time.Time, per score.Per, n int) (list []ScoreStatus) {
	partial := j.Partial.List(now)
	for _, s := range j.table.Top(now, per, n) {
		st := ScoreStatus{Status: s}
		for _, b := range partial {
			if per == score.PerAccount && b.Kind == incident.BlockedFlow && b.Account == s.Key.Account || per != score.PerAccount && b.Concerns(s.Key.Prefix) {
				st.Partial = append(st.Partial, b)
			}
		}
		if per == score.PerAccount {
			st.Channels = j.Calls.Account(s.Key.Account)
			st.Held = j.words.held(now, s.Key.Account)
			st.Rotated = j.Contain.Rotations.At(s.Key.Account)
		} else {
			if ban, ok := j.Bans.Covering(now, s.Key.Prefix); ok {
				st.Ban = &ban
			}
			if st.Why = j.Places.Why(s.Key.Prefix); j.Places.Allowed(s.Key.Prefix) {
				st.Why = "on the allow list"
			}
		}
		list = append(list, st)
	}
	return list
}

// StolenPasswords lists the accounts whose passwords others know, and where those are, and
// those that others have used.
func (j *Judge) StolenPasswords(now time.Time) (list []string) {
	for _, account := range j.Places.StolenAccounts(now) {
		list = append(list, account+": "+j.words.thieves(now, account))
	}
	list = append(list, j.words.compromised(now)...)
	slices.Sort(list)
	return list
}

// Accounts are the accounts that Asterisk has lately named: those with a
// registration or a call, and those that score. It is what a person may want to
// complete a name from.
func (j *Judge) Accounts(now time.Time) []string {
	names := slices.Clone(j.registered)
	for _, s := range j.table.Top(now, score.PerAccount, 1000) {
		if !strings.HasPrefix(s.Key.Account, score.ManagerAccounts) {
			names = append(names, s.Key.Account)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// maxPhones is how many of an account's phones are named.
const maxPhones = 5

// PhonesOf says, after a change of password, who still has the old one: where the
// account's own phones are, the newest first, and what they call themselves.
// Where the account has long been at home goes before where it merely succeeded,
// which with a password that leaked is the thief's place, too; and a banned
// address is no phone's.
func (j *Judge) PhonesOf(now time.Time, account string) string {
	var long, known []string
	for _, p := range j.Places.Addresses(account, now) {
		if _, banned := j.Bans.Covering(now, p.Source); banned || j.Places.Doubtful(account, p.Source, now) {
			continue
		}
		phone := incident.PrefixText(p.Source)
		if agent := j.Places.Agent(account, p.Source); agent != "" {
			phone += fmt.Sprintf(" (User-Agent %s)", strconv.QuoteToGraphic(agent))
		}
		known = append(known, phone)
		if j.Places.Home(now, account, p.Source.Addr()) {
			long = append(long, phone)
		}
	}
	if len(long) > 0 {
		known = long
	}
	if len(known) == 0 {
		return "no IP address of its phones is known"
	}
	more := ""
	if n := len(known) - maxPhones; n > 0 {
		known, more = known[:maxPhones], fmt.Sprintf(" and %d more", n)
	}
	return "its phones that need the new password were last seen at " + strings.Join(known, ", ") + more
}
