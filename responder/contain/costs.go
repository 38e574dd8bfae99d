package contain

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/tollwarden/tollwarden/responder/incident"
)

// CostLimits are the accounts whose costly calls are ended: if they come from where the
// account is not known, or, when a budget is used up, wherever they come from. The zero
// value is ready to use.
type CostLimits struct {
	rule RestrictRule
	by   map[string]*CostLimit
}

// CostLimit is one account's limit. It ends at Until, or with the attack if Until is
// zero, and not before Spent.
type CostLimit struct {
	Since, Until time.Time
	Spent        time.Time // until then its budget is used up; zero: it is not
	Incident     int64     // to which the ended calls belong; 0: not recorded yet
	Source       string    // the address on probation that brought it about; "" for an attack
	from         time.Time
	tried        tries
}

// maxCostLimits bounds the accounts limited at once. Beyond it, the limit that has
// lasted longest makes room.
const maxCostLimits = 1 << 14

// Configure says when an attack is over.
func (l *CostLimits) Configure(rule RestrictRule) { l.rule = rule }

// Begin limits an account until a time, or for as long as an attack on it lasts if that
// is zero. A limit in force lasts for the longer of both.
func (l *CostLimits) Begin(now time.Time, account string, until time.Time, source string) {
	x := l.by[account]
	if x == nil {
		l.makeRoom()
		x = &CostLimit{Since: now, Until: until, Source: source, from: now, tried: tries{}}
		l.by[account] = x
		return
	}
	if until.After(x.Until) {
		x.Until, x.Source = until, source
	}
	x.from = now
}

func (l *CostLimits) makeRoom() {
	if l.by == nil {
		l.by = map[string]*CostLimit{}
	}
	if len(l.by) < maxCostLimits {
		return
	}
	oldest := ""
	for account, x := range l.by {
		if oldest == "" || x.Since.Before(l.by[oldest].Since) {
			oldest = account
		}
	}
	delete(l.by, oldest)
}

// Site is the name under which the budget of the whole site is limited: it is no
// account's.
const Site = ""

// Spend limits an account, or the Site, until a time, wherever its calls come from.
func (l *CostLimits) Spend(now time.Time, account string, until time.Time) {
	x := l.by[account]
	if x == nil {
		l.Begin(now, account, until, "")
		x = l.by[account]
	}
	if until.After(x.Spent) {
		x.Spent = until
	}
}

// Spent says whether the budget of an account, or of the Site, is used up.
func (l *CostLimits) Spent(now time.Time, account string) bool {
	x := l.by[account]
	return x != nil && now.Before(x.Spent)
}

// AnySpent says whether anybody's budget is used up.
func (l *CostLimits) AnySpent() bool {
	for _, x := range l.by {
		if !x.Spent.IsZero() {
			return true
		}
	}
	return false
}

// AllSpent are the accounts whose budgets are used up, and until when; Site is the site.
func (l *CostLimits) AllSpent(now time.Time) map[string]time.Time {
	all := map[string]time.Time{}
	for account, x := range l.by {
		if now.Before(x.Spent) {
			all[account] = x.Spent
		}
	}
	return all
}

// Record says to which incident the calls of an account belong from now on.
func (l *CostLimits) Record(account string, incident int64) {
	if x := l.by[account]; x != nil {
		x.Incident = incident
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
	if x := l.by[string(account)]; x != nil && x.Until.IsZero() && source.IsValid() {
		x.tried.add(now, source, l.rule.Networks)
	}
}

// End ends the limit of an account. ok is false if it has none.
func (l *CostLimits) End(account string) (ok bool) {
	_, ok = l.by[account]
	delete(l.by, account)
	return ok
}

// Due ends the limits that are over, and names their accounts.
func (l *CostLimits) Due(now time.Time) (list []string) {
	for account, x := range l.by {
		if x.over(now, l.rule) {
			list = append(list, account)
			delete(l.by, account)
		}
	}
	return list
}

func (x *CostLimit) over(now time.Time, rule RestrictRule) bool {
	if now.Before(x.Spent) {
		return false
	}
	if !x.Until.IsZero() {
		return !now.Before(x.Until)
	}
	return now.Sub(x.from) >= longestAttack || now.Sub(x.from) >= rule.Quiet && x.tried.since(now, rule.Quiet) < rule.Networks
}

// String says until when calls are ended.
func (x CostLimit) String() string {
	if !x.Spent.IsZero() {
		return "costly calls are ended until " + x.Spent.UTC().Format("2006-01-02 15:04 MST")
	}
	if x.Until.IsZero() {
		return "costly calls from unknown addresses are ended until the attack is over"
	}
	return "costly calls from unknown addresses are ended until " + x.Until.UTC().Format("2006-01-02 15:04 MST")
}

// Hold is the limit as the ledger keeps it.
func (x CostLimit) Hold(account string) incident.Hold {
	until := "attack"
	if !x.Until.IsZero() {
		until = x.Until.UTC().Format(time.RFC3339)
	}
	value := strings.TrimSpace(fmt.Sprintf("%s %d %s", until, x.Incident, x.Source))
	if !x.Spent.IsZero() {
		value += " " + spentWord + x.Spent.UTC().Format(time.RFC3339)
	}
	return incident.Hold{Account: account, Kind: incident.HoldCosts, Since: x.Since, Value: value}
}

// spentWord begins the time until which a budget is used up, in the ledger.
const spentWord = "spent="

// Restore takes over a limit of a former run. ok is false if it is over, or if the
// ledger holds something else.
func (l *CostLimits) Restore(now time.Time, h incident.Hold) (ok bool) {
	value, spent, _ := strings.Cut(h.Value, " "+spentWord)
	words := append(strings.Fields(value), "", "", "")
	x := &CostLimit{Since: h.Since, Source: words[2], from: now, tried: tries{}}
	var err error
	if x.Incident, err = strconv.ParseInt(words[1], 10, 64); err != nil {
		return false
	}
	if spent != "" {
		if x.Spent, err = time.Parse(time.RFC3339, spent); err != nil {
			return false
		}
	}
	if words[0] != "attack" {
		if x.Until, err = time.Parse(time.RFC3339, words[0]); err != nil || !now.Before(x.Until) && !now.Before(x.Spent) {
			return false
		}
	}
	l.makeRoom()
	l.by[h.Account] = x
	return true
}
