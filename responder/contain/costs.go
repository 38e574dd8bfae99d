package contain

import (
	"fmt"
	"iter"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/tollwarden/tollwarden/responder/incident"
)

// CostLimits are the accounts whose costly calls are ended: if they come from where the
// account is not known, or wherever they come from. So are those of origins
// (score.IsOrigin). The zero value is ready to use.
type CostLimits struct {
	// Holds keeps the limits over a restart; nil keeps none.
	Holds Holds

	rule RestrictRule
	by   map[string]*CostLimit
}

// Holds keeps what holds for accounts. None of its calls waits.
type Holds interface {
	HoldChanged(h incident.Hold)
	HoldEnded(account string, kind incident.HoldKind)
}

// CostLimit is one account's limit. It is over once nothing asks for it any more.
type CostLimit struct {
	Since time.Time
	Until time.Time // for an address on probation; zero if there is none
	// Everywhere is until when costly calls are ended wherever they come from: a budget is
	// used up, or no account sets them up. Zero if that is not so.
	Everywhere time.Time
	Incident   int64 // to which the ended calls belong; 0: not recorded yet

	attack time.Time // when an attack last asked for it; zero if none does
	tried  tries
	kept   incident.Hold // as Holds has it
}

// Site is the name under which the costs of the whole site are limited: it is no account's.
const Site = ""

// maxCostLimits bounds the accounts limited at once. Beyond it, the limit that is over
// first makes room.
const maxCostLimits = 1 << 14

// Configure says when an attack is over.
func (l *CostLimits) Configure(rule RestrictRule) { l.rule = rule }

// BeginProbation limits an account until a time, since one of its addresses is on
// probation.
func (l *CostLimits) BeginProbation(now time.Time, account string, until time.Time) {
	x := l.ofOrNew(now, account)
	if until.After(x.Until) {
		x.Until = until
	}
	l.keep(account, x)
}

// BeginAttack limits an account for as long as an attack on it lasts.
func (l *CostLimits) BeginAttack(now time.Time, account string) {
	x := l.ofOrNew(now, account)
	x.attack = now
	l.keep(account, x)
}

// BeginEverywhere limits an account, an origin (score.IsOrigin) or the Site until a time,
// wherever its calls come from.
func (l *CostLimits) BeginEverywhere(now time.Time, account string, until time.Time) {
	x := l.ofOrNew(now, account)
	if until.After(x.Everywhere) {
		x.Everywhere = until
	}
	l.keep(account, x)
}

// ofOrNew is the limit of an account. The caller says at once what asks for a new one.
func (l *CostLimits) ofOrNew(now time.Time, account string) *CostLimit {
	x := l.by[account]
	if x == nil {
		l.makeRoom()
		x = &CostLimit{Since: now, tried: tries{}}
		l.by[account] = x
	}
	return x
}

func (l *CostLimits) makeRoom() {
	if l.by == nil {
		l.by = map[string]*CostLimit{}
	}
	if len(l.by) < maxCostLimits {
		return
	}
	first := ""
	for account, x := range l.by {
		if first == "" || x.before(l.by[first]) {
			first = account
		}
	}
	l.end(first)
}

// before says whether a limit is over before another one, or of two that end together, is
// the older one.
func (x *CostLimit) before(other *CostLimit) bool {
	if end, others := x.latest(), other.latest(); !end.Equal(others) {
		return end.Before(others)
	}
	return x.Since.Before(other.Since)
}

// latest is when a limit is over at the latest.
func (x *CostLimit) latest() time.Time {
	last := x.Until
	if x.Everywhere.After(last) {
		last = x.Everywhere
	}
	if end := x.attack.Add(longestAttack); !x.attack.IsZero() && end.After(last) {
		last = end
	}
	return last
}

// none says whether nothing asks for a limit any more.
func (x *CostLimit) none(now time.Time) bool {
	return x.attack.IsZero() && !now.Before(x.Until) && !now.Before(x.Everywhere)
}

// keep has what changed about a limit kept.
func (l *CostLimits) keep(account string, x *CostLimit) {
	if h := x.Hold(account); l.Holds != nil && h != x.kept {
		x.kept = h
		l.Holds.HoldChanged(h)
	}
}

// EndsEverywhere says whether the costly calls of an account, or of the Site, are ended
// wherever they come from.
func (l *CostLimits) EndsEverywhere(now time.Time, account string) bool {
	x := l.by[account]
	return x != nil && now.Before(x.Everywhere)
}

// Everywhere yields the accounts whose costly calls are ended wherever they come from, and
// until when; Site is the site.
func (l *CostLimits) Everywhere(now time.Time) iter.Seq2[string, time.Time] {
	return func(yield func(string, time.Time) bool) {
		for account, x := range l.by {
			if now.Before(x.Everywhere) && !yield(account, x.Everywhere) {
				return
			}
		}
	}
}

// AnyEverywhere says whether costly calls of anybody are ended wherever they come from.
func (l *CostLimits) AnyEverywhere(now time.Time) bool {
	for range l.Everywhere(now) {
		return true
	}
	return false
}

// Record says to which incident the calls of an account belong from now on.
func (l *CostLimits) Record(account string, incident int64) {
	if x := l.by[account]; x != nil {
		x.Incident = incident
		l.keep(account, x)
	}
}

// Of is the limit of an account; ok is false if it has none.
func (l *CostLimits) Of(account string) (x CostLimit, ok bool) {
	if is := l.by[account]; is != nil {
		return *is, true
	}
	return CostLimit{}, false
}

// Failed records that somebody failed to log in to an account: the attack goes on. It
// allocates nothing for an account that is not limited.
func (l *CostLimits) Failed(now time.Time, account []byte, source netip.Addr) {
	if len(l.by) == 0 {
		return
	}
	if x := l.by[string(account)]; x != nil && !x.attack.IsZero() && source.IsValid() {
		x.tried.add(now, source, l.rule.Networks)
	}
}

// End ends the limit of an account, whatever asked for it. ok is false if it has none.
func (l *CostLimits) End(account string) (ok bool) {
	if _, ok = l.by[account]; ok {
		l.end(account)
	}
	return ok
}

func (l *CostLimits) end(account string) {
	delete(l.by, account)
	if l.Holds != nil {
		l.Holds.HoldEnded(account, incident.HoldCosts)
	}
}

// EndProbation has an account limited for its addresses on probation until a time, because
// a person vouches for another one; with a zero time there is none left. An attack still
// limits the account. ended says whether the limit is over.
func (l *CostLimits) EndProbation(account string, until time.Time) (ended bool) {
	x := l.by[account]
	if x == nil {
		return false
	}
	x.Until = until
	if until.IsZero() && x.attack.IsZero() && x.Everywhere.IsZero() {
		l.end(account)
		return true
	}
	l.keep(account, x)
	return false
}

// Prune ends the limits that are over.
func (l *CostLimits) Prune(now time.Time) {
	for account, x := range l.by {
		if !x.attack.IsZero() && x.attackOver(now, l.rule) {
			x.attack, x.tried = time.Time{}, tries{}
		}
		if x.none(now) {
			l.end(account)
		} else {
			l.keep(account, x)
		}
	}
}

func (x *CostLimit) attackOver(now time.Time, rule RestrictRule) bool {
	lasts := now.Sub(x.attack)
	return lasts >= longestAttack || lasts >= rule.Quiet && x.tried.since(now, rule.Quiet) < rule.Networks
}

// String says until when calls are ended.
func (x CostLimit) String() string {
	const ended = "costly calls from unknown addresses are ended until "
	until := x.Until.UTC().Format("2006-01-02 15:04 MST")
	switch {
	case !x.Everywhere.IsZero():
		return "costly calls are ended until " + x.Everywhere.UTC().Format("2006-01-02 15:04 MST")
	case x.Until.IsZero():
		return ended + "the attack is over"
	case !x.attack.IsZero():
		return ended + "the attack is over, and at least until " + until
	}
	return ended + until
}

// What the ledger keeps of a limit: underAttack stands for an attack, noEnd for no address
// on probation, and everywhereWord begins the time of Everywhere.
const (
	underAttack    = "attack"
	noEnd          = "-"
	everywhereWord = "everywhere="
)

// Hold is the limit as the ledger keeps it: until when, or that an attack asks for it, the
// incident, whether an attack asks for it as well, and until when it holds everywhere.
func (x CostLimit) Hold(account string) incident.Hold {
	until, also := noEnd, ""
	switch {
	case !x.Until.IsZero():
		until = x.Until.UTC().Format(time.RFC3339)
		if !x.attack.IsZero() {
			also = " " + underAttack
		}
	case !x.attack.IsZero():
		until = underAttack
	}
	value := fmt.Sprintf("%s %d%s", until, x.Incident, also)
	if !x.Everywhere.IsZero() {
		value += " " + everywhereWord + x.Everywhere.UTC().Format(time.RFC3339)
	}
	return incident.Hold{Account: account, Kind: incident.HoldCosts, Since: x.Since, Value: value}
}

// Restore takes over a limit of a former run. ok is false if it is over, or if the
// ledger holds something else.
func (l *CostLimits) Restore(now time.Time, h incident.Hold) (ok bool) {
	value, everywhere, _ := strings.Cut(h.Value, " "+everywhereWord)
	words := append(strings.Fields(value), "", "", "")
	x := &CostLimit{Since: h.Since, tried: tries{}}
	var err error
	if x.Incident, err = strconv.ParseInt(words[1], 10, 64); err != nil {
		return false
	}
	if words[0] == underAttack || words[2] == underAttack {
		x.attack = now
	}
	if everywhere != "" {
		if x.Everywhere, err = time.Parse(time.RFC3339, everywhere); err != nil {
			return false
		}
	}
	if words[0] != underAttack && words[0] != noEnd {
		if x.Until, err = time.Parse(time.RFC3339, words[0]); err != nil {
			return false
		}
	}
	if x.none(now) {
		return false
	}
	l.makeRoom()
	x.kept = x.Hold(h.Account)
	l.by[h.Account] = x
	return true
}
