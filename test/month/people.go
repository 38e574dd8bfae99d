package month

import (
	"fmt"
	"strings"
	"time"

	"github.com/tollwarden/tollwarden/ami/event"
)

// habits are how the people of a site use their phones. Numbers are of one month at the
// whole site, unless they say otherwise, and assumptions.
type habits struct {
	calls     float64 // of one person on a working day
	weekends  bool    // people work at weekends, too
	trips     int     // to another place, of some days
	setups    int     // of a softphone, whose password is typed
	changes   int     // of a password, which the second device learns late
	late      float64 // share of the people who call after hours on a day
	commuters bool    // softphones change networks on the way
	forgotten int     // old phones in drawers, with an old password
}

// abroad are countries that people call, the more often the further to the front.
var abroad = []string{"00442079460000", "00498912345678", "0012125550123", "0035312345678", "0034912345678", "0041442345678", "00390612345678", "0031201234567", "0061291234567", "00911123456789"}

// live gives the people of a site their month.
func (b *pbx) live(h habits, people []*account) {
	for day := range Days {
		morning := b.now.Add(time.Duration(day) * 24 * time.Hour)
		for _, a := range people {
			b.callsOfDay(h, a, morning)
		}
	}
	pick := func() *account { return people[b.rand.IntN(len(people))] }
	some := func(n int, do func()) {
		for range n {
			b.after(between(b.rand, 6*time.Hour, (Days-1)*24*time.Hour), do)
		}
	}
	some(h.trips, func() { b.travel(pick()) })
	some(h.setups, func() { b.setUp(pick()) })
	some(h.changes, func() { b.changePassword(pick()) })
	for range h.forgotten {
		a := pick()
		old := b.add(a, a.phones[0].at, event.UDP, models[b.rand.IntN(len(models))])
		old.password, old.why = wrongPassword, "an old phone in a drawer"
		old.off, old.forgotten = true, true
		b.after(between(b.rand, time.Hour, 25*24*time.Hour), func() {
			old.off = false
			b.register(old)
			b.after(exponential(b.rand, 4*24*time.Hour), func() { old.off = true }) // somebody finds it
		})
	}
	if h.commuters {
		for _, a := range people {
			for _, p := range a.phones {
				if p.model.agent == app.agent {
					b.commute(p)
				}
			}
		}
	}
}

// workday says whether people work on a day; the last Thursday is a holiday.
func (h habits) workday(t time.Time) bool {
	if t.Month() == time.November && t.Day() == 26 {
		return false
	}
	return h.weekends || t.Weekday() != time.Saturday && t.Weekday() != time.Sunday
}

// callsOfDay draws one person's calls of a day.
func (b *pbx) callsOfDay(h habits, a *account, morning time.Time) {
	mean := h.calls
	switch {
	case !h.workday(morning):
		mean = 0.1
	case morning.Day() == 27: // after the holiday
		mean *= 3
	}
	for range poisson(b, mean) {
		b.at(morning.Add(workingTime(b.rand)), func() { b.someCall(a) })
	}
	if b.rand.Float64() < h.late {
		for range 1 + b.rand.IntN(5) {
			b.at(morning.Add(between(b.rand, 20*time.Hour, 24*time.Hour)), func() { b.someCall(a) })
		}
	}
}

func poisson(b *pbx, mean float64) (n int) {
	for x := b.rand.ExpFloat64(); x < mean; x += b.rand.ExpFloat64() {
		n++
	}
	return n
}

// someCall is one call, or what makes several of it.
func (b *pbx) someCall(a *account) {
	if b.now.Before(a.redials) { // a person dials one number at a time
		b.at(a.redials.Add(between(b.rand, 5*time.Second, time.Minute)), func() { b.someCall(a) })
		return
	}
	p := a.phones[0]
	if away := a.phones[len(a.phones)-1]; away.model.agent == app.agent && away.healthy() && b.rand.IntN(2) == 0 {
		p = away // the softphone
	}
	national := b.national()
	switch x := b.rand.IntN(1000); {
	case x < 450: // a colleague
		b.dial(p, b.accounts[b.rand.IntN(len(b.accounts))].name, talk(b.rand))
	case x < 920:
		b.dial(p, national, talk(b.rand))
	case x < 970:
		b.dial(p, b.foreign(), talk(b.rand))
	case x < 980: // engaged: again and again, at best every 6 s
		at := time.Duration(0)
		for range 2 + b.rand.IntN(10) {
			b.after(at, func() { b.dial(p, national, 3*time.Second) })
			at += between(b.rand, 6*time.Second, 15*time.Second)
		}
		a.redials = b.now.Add(at)
	case x < 985: // the wrong prefix, then the right one
		b.dial(p, "9"+abroad[0], 3*time.Second)
		b.after(12*time.Second, func() { b.dial(p, abroad[0], talk(b.rand)) })
	case x < 996: // another call beside the first: a question, a transfer
		b.dial(p, national, talk(b.rand))
		b.after(between(b.rand, 5*time.Second, 40*time.Second), func() { b.dial(p, national[:9]+"7", talk(b.rand)) })
	default: // a conference
		for i := range 4 {
			b.after(time.Duration(i)*20*time.Second, func() { b.dial(p, b.national(), talk(b.rand)) })
		}
	}
}

// national is a number in the site's country.
func (b *pbx) national() string { return fmt.Sprintf("0142%06d", b.rand.IntN(1000000)) }

// abroadFrom says whether a number is one abroad, with or without the outside line.
func abroadFrom(number string) bool { return strings.HasPrefix(strings.TrimPrefix(number, "9"), "00") }

func (b *pbx) foreign() string { return abroad[min(int(b.rand.ExpFloat64()*1.5), len(abroad)-1)] }

// softphone is an account's app, a new one if it has none.
func (b *pbx) softphone(a *account) (p *phone, fresh bool) {
	for _, p := range a.phones {
		if p.model.agent == app.agent {
			return p, false
		}
	}
	return b.add(a, a.phones[0].at, []event.Transport{event.UDP, event.TCP, event.TLS, event.WSS}[b.rand.IntN(4)], app), true
}

// setUp is a softphone that is set up where its owner is, in the office, at home or
// away.
func (b *pbx) setUp(a *account) {
	p, _ := b.softphone(a)
	if b.rand.IntN(2) == 0 {
		p.at = lineOf(cable, b.rand)
	}
	p.port = p.at.place()
	b.enter(p, "a mistyped password")
}

// changePassword is a change by the owner: the phone on the desk learns it at once,
// the softphone about a day later.
func (b *pbx) changePassword(a *account) {
	a.password++
	b.judge.PasswordChanged(b.now, a.name) // by `tollwarden rotate` or `unlock`
	for i, p := range a.phones {
		if p.forgotten {
			continue
		}
		p.why = "a password that its owner has changed"
		soon := between(b.rand, 10*time.Second, 10*time.Minute)
		if i > 0 {
			soon = exponential(b.rand, 24*time.Hour)
		}
		b.after(soon, func() { b.enter(p, "a password that its owner has changed") })
	}
}

// travel takes a softphone to a hotel for some days. It changes between the hotel's
// network and a mobile one. A third of the travellers type their password there.
func (b *pbx) travel(a *account) {
	p, fresh := b.softphone(a)
	home := p.at
	hotel, phone := lineOf(hotels, b.rand), lineOf(roaming, b.rand)
	back := b.now.Add(between(b.rand, 24*time.Hour, 5*24*time.Hour))
	b.move(p, hotel)
	if fresh || b.rand.IntN(3) == 0 {
		b.enter(p, "a mistyped password on a journey")
	}
	var wander func()
	wander = func() {
		if !b.now.Before(back) {
			b.move(p, home)
			return
		}
		if p.at == hotel {
			phone.addr = phone.next(b.rand)
			b.move(p, phone)
		} else {
			b.move(p, hotel)
		}
		for range b.rand.IntN(3) {
			b.after(between(b.rand, time.Minute, 30*time.Minute), func() { b.dial(p, b.foreign(), talk(b.rand)) })
		}
		b.after(between(b.rand, 20*time.Minute, 6*time.Hour), wander)
	}
	b.after(between(b.rand, 20*time.Minute, 6*time.Hour), wander)
}

// commute takes a softphone home every day and back, through the addresses of a mobile
// network: a train changes it every few minutes.
func (b *pbx) commute(p *phone) {
	desk, home, phone := p.at, lineOf(cable, b.rand), lineOf(mobile, b.rand)
	leg := func(at time.Time, to *uplink) {
		stops := 1 + b.rand.IntN(5)
		for i := range stops {
			b.at(at.Add(time.Duration(i)*between(b.rand, 2*time.Minute, 9*time.Minute)), func() {
				if p.at == desk || p.at == home || p.at == phone { // not on a journey
					phone.addr = phone.next(b.rand)
					b.move(p, phone)
				}
			})
		}
		b.at(at.Add(50*time.Minute), func() {
			if p.at == phone {
				b.move(p, to)
			}
		})
	}
	for day := range Days {
		morning := b.now.Add(time.Duration(day) * 24 * time.Hour)
		if (habits{}).workday(morning) {
			leg(morning.Add(between(b.rand, 7*time.Hour, 9*time.Hour)), desk)
			leg(morning.Add(between(b.rand, 16*time.Hour, 18*time.Hour)), home)
		}
	}
}
