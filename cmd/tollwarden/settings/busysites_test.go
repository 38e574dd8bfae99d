package settings

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"
)

// busy is a site that plays a book of appointments, with what the daemon does every second
// in between.
type busy struct {
	*site
	r    *rand.Rand
	book []appointment // at counts from midnight
	up   int           // calls
}

func newBusy(t *testing.T, settings string) *busy {
	t.Helper()
	return &busy{newSiteWith(t, time.Date(2026, 11, 2, 0, 0, 0, 0, time.UTC), settings, false), rand.New(rand.NewPCG(16, 16)), nil, 0}
}

func (b *busy) at(d time.Duration, do func()) { b.book = append(b.book, appointment{d, do}) }

// talk is a call that is set up at a time of the day, and ends.
func (b *busy) talk(d, length time.Duration, start func() (hangUp func())) {
	var end func()
	b.at(d, func() { end = start(); b.up++ })
	b.at(d+length, func() { end(); b.up-- })
}

// dial has a phone call.
func (b *busy) dial(d, length time.Duration, account, number string) {
	b.talk(d, length, func() func() { return b.call(account, number, b.site.at(account)) })
}

// play plays what is in the book for a day.
func (b *busy) play() {
	midnight := b.now
	for _, a := range b.accounts[2:] {
		for d := time.Duration(b.r.Int64N(int64(time.Hour))); d < 24*time.Hour; d += time.Hour {
			b.at(d, func() { b.login(a.Name, b.site.at(a.Name)) })
		}
	}
	for d := time.Duration(0); d < 24*time.Hour; d += time.Hour {
		b.at(d, func() { b.judge.Calls.List(b.accounts); b.judge.SetContacts(b.now, b.contacts, nil) })
	}
	slices.SortStableFunc(b.book, func(x, y appointment) int { return int(x.at - y.at) })
	for _, a := range b.book {
		for b.up > 0 && b.now.Add(5*time.Second).Before(midnight.Add(a.at)) {
			b.now = b.now.Add(5 * time.Second)
			b.judge.Watch(b.now)
		}
		b.now = midnight.Add(a.at)
		a.do()
	}
	b.book, b.now = nil, midnight.Add(24*time.Hour)
}

// originated is a call that the PBX makes by itself.
func (b *busy) originated(number string) (hangUp func()) {
	b.calls++
	b.serial++
	out := fmt.Sprintf("PJSIP/carrier-%08x", b.serial)
	b.channel("Newchannel", out, 0, "", "")
	b.say("Event: DialBegin\nPrivilege: call,all\n" + leg("Dest", out, "s", b.serial) + "DialString: " + number + "@carrier\n\n")
	b.channel("Newstate", out, 6, "", "")
	return func() { b.channel("Hangup", out, 6, "", "Cause: 16\nCause-txt: Normal Clearing\n") }
}

// through is a caller from outside who dials one number and gets to another outside through
// a Local channel: follow-me, a queue with a member outside.
func (b *busy) through(exten, number string) (hangUp func()) {
	b.calls++
	b.serial++
	in := fmt.Sprintf("PJSIP/carrier-%08x", b.serial)
	b.channel("Newchannel", in, 4, exten, "")
	b.serial++
	local := fmt.Sprintf("Local/%s@out-%08x;", number, b.serial)
	out := fmt.Sprintf("PJSIP/carrier-%08x", b.serial)
	b.dials(in, local+"1", number)
	b.channel("Newchannel", out, 0, "", "")
	b.dials(local+"2", out, number)
	b.channel("Newstate", out, 6, "", "")
	return func() {
		b.channel("Hangup", out, 6, "", "Cause: 16\nCause-txt: Normal Clearing\n")
		b.channel("Hangup", in, 6, "", "Cause: 16\nCause-txt: Normal Clearing\n")
	}
}

// Busy sites are left alone with the defaults: no call of theirs is ended, no account
// loses anything, and few messages are sent.
func TestBusySites(t *testing.T) {
	const h, m, s = time.Hour, time.Minute, time.Second
	conference := func(b *busy, number string) {
		for i := range 20 {
			b.dial(10*h+time.Duration(i)*4*s, 45*m, fmt.Sprint(1001+i), number)
		}
	}
	for name, tc := range map[string]struct {
		days, messages int // messages at most
		day            func(b *busy, day int)
	}{
		"a late shift calls a list of domestic numbers": {1, 0, func(b *busy, _ int) {
			for i := range 5 {
				for n := range 60 {
					b.dial(18*h+time.Duration(i)*7*s+time.Duration(n)*2*m, 90*s, fmt.Sprint(1001+i), fmt.Sprintf("0207946%04d", 100*i+n))
				}
			}
		}},
		"an on-call rota at night": {7, 0, func(b *busy, _ int) {
			for i := range 20 {
				b.dial(2*h+time.Duration(i)*40*s, 30*s, "1003", fmt.Sprintf("0770090%04d", i*37))
			}
		}},
		"an alarm system, and a dialler that calls within the country": {2, 0, func(b *busy, _ int) {
			for i := range 30 {
				b.talk(3*h+time.Duration(i)*2*s, 30*s, func() func() { return b.originated(fmt.Sprintf("077009000%02d", i%10)) })
			}
			for i := range 600 {
				b.talk(9*h+time.Duration(i)*s/3, 20*s, func() func() { return b.originated(fmt.Sprintf("0207946%04d", i)) })
			}
		}},
		"a conference abroad each Tuesday": {37, 6, func(b *busy, _ int) {
			if b.now.Weekday() == time.Tuesday {
				conference(b, "0012125550123")
			}
		}},
		"a fax to all extensions of a new customer abroad": {23, 1, func(b *busy, day int) {
			for i := range 30 {
				if day == 22 {
					b.dial(9*h+time.Duration(i)*70*s, 30*s, "1040", fmt.Sprintf("004822123%04d", i))
				}
			}
		}},
		"a trip of two weeks, with calls forwarded abroad": {33, 3, func(b *busy, day int) {
			for i := range 8 {
				if day > 20 && b.now.Weekday()%6 > 0 {
					b.talk(9*h+time.Duration(i)*h, 4*m, func() func() { return b.through("1005", "0034612345678") })
				}
			}
		}},
		"rooms that are hardly used": {48, 0, func(b *busy, day int) {
			for i := range 40 {
				if i < 5 || day%45 == i%3 {
					b.dial(9*h+time.Duration(i)*m, 2*m, fmt.Sprint(1001+i), "02079460123")
				}
			}
		}},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBusy(t, gb+hours)
			for day := range tc.days {
				tc.day(b, day)
				b.play()
			}
			steps, stories := b.ordered()
			t.Logf("%d calls, %d messages", b.calls, steps["notify"])
			if messages := steps["notify"]; messages > tc.messages || len(steps) > min(1, messages) || b.ended > 0 {
				t.Errorf("%v, ended %d\n%s", steps, b.ended, strings.Join(stories, "\n"))
			}
		})
	}
}
