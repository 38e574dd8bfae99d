package month

import (
	"fmt"
	"net/netip"
	"time"

	"github.com/tollwarden/tollwarden/ami/event"
)

// AttackResult is how an attack ended.
type AttackResult struct {
	Name    string
	Stopped bool
	Detail  string
}

// attack is one of the suite. play begins it at an account; verdict says, a day later,
// whether it was stopped.
type attack struct {
	name string
	play func(b *pbx, a *account) (verdict func() (stopped bool, detail string))
}

// attacks come one a day, each at an account of its own, after calls.learn.
var attacks = []attack{
	{"guesses from abroad over UDP", guesses(event.UDP, false, 200, 100*time.Millisecond, 5)},
	{"guesses from abroad over TCP", guesses(event.TCP, false, 200, 100*time.Millisecond, 5)},
	{"guesses that may be spoofed, for two hours", guesses(event.UDP, true, 7200, time.Second, 20)},
	{"a guest in the office guesses over UDP, from changing ports", guest(event.UDP)},
	{"a guest in the office guesses over TCP", guest(event.TCP)},
	{"sixty addresses guess; another one knows the password", distributed},
	{"a break-in by its own guesses, then calls abroad", breakIn},
	{"a leaked password at night, calls abroad", leaked},
	{"a scanner", scan},
	{"nine guesses a day, at four extensions", slowly},
	{"a phone in the office calls premium numbers", fraud(func(int) string { return "00979123456789" }, 20*time.Second, 0)},
	{"a phone in the office makes sixty calls in a minute, at night", fraud(func(n int) string { return fmt.Sprintf("0142%06d", n*7919%1000000) }, time.Second, 12)},
}

// attack plays the suite.
func (b *pbx) attack() {
	for i, x := range attacks {
		a := b.accounts[10+i]
		if a.chanSIP {
			a = b.accounts[30]
		}
		b.after(time.Duration(16+i)*24*time.Hour+9*time.Hour, func() {
			a.attacked = true
			verdict := x.play(b, a)
			b.after(23*time.Hour, func() {
				stopped, detail := verdict()
				b.report.Attacks = append(b.report.Attacks, AttackResult{x.name, stopped, detail})
			})
		})
	}
}

// stranger is an attacker's address.
func (b *pbx) stranger() netip.AddrPort { return netip.AddrPortFrom(internet.draw(b.rand), 5060) }

// atMost is the verdict on guesses.
func atMost(most int, answered *int, sent int) func() (bool, string) {
	return func() (bool, string) {
		return *answered <= most, fmt.Sprintf("%d of %d guesses answered, at most %d are allowed", *answered, sent, most)
	}
}

func guesses(transport event.Transport, blind bool, n int, every time.Duration, most int) func(b *pbx, a *account) func() (bool, string) {
	return func(b *pbx, a *account) func() (bool, string) {
		from, answered := b.stranger(), 0
		for i := range n {
			b.after(time.Duration(i)*every, func() {
				if b.guess(a, from, transport, blind, "an attack") {
					answered++
				}
			})
		}
		return atMost(most, &answered, n)
	}
}

// guest is somebody in the office's own network, for ten minutes. Ten guesses a minute
// may get through where people live.
func guest(transport event.Transport) func(b *pbx, a *account) func() (bool, string) {
	return func(b *pbx, a *account) func() (bool, string) {
		at, answered := a.phones[0].at, 0
		port := at.place()
		const n = 600
		for i := range n {
			b.after(time.Duration(i)*time.Second, func() {
				if i%20 == 19 {
					port = at.place()
				}
				if b.guess(b.accounts[24+i%3], netip.AddrPortFrom(at.addr, port), transport, false, "a guest in the office") {
					answered++
				}
			})
		}
		return atMost(120, &answered, n)
	}
}

func scan(b *pbx, _ *account) func() (bool, string) {
	from, answered := b.stranger(), 0
	for i := range 200 {
		b.after(time.Duration(i)*100*time.Millisecond, func() {
			if b.probe(from, event.UDP, fmt.Sprint(100+i)) {
				answered++
			}
		})
	}
	return atMost(6, &answered, 200)
}

func slowly(b *pbx, a *account) func() (bool, string) {
	from, answered := b.stranger(), 0
	for i := range 36 {
		b.after(time.Duration(i)*38*time.Minute, func() {
			if b.guess(b.accounts[31+i%4], from, event.TCP, false, "an attack") {
				answered++
			}
		})
	}
	return atMost(12, &answered, 36)
}

// thief calls with a password that it has.
type thief struct {
	account  *account
	password int
	from     netip.AddrPort
	over     event.Transport
	placed   int
	stood    int // calls that were up 5 s later
	up       []string
}

func (b *pbx) thief(a *account, from netip.AddrPort, over event.Transport) *thief {
	return &thief{account: a, password: a.password, from: from, over: over}
}

// signIn signs the thief in.
func (t *thief) signIn(b *pbx, number string) bool {
	return b.ask(request{account: t.account.name, from: t.from, transport: t.over, right: t.password == t.account.password, number: number, why: "an attack"}) == accepted
}

func (t *thief) call(b *pbx, number string) {
	t.placed++
	if !t.signIn(b, number) {
		return
	}
	c := &call{account: t.account, rogue: true}
	channel := b.ring(c, number, 50*time.Minute)
	b.after(5*time.Second, func() {
		if b.channels[channel] != nil {
			t.stood++
		}
	})
	t.up = append(t.up, channel)
}

// verdict allows so many calls before the thief is stopped, and none that goes on.
func (t *thief) verdict(b *pbx, most int) func() (bool, string) {
	return func() (bool, string) {
		return t.stood <= most, fmt.Sprintf("%d of %d calls lasted longer than 5 s, at most %d are allowed", t.stood, t.placed, most)
	}
}

func costly(n int) string {
	return []string{"0037160000000", "0037060000000", "0023276000000", "00263770000000", "00224620000000", "0022070000000", "0067440000000"}[n%7]
}

func breakIn(b *pbx, a *account) func() (bool, string) {
	t := b.thief(a, b.stranger(), event.UDP)
	for i := range 4 {
		b.after(time.Duration(i)*40*time.Minute, func() { b.guess(a, t.from, event.UDP, false, "an attack") })
	}
	b.after(3*time.Hour, func() { t.signIn(b, "") })
	for i := range 20 {
		b.after(3*time.Hour+time.Duration(i)*time.Minute+10*time.Second, func() { t.call(b, costly(i)) })
	}
	return t.verdict(b, 0)
}

func leaked(b *pbx, a *account) func() (bool, string) {
	t := b.thief(a, b.stranger(), event.UDP)
	for i := range 20 {
		b.after(17*time.Hour+time.Duration(i)*time.Minute, func() { t.call(b, costly(i)) })
	}
	return t.verdict(b, 8)
}

func distributed(b *pbx, a *account) func() (bool, string) {
	for range 60 {
		from := b.stranger()
		for range 2 {
			b.after(between(b.rand, 0, 3*time.Hour), func() { b.guess(a, from, event.UDP, false, "an attack") })
		}
	}
	t := b.thief(a, b.stranger(), event.UDP)
	for i := range 10 {
		b.after(4*time.Hour+time.Duration(i)*time.Minute, func() { t.call(b, costly(i)) })
	}
	calls := t.verdict(b, 1)
	return func() (bool, string) {
		stopped, detail := calls()
		told := b.said["a message about "+a.name]
		return stopped && told, fmt.Sprintf("%s; people were told: %t", detail, told)
	}
}

// fraud comes from a phone that has long been registered in the office.
func fraud(number func(n int) string, every time.Duration, most int) func(b *pbx, a *account) func() (bool, string) {
	return func(b *pbx, a *account) func() (bool, string) {
		t := b.thief(a, a.phones[0].from(), a.phones[0].transport)
		for i := range 60 {
			b.after(17*time.Hour+time.Duration(i)*every, func() { t.call(b, number(i)) })
		}
		return t.verdict(b, most)
	}
}
