package month

import (
	"fmt"
	"time"

	"github.com/tollwarden/tollwarden/ami/event"
	"github.com/tollwarden/tollwarden/responder/judge"
)

// Site is a kind of site.
type Site struct {
	Name     string
	Settings string // what its configuration says beside the login
	Days     int
	people   func(b *pbx)
	attacks  bool // of the suite come, too
}

// settings of a site: what a person sets who reads the README.
const settings = "[calls]\ncountry = \"FR\"\ntimezone = \"UTC\"\n"

// Sites are the three sites.
func Sites() []Site {
	return []Site{
		{Name: "office of 40", Settings: settings + "hours = [\"Mon-Fri 07:30-19:00\"]\n", Days: Days, people: office},
		{Name: "call centre of 80", Settings: settings + dialers, Days: Days, people: callCentre},
		{Name: "60 at home", Settings: settings, Days: Days, people: atHome},
	}
}

// WithoutGroups is ten days of the call centre when nobody has told Tollwarden about its
// dialers.
func WithoutGroups() Site {
	return Site{Name: "call centre without groups", Settings: settings, Days: 10, people: callCentre}
}

// UnderAttack is the office with the attacks of the suite, one after another.
func UnderAttack() Site {
	s := Sites()[0]
	s.Name, s.attacks, s.Days = "office under attack", true, 29
	return s
}

// dialers are the call centre's groups. Limits that are 0 are off.
const dialers = `
[[calls.group]]
name     = "dialers"
accounts = ["209*"]
rate = 0
concurrent = 0
gap = "off"
variants = 0

[[calls.group]]
name     = "agents"
accounts = ["20*"]
rate = 20
`

// Play plays a month at a site. The policy is that of the site's settings.
func Play(s Site, policy judge.Policy, seed uint64) (*Report, error) {
	r := newReport(s.Name, seed)
	// A Monday, so that 17 days of the month are after calls.learn.
	b, err := newPBX(policy, seed, r, time.Date(2026, time.November, 2, 0, 0, 0, 0, time.UTC))
	if err != nil {
		return nil, err
	}
	start := b.now
	s.people(b)
	for _, a := range b.accounts {
		for _, p := range a.phones { // registered already when the daemon comes
			p.contact, p.until = p.from(), b.now.Add(p.lasts)
			if p.healthy() {
				b.after(between(b.rand, time.Second, p.lasts), func() { b.register(p) })
			}
		}
	}
	b.start()
	b.noise()
	b.at(start.Add(between(b.rand, 5*24*time.Hour, 10*24*time.Hour).Truncate(24*time.Hour)+3*time.Hour), b.reboot)                  // an update at night
	b.at(start.Add(between(b.rand, 18*24*time.Hour, 28*24*time.Hour).Truncate(24*time.Hour)+11*time.Hour+20*time.Minute), b.reboot) // a crash
	b.at(start.Add(between(b.rand, 12*24*time.Hour, 20*24*time.Hour)), b.restart)
	if s.attacks {
		b.attack()
	}
	b.run(start.Add(time.Duration(s.Days) * 24 * time.Hour))
	r.Accounts = len(b.accounts)
	for _, a := range b.accounts {
		r.Phones += len(a.phones)
	}
	return r, nil
}

// office is 40 people behind one address, 16 of them with a softphone as well.
func office(b *pbx) {
	site := lineOf(cable, b.rand)
	for i := range 40 {
		a := b.extension(fmt.Sprint(1001 + i))
		a.chanSIP = i%10 == 9 // it has both channel drivers
		transport := event.UDP
		if i%5 == 4 && !a.chanSIP {
			transport = event.TLS
		}
		b.add(a, site, transport, models[b.rand.IntN(len(models))])
		if !a.chanSIP && b.rand.Float64() < secondDevice {
			b.add(a, site, []event.Transport{event.UDP, event.TLS}[b.rand.IntN(2)], app)
		}
	}
	b.live(habits{calls: 12, trips: 8, setups: 6, changes: 4, late: 0.03, commuters: true, forgotten: 1}, b.accounts)
	b.strangersAt(1, 1, func() *uplink { return site })
}

// callCentre is 80 people behind two addresses and two dialers, each with the password
// of an extension.
func callCentre(b *pbx) {
	lines := []*uplink{lineOf(cable, b.rand), lineOf(cable, b.rand)}
	for i := range 80 {
		a := b.extension(fmt.Sprint(2001 + i))
		if i%2 == 0 {
			b.add(a, lines[i/40], event.WSS, model{"JsSIP 3.10", doubling(2*time.Second, 30*time.Second)}) // an assumption
		} else {
			b.add(a, lines[i/40], event.UDP, models[b.rand.IntN(len(models))])
		}
	}
	agents := b.accounts
	b.live(habits{calls: 6, weekends: true, trips: 1, setups: 8, changes: 4, late: 0.05, forgotten: 2}, agents)
	b.strangersAt(1, 1, func() *uplink { return lines[b.rand.IntN(2)] })
	var machines []*phone
	for i := range 2 {
		a := b.extension(fmt.Sprint(2090 + i))
		machines = append(machines, b.add(a, lines[i], event.UDP, model{"dialer 1.0", constant(30 * time.Second)}))
	}
	for week := range 4 { // a campaign a week
		day := b.now.Add(time.Duration(7*week+b.rand.IntN(7)) * 24 * time.Hour)
		for i := range 16 { // who works through a list by hand: two minutes a call [9]
			for at := 9 * time.Hour; at < 12*time.Hour; at += between(b.rand, 15*time.Second, 4*time.Minute) {
				b.at(day.Add(at), func() { b.dial(agents[5*i].phones[0], b.national(), 20*time.Second) })
			}
		}
		for _, p := range machines { // two or three calls at once for each of 20 agents [9]
			for at := 14 * time.Hour; at < 14*time.Hour+20*time.Minute; at += exponential(b.rand, 3*time.Second) {
				b.at(day.Add(at), func() {
					b.dial(p, b.national(), 30*time.Second+exponential(b.rand, time.Minute))
				})
			}
		}
	}
}

// atHome is 60 people at home: 60% have an address that stays [11], a quarter gets a
// new one every day [10], some share one with strangers [13], some have IPv6 [12].
func atHome(b *pbx) {
	var lines, shared []*uplink
	for i := range 60 {
		var line *uplink
		reconnect := 20 * 24 * time.Hour // an outage
		switch x := b.rand.IntN(20); {
		case x < 11:
			line = lineOf(cable, b.rand)
		case x < 16:
			line, reconnect = dslLine(b.rand), 24*time.Hour
		case x < 18:
			line, reconnect = lineOf(carrier, b.rand), 2*24*time.Hour
			shared = append(shared, line)
		default:
			line, reconnect = lineOf(six, b.rand), 60*24*time.Hour
			if b.rand.IntN(4) == 0 {
				reconnect = 24 * time.Hour
			}
		}
		lines = append(lines, line)
		b.after(between(b.rand, 0, reconnect), func() {
			daily := reconnect == 24*time.Hour
			b.reconnect(line, !daily)
			if daily {
				b.every(reconnect, func() { b.reconnect(line, false) })
			} else {
				var next func()
				next = func() {
					b.reconnect(line, true)
					b.after(exponential(b.rand, reconnect), next)
				}
				b.after(exponential(b.rand, reconnect), next)
			}
		})
		a := b.extension(fmt.Sprint(3001 + i))
		b.add(a, line, []event.Transport{event.UDP, event.UDP, event.UDP, event.TLS, event.WSS}[b.rand.IntN(5)], models[b.rand.IntN(len(models))])
		if b.rand.Float64() < secondDevice {
			p := b.add(a, line, []event.Transport{event.UDP, event.TLS}[b.rand.IntN(2)], app)
			b.flap(p)
		}
	}
	b.live(habits{calls: 8, trips: 6, setups: 8, changes: 5, late: 0.05, forgotten: 3}, b.accounts)
	b.strangersAt(1, 0, func() *uplink { return lines[b.rand.IntN(len(lines))] })
	if len(shared) > 0 {
		b.strangersAt(1, 0, func() *uplink { return shared[b.rand.IntN(len(shared))] })
	}
}

// flap takes a softphone from the Wi-Fi to the mobile network and back, four times a
// day (an assumption).
func (b *pbx) flap(p *phone) {
	wifi, phone := p.at, lineOf(mobile, b.rand)
	var next func()
	next = func() {
		switch p.at {
		case wifi:
			phone.addr = phone.next(b.rand)
			b.move(p, phone)
		case phone:
			b.move(p, wifi)
		}
		b.after(exponential(b.rand, 3*time.Hour), next)
	}
	b.after(exponential(b.rand, 3*time.Hour), next)
}
