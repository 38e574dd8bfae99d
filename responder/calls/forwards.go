package calls

import (
	"fmt"
	"strings"
	"time"

	"github.com/tollwarden/tollwarden/responder/numbers"
	"github.com/tollwarden/tollwarden/responder/score"
)

// Forward is where an extension sends its callers on: an entry of Asterisk's database.
type Forward struct {
	Account string
	Which   string // calls: "all calls", "calls while busy"
	Number  string
}

const (
	// maxForwards bounds the forwards remembered.
	maxForwards = 1 << 14
	// maxForwardName bounds an extension and a number, in bytes: anything longer is none.
	maxForwardName = 64
	// forwardKnown is how long a forward that was removed can be set again without a sign:
	// somebody forwards to a mobile phone each evening.
	forwardKnown = 30 * 24 * time.Hour
)

// storedForwards are the costly forwards that Asterisk's database held.
type storedForwards struct {
	at     time.Time          // of the last look in this run; zero before the first
	before usage              // of looks; its last is that of an earlier run until then
	stand  map[Forward]bool   // those set at the last look
	known  map[Forward]*usage // also those that were removed
}

// dialledFeature is the last feature code that an account's phone dialled.
type dialledFeature struct {
	code string
	from Login
	at   time.Time
}

func (a *accountState) noteFeature(now time.Time, c Channel) {
	if strings.HasPrefix(c.Dialled, "*") {
		a.feature = dialledFeature{c.Dialled, a.where(now), now}
	}
}

// restore loads a forward of earlier runs, or, without an account, when they looked.
func (f *storedForwards) restore(h Habit) {
	u := usage{h.First, h.Last, h.Last}
	if h.Account == "" {
		f.before = u
		return
	}
	if which, number, ok := strings.Cut(h.Value, " to "); ok && len(f.known) < maxForwards {
		f.remember(Forward{h.Account, which, number}, &u)
	}
}

func (f *storedForwards) remember(x Forward, u *usage) {
	if f.known == nil {
		f.known = map[Forward]*usage{}
	}
	f.known[x] = u
}

// begin takes over the forwards that were set at the last look of an earlier run.
func (f *storedForwards) begin() {
	f.stand = map[Forward]bool{}
	for x, u := range f.known {
		if !u.last.Before(f.before.last.Add(-reportEvery - hour)) { // both are kept once a day
			f.stand[x] = true
		}
	}
}

// Forwards takes the forwards in Asterisk's database now, and returns a sign for each that has
// been set to a costly number since the last look: a number that pays thieves, or one in a
// country that the account does not usually call. Those set before the very first look are no
// sign; stood has them in words.
func (d *Detector) Forwards(now time.Time, list []Forward) (found []Sign, stood []string) {
	f := &d.stored
	first := f.at.IsZero()
	if first {
		f.begin()
	}
	stand := map[Forward]bool{}
	for _, x := range list[:min(len(list), maxForwards)] {
		n, why, risky := d.forwardCosts(now, &x)
		if why == "" {
			continue
		}
		stand[x] = true
		u := f.known[x]
		switch {
		case f.stand[x]:
		case first && f.before.first.IsZero():
			stood = append(stood, x.words(&n, why))
		case !risky && (!d.learningDone(now) || u != nil && now.Sub(u.last) < forwardKnown):
		default:
			found = append(found, Sign{Kind: CostlyForward, Account: x.Account, Detail: x.words(&n, why) + d.setBy(now, &x)})
		}
		d.keepForward(now, x, u)
	}
	f.at, f.stand = now, stand
	if f.before.record(now) {
		d.report(Habit{Kind: HabitForward, First: f.before.first, Last: f.before.last})
	}
	return found, stood
}

// CostlyForwards lists in words the forwards of a list that lead to costly numbers.
func (d *Detector) CostlyForwards(now time.Time, list []Forward) (words []string) {
	for _, x := range list {
		if n, why, _ := d.forwardCosts(now, &x); why != "" {
			words = append(words, x.words(&n, why))
		}
	}
	return words
}

// forwardCosts says why a forward costs; "" if it does not, or if it leads to a country that the
// account usually calls. risky says that its number pays thieves.
func (d *Detector) forwardCosts(now time.Time, x *Forward) (n numbers.Number, why string, risky bool) {
	if len(x.Account) > maxForwardName || len(x.Number) > maxForwardName {
		return n, "", false
	}
	l := d.rules.limitsOf(x.Account)
	if n = d.read(l, x.Number); !n.External {
		return n, "", false
	}
	if why = d.cost(l, &n); why == noNumber {
		return n, "", false
	}
	a := d.accounts[x.Account]
	if risky = d.risky(now, a, &n, why); !risky && (n.Foreign && !d.abroad(&n) || a != nil && a.usuallyCalls(now, n.Country)) {
		return n, "", false
	}
	return n, why, risky
}

// keepForward remembers a forward. u is what is known of it, or nil.
func (d *Detector) keepForward(now time.Time, x Forward, u *usage) {
	f := &d.stored
	if u == nil {
		if len(f.known) >= maxForwards {
			for known, is := range f.known {
				if now.Sub(is.last) >= forwardKnown {
					delete(f.known, known)
				}
			}
			if len(f.known) >= maxForwards {
				return
			}
		}
		u = &usage{}
		f.remember(x, u)
	}
	if u.record(now) {
		d.report(Habit{x.Account, HabitForward, x.Which + " to " + x.Number, u.first, u.last})
	}
}

func (x *Forward) words(n *numbers.Number, why string) string {
	return fmt.Sprintf("%s of %s are forwarded to %s, %s", x.Which, score.Printable(x.Account), n.Digits, why)
}

// setBy says when a forward was set, and by whom.
func (d *Detector) setBy(now time.Time, x *Forward) string {
	since := d.stored.at
	if since.IsZero() {
		return "; set while Tollwarden was not running"
	}
	when := "; set within the last " + now.Sub(since).Round(time.Second).String()
	if a := d.accounts[x.Account]; a != nil && !a.feature.at.Before(since.Add(-minute)) {
		return fmt.Sprintf("%s, after its phone dialled %s%s", when, score.Printable(a.feature.code), a.feature.from.words())
	}
	return when + ", and not by a code that its phone dialled: by a web page (UCP, FreePBX), the manager interface or the command line"
}
