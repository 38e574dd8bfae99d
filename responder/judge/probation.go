package judge

import (
	"net/netip"
	"time"

	"github.com/tollwarden/tollwarden/ami/event"
	"github.com/tollwarden/tollwarden/responder/calls"
	"github.com/tollwarden/tollwarden/responder/incident"
	"github.com/tollwarden/tollwarden/responder/places"
	"github.com/tollwarden/tollwarden/responder/score"
)

// An address on probation is its owner's or a thief's. Only its costly calls are ended, until
// a second sign shows that it is a thief's.

// isSecondSign says whether only a thief gives a sign at an address on probation. TwoNetworks
// does not count: a desk phone and a softphone of one account sign in by turns. Nor do late
// calls that cost nothing, or that go to one number again and again. A traveller whose call is
// ended tries other prefixes, too, but not within seconds.
func (j *Judge) isSecondSign(now time.Time, s calls.Sign) bool {
	switch s.Kind {
	case calls.ForbiddenDestination, calls.ScannerAgent:
		return true
	case calls.DialProbing:
		return j.Calls.Hasty(now, s.Account)
	case calls.OffHours:
		return j.Contain.Numbers.Many(now, s.Account, false)
	}
	return false
}

// placedCall is a call to the outside that an account places, or a number that it
// redirects a call to.
type placedCall struct {
	account, number string
	channel         string     // that carries the call
	by              string     // the account's own channel; "" if it is not known
	leg             *calls.Leg // that the call is, instead of a number; nil if it has none yet
}

// placed looks at a call of an account whose costs are limited, or that has an address on
// probation, and acts on what a pause left undone about the account. It returns whether the
// call shows a break-in. raw is borrowed.
func (j *Judge) placed(now time.Time, c placedCall, raw []byte) (broken bool) {
	j.resumedBy(now, c.account, nil)
	_, limited := j.Contain.Costs.Of(c.account)
	if _, undecided := j.Places.Undecided([]byte(c.account), now); !limited && !undecided {
		return false
	}
	s, ok := calls.Sign{}, false
	if c.leg != nil {
		s, ok = j.Calls.PlacedLeg(now, c.leg)
	} else {
		s, ok = j.Calls.Placed(now, c.account, c.number, c.channel)
	}
	if !ok {
		return false
	}
	if own, up := j.Calls.Channel(c.by); up && own.From.IsValid() && !s.From.Source.IsValid() {
		s.From = calls.Login{Source: own.From}
	}
	if !s.From.Source.IsValid() && !ownChannel(s) {
		s.From, ok = j.unknownPhone(now, c.account)
		if !ok {
			return false
		}
	}
	if !s.From.Source.IsValid() && j.effects.AskSource(s, raw) {
		return false
	}
	return j.judgePlaced(now, s, raw)
}

// unknownPhone is an address where the account is not known but has a phone signed in, which
// may have redirected a call.
func (j *Judge) unknownPhone(now time.Time, account string) (from calls.Login, ok bool) {
	for _, l := range j.Calls.Phones(now, account) {
		if !j.lives(now, account, l.Source) {
			return l, true
		}
	}
	return calls.Login{}, false
}

// lives says whether an account is rightly used at an address.
func (j *Judge) lives(now time.Time, account string, at netip.Addr) bool {
	source := event.SourcePrefix(at)
	return source.IsValid() && (j.Places.Lives([]byte(account), source, now) || j.Places.Allowed(source))
}

// judgePlaced ends a costly call that comes from where its account is not known, or from
// where nobody can say. It returns whether the call shows a break-in.
func (j *Judge) judgePlaced(now time.Time, s calls.Sign, raw []byte) (broken bool) {
	if !s.From.Source.IsValid() {
		s.From = s.Hint
	}
	if j.contains(now, s.Account) {
		return false
	}
	if j.lives(now, s.Account, s.From.Source) {
		return j.besideProbation(now, s, raw)
	}
	limit, limited := j.Contain.Costs.Of(s.Account)
	ends := limited && s.Cost != "" && !idle{j}.Active(now)
	ended := j.Contain.Breaker.Waits(s.Account) || ownChannel(s) && j.Gate.EndsCallsOf(s.Account) // whatever it costs here
	if ends && !ended {
		j.Gate.End(s.Channel)
	}
	if limited && (s.Cost != "" || j.watched(now, s)) {
		j.Gate.Placed(now, limit.Incident, s.Channel)
	}
	if s.Cost == "" {
		return false
	}
	j.Contain.Numbers.Add(now, s.Account, s.Detail, s.NewCountry)
	probation, _ := j.Places.ProbationAt(s.Account, s.From.Source, now)
	switch other, up := j.Calls.CostlyElsewhere(s.Account, s.From.Source, probation.First); {
	case s.Forbidden:
		return j.secondSign(now, s.Account, s.From, "a call to "+s.Detail+", "+s.Cost, raw)
	case s.NewCountry && j.Contain.Numbers.Many(now, s.Account, true):
		return j.secondSign(now, s.Account, s.From, "calls to different numbers in countries that the extension had never called, the last to "+s.Detail+", "+s.Cost, raw)
	case up && ownChannel(s) && !j.suspicions.forged(s.Account, s.From.Source):
		return j.secondSign(now, s.Account, s.From, "a call to "+s.Detail+" while one from "+other.From.String()+" is up", raw)
	}
	j.notifyHeld(now, s)
	return false
}

// besideProbation handles a call from where its account is known. If it is costly, and so is
// another one that is up from an address on probation, two people are using the account. That
// does not count if the address is on probation only for packets that may be forged: its owner
// may use two phones.
func (j *Judge) besideProbation(now time.Time, s calls.Sign, raw []byte) (broken bool) {
	other, up := j.Calls.CostlyElsewhere(s.Account, s.From.Source, time.Time{})
	if !up || s.Cost == "" || !ownChannel(s) || j.suspicions.forged(s.Account, other.From) {
		return false
	}
	if _, ok := j.Places.ProbationAt(s.Account, other.From, now); !ok {
		return false
	}
	return j.secondSign(now, s.Account, calls.Login{Source: other.From}, "a call from "+s.From.Source.String()+" while one to "+score.Printable(other.Dialled)+" is up", raw)
}

// watched says whether every call from an address is recorded.
func (j *Judge) watched(now time.Time, s calls.Sign) bool {
	p, ok := j.Places.ProbationAt(s.Account, s.From.Source, now)
	return ok && now.Sub(p.Since) < places.WatchedFor
}

// secondSign takes that an account was used from an address in a way that shows it to
// be a thief's, if one of the account's addresses is on probation and this one is not
// known. what is safe to show. It returns whether that is a break-in now.
func (j *Judge) secondSign(now time.Time, account string, from calls.Login, what string, raw []byte) bool {
	_, undecided := j.Places.Undecided([]byte(account), now)
	if !undecided || !from.Source.IsValid() || j.lives(now, account, from.Source) || j.contains(now, account) {
		return false
	}
	o := score.Observation{
		At: now, Signal: score.SuccessfulAuth, Source: from.Source, Port: from.Port, Transport: from.Transport,
		Account: []byte(account), Session: []byte(what), Raw: raw,
	}
	if from.Proven {
		o.Proof = score.Proven
	}
	before := j.suspicions.before(account, from.Source)
	broken, ok := j.breakIn.SecondSign(&o)
	if !ok {
		return false
	}
	for _, v := range j.table.Observe(&broken) {
		v.Reason = before + ", and then: " + what
		j.count(&v)
		j.answer(&v, nil)
	}
	return true
}

// openNewPlace opens an incident about a new address, unless the account had one this week:
// an owner's address may change all the time. Without a message of its own, the address is
// named by the next one, or as soon as it is used for a costly call: a thief may have waited
// for the owner's new address.
func (j *Judge) openNewPlace(v *score.Verdict, sign *calls.Sign, steps []incident.Step) {
	paused := j.pause.Active(v.At)
	switch {
	case !j.dedup.FirstNewPlace(v, idle{j}.Active(v.At)):
		j.counters.Suppressed++
		j.newPlaces.hold(v, true)
	case paused || j.dedup.FirstNewPlaceOfDay(v):
		v.Reason += j.newPlaces.names()
		j.open(v, sign, steps)
	default:
		j.newPlaces.hold(v, false)
		j.open(v, sign, withoutMessage(steps))
	}
}

// keepProbation keeps an account's addresses on probation.
func keepProbation(effects Effects, s *suspicions) func(account string, list []places.Probation) {
	return func(account string, list []places.Probation) {
		s.keep(account, list)
		if len(list) == 0 {
			effects.HoldEnded(account, incident.HoldProbation)
			return
		}
		effects.HoldChanged(places.ProbationHold(account, list))
	}
}
