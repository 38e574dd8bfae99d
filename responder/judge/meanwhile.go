package judge

import (
	"net/netip"
	"time"

	"github.com/tollwarden/tollwarden/ami/event"
	"github.com/tollwarden/tollwarden/responder/places"
	"github.com/tollwarden/tollwarden/responder/score"
)

// A registration that Asterisk holds at the start, or after a gap, shows that somebody has
// the password of its account, but not who. Whoever guessed at the address meanwhile may
// have guessed it.

// Guess is what one address guessed of one account while no events came in.
type Guess struct {
	Source      netip.Addr
	Account     string
	Failures    int
	First, Last time.Time
}

// Meanwhile takes what was guessed while no events came in, which is to be known before
// SetContacts. Nothing of it is scored: that is for the events themselves.
func (j *Judge) Meanwhile(list []Guess) {
	j.doubts.guesses = map[netip.Prefix][]Guess{}
	for _, g := range list {
		at := event.SourcePrefix(g.Source)
		j.doubts.guesses[at] = append(j.doubts.guesses[at], g)
	}
}

// doubts are the registrations that may be a guesser's.
type doubts struct {
	places  *places.Places
	against *evidence

	guesses  map[netip.Prefix][]Guess // while no events came in, until the registrations are judged
	contacts []places.Contact         // that are to be judged
}

const (
	// burst is the time between two wrong passwords from which on they are a phone's with
	// an old one: a phone waits longer, and a guesser does not.
	burst = 15 * time.Second
	// fewGuesses are what a phone or a person may do at once.
	fewGuesses = 3
)

// isBurst says whether failures follow one another faster than a phone with an old password
// makes them.
func (g *Guess) isBurst() bool {
	return g.Failures > fewGuesses && g.Last.Sub(g.First) < time.Duration(g.Failures-1)*burst
}

// guessesAt are the failures at an address, by account: of the time without events, and
// those that count since. An account that is rightly used there is left out.
func (d *doubts) guessesAt(now time.Time, at netip.Prefix) map[string]Guess {
	list := map[string]Guess{}
	add := func(g Guess) {
		if d.places.Lives([]byte(g.Account), at, now) {
			return
		}
		was, known := list[g.Account]
		if known {
			g.Failures += was.Failures
			if was.First.Before(g.First) {
				g.First = was.First
			}
			if was.Last.After(g.Last) {
				g.Last = was.Last
			}
		}
		list[g.Account] = g
	}
	for _, g := range d.guesses[at] {
		if now.Sub(g.Last) < d.against.breakIn.Within() {
			add(g)
		}
	}
	for _, r := range d.against.table.Evidence(score.Key{Per: score.PerSource, Prefix: at}) {
		if r.Signal.Failure() && now.Sub(r.At) < d.against.breakIn.Within() {
			add(Guess{Account: r.Account, Failures: 1, First: r.At, Last: r.At})
		}
	}
	return list
}

// doubt finds the registrations that may be a guesser's: their account failed at their
// address as often as makes a break-in, or others failed there that are not registered
// there. What a phone with an old password does where others are registered raises no
// doubt: it fails slowly, before somebody corrects it, or for as many accounts at most as
// are registered.
func (d *doubts) doubt(now time.Time, contacts []places.Contact) contactEvidence {
	registered := map[netip.Prefix]map[string]bool{}
	for _, c := range contacts {
		at := event.SourcePrefix(c.Source)
		if registered[at] == nil {
			registered[at] = map[string]bool{}
		}
		registered[at][c.Account] = true
	}
	guesses := map[netip.Prefix]map[string]Guess{}
	for at := range registered {
		if found := d.guessesAt(now, at); len(found) > 0 {
			guesses[at] = found
		}
	}
	against := contactEvidence{d.against, map[place]bool{}, map[string]bool{}}
	for _, c := range contacts {
		at := event.SourcePrefix(c.Source)
		if len(guesses[at]) == 0 || d.places.Known(c.Account, c.Source, now) {
			continue
		}
		own := guesses[at][c.Account]
		guessed := own.Failures >= d.against.breakIn.Enough() && (own.isBurst() || !othersWell(guesses[at], registered[at]))
		if guessed || guessedBeside(guesses[at], registered[at]) {
			against.doubtful[place{c.Account, at}], against.accounts[c.Account] = true, true
		}
	}
	return against
}

// othersWell says whether accounts are registered that have not failed.
func othersWell(guesses map[string]Guess, registered map[string]bool) bool {
	for account := range registered {
		if _, failed := guesses[account]; !failed {
			return true
		}
	}
	return false
}

// guessedBeside says whether accounts were guessed at where others are registered.
func guessedBeside(guesses map[string]Guess, registered map[string]bool) bool {
	others, fast := 0, false
	for account, g := range guesses {
		if !registered[account] {
			others++
			fast = fast || g.isBurst()
		}
	}
	return others > len(registered) || fast && len(registered) == 1
}

// place is an account at an address.
type place struct {
	account string
	at      netip.Prefix
}

// contactEvidence is the evidence against registrations, with the doubtful ones and their
// accounts.
type contactEvidence struct {
	*evidence
	doubtful map[place]bool
	accounts map[string]bool
}

// Guessed says whether others failed for an account, or may have guessed its password.
func (e contactEvidence) Guessed(account string) bool {
	return e.accounts[account] || e.evidence.Guessed(account)
}

// Failed says the same of an address, and of a doubtful registration there.
func (e contactEvidence) Failed(account string, source netip.Addr, least score.Proof) bool {
	return least == score.Spoofable && e.isDoubtful(account, source) || e.evidence.Failed(account, source, least)
}

func (e contactEvidence) isDoubtful(account string, source netip.Addr) bool {
	return e.doubtful[place{account, event.SourcePrefix(source)}]
}

// JudgeContacts judges the doubtful registrations as successes at their addresses: they are
// break-ins, or put their address on probation, as if their events had been heard. It is to
// be called after SetContacts, once what happened meanwhile has been observed; again if more
// of it has been.
func (j *Judge) JudgeContacts(now time.Time) {
	for _, c := range j.doubts.contacts {
		if j.contains(now, c.Account) {
			continue
		}
		o := score.Observation{
			At: now, Signal: score.SuccessfulAuth, Source: c.Source, Port: c.Port, Account: []byte(c.Account),
			Session: []byte("registered after wrong passwords from this address"),
		}
		if j.against.Failed(c.Account, c.Source, score.Proven) {
			o.Proof = score.Proven
		}
		if broken, ok := j.breakIn.Revealed(&o, j.Stolen(now, c.Account)); ok {
			j.observe(&broken, nil)
		}
	}
	j.doubts.guesses = nil
}
