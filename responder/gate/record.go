package gate

import (
	"time"

	"github.com/tollwarden/tollwarden/responder/calls"
	"github.com/tollwarden/tollwarden/responder/contain"
	"github.com/tollwarden/tollwarden/responder/incident"
	"github.com/tollwarden/tollwarden/responder/numbers"
	"github.com/tollwarden/tollwarden/responder/spending"
)

// Record records the calls that incidents are about: when they begin, and when they end.
type Record struct {
	calls    *calls.Detector
	log      *contain.CallLog
	effects  Effects
	dialling numbers.Dialling
	budget   spending.Budget
	recent   calls.Recent
}

// country reads the country of a dialled number.
func (r *Record) country(dialled string) string { return r.dialling.Read(dialled).Country }

// CallsOf records the calls that a new incident is about.
func (r *Record) CallsOf(now time.Time, i *incident.Incident, since time.Time) {
	up := append(r.calls.Of(i.Account), r.calls.Others(i.Account)...)
	for _, c := range r.log.Begin(i, r.recent.Of(i.Account, since), up, r.country) {
		r.record(now, c)
	}
	r.log.Follow(now, i)
}

// follow records a new call of an account whose calls would have been ended.
func (r *Record) follow(now time.Time, c calls.Channel) {
	if c.Dialled == "" {
		return
	}
	if number := r.log.FollowedBy(now, c.Account); number != 0 {
		r.add(now, []int64{number}, c)
	}
}

// answered records that a call of incidents was answered: it may be up for hours.
func (r *Record) answered(now time.Time, channel string) {
	if !r.log.Waits(channel) {
		return
	}
	c, ok := r.calls.Channel(channel)
	if leg, left := r.calls.Leg(channel); !ok && left {
		c, ok = leg.AsCall()
	}
	if !ok || c.Answered.IsZero() {
		return
	}
	if call, ok := r.log.Answered(c, r.country); ok {
		r.record(now, call)
	}
}

// Placed records the call of a channel with an incident; 0 is none.
func (r *Record) Placed(now time.Time, number int64, channel string) {
	c, up := r.calls.Channel(channel)
	if leg, left := r.calls.Leg(channel); left && leg.Own {
		c, up = r.calls.Channel(leg.Call)
	} else if left {
		c, up = leg.AsCall()
	}
	if number != 0 && up {
		r.add(now, []int64{number}, c)
	}
}

// add records a call that is up with incidents.
func (r *Record) add(now time.Time, incidents []int64, c calls.Channel) {
	if call, ok := r.log.Add(incidents, c, time.Time{}, r.country); ok {
		r.record(now, call)
	}
}

// record records a call of incidents, with an estimate of what it has cost so far.
func (r *Record) record(now time.Time, c contain.IncidentCall) {
	c.Call.Cost = r.costOf(now, &c.Call)
	r.effects.Call(c)
}

// Ended records the end of a call.
func (r *Record) Ended(now time.Time, c calls.Channel) {
	r.recent.Add(c, now)
	if call, ok := r.log.End(c, now, r.country); ok {
		r.record(now, call)
	}
}

// legEnded records the end of a leg, while the Detector still knows it. The call of a leg of
// an account's own channel ends with that channel.
func (r *Record) legEnded(now time.Time, channel string) {
	leg, ok := r.calls.Leg(channel)
	if !ok {
		return
	}
	if c, others := leg.AsCall(); others {
		r.Ended(now, c)
	}
}

// ForgetGone forgets the calls of incidents whose end was missed. It is to be called after
// Detector.ApplySnapshot.
func (r *Record) ForgetGone() {
	r.log.ForgetGone(func(channel string) bool {
		_, up := r.calls.Channel(channel)
		_, leg := r.calls.Leg(channel)
		return up || leg
	})
}

// costOf estimates what a call of an incident cost, or has cost so far.
func (r *Record) costOf(now time.Time, c *incident.Call) (cost incident.Cost) {
	n, _ := r.dialling.ReadCall(c.Dialled)
	leg := costly(&n)
	if leg.Class == spending.None || c.Answered.IsZero() {
		return cost
	}
	end := c.Ended
	if end.IsZero() {
		end = now
	}
	price, known := r.budget.Price(&leg, end.Sub(c.Answered))
	return incident.Cost{Amount: int64(price), Currency: r.budget.Currency, Estimate: !known}
}
