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
}

func newBusy(t *testing.T, settings string) *busy {
	t.Helper()
	return &busy{newSiteWith(t, time.Date(2026, 11, 2, 0, 0, 0, 0, time.UTC), settings, false), rand.New(rand.NewPCG(16, 16)), nil}
}

func (b *busy) at(d time.Duration, do func()) { b.book = append(b.book, appointment{d, do}) }

// talk is a call that is set up at a time of the day, and ends.
func (b *busy) talk(d, length time.Duration, start func() (hangUp func())) {
	var end func()
	b.at(d, func() { end = start() })
	b.at(d+length, func() { end() })
}

// calls has a phone call.
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
	for d := time.Duration(0); d < 24*time.Hour; d += 5 * time.Second {
		b.at(d, func() { b.judge.Watch(b.now) })
	}
	for d := time.Duration(0); d < 24*time.Hour; d += time.Hour {
		b.at(d, func() { b.judge.Calls.List(b.accounts); b.judge.SetContacts(b.now, b.contacts, nil) })
	}
	slices.SortStableFunc(b.book, func(x, y appointment) int { return int(x.at - y.at) })
	for _, a := range b.book {
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

// unanswered is a call that plays sound without an answer.
func (b *busy) unanswered(account, number string) (hangUp func()) {
	b.login(account, b.site.at(account))
	b.calls++
	b.serial++
	in, out := fmt.Sprintf("PJSIP/%s-%08x", account, b.serial), fmt.Sprintf("PJSIP/carrier-%08x", b.serial+1)
	b.channel("Newchannel", in, 4, number, "")
	b.serial++
	b.channel("Newchannel", out, 0, "", "")
	b.dials(in, out, number)
	return func() {
		b.channel("Hangup", out, 0, "", "Cause: 16\nCause-txt: Normal Clearing\n")
		b.channel("Hangup", in, 4, number, "Cause: 16\nCause-txt: Normal Clearing\n")
	}
}

var agencyCountries = []string{"33", "49", "39", "34", "1212", "31", "351", "30", "90", "41", "43", "353", "45", "46", "47", "420", "48", "36", "385", "357", "356", "212", "20", "971", "66", "65", "852", "81", "61", "64", "27", "254", "55", "54", "52", "56", "51", "57", "506", "62", "84", "91", "230", "974", "966", "962", "972", "358", "372", "371", "370", "421", "386", "359", "40", "381", "82", "86", "60", "63"}

func (b *busy) abroad(most int) string {
	c := agencyCountries[min(int(b.r.ExpFloat64()*float64(most)/4), len(agencyCountries)-1)]
	return "00" + c + fmt.Sprintf("%09d", 200000000+b.r.IntN(99999999))[:11-len(c)]
}

func weekday(now time.Time) bool { return now.Weekday() != time.Saturday && now.Weekday() != time.Sunday }

func TestExploreBusySites(t *testing.T) {
	h := time.Hour
	m := time.Minute
	for name, tc := range map[string]struct {
		settings string
		weeks    int
		day      func(b *busy, day int)
	}{
		"sales": {gb + hours, 4, func(b *busy, day int) {
			for i := range 10 {
				if !weekday(b.now) {
					return
				}
				n := b.r.IntN(900000)
				for d := 9*h + time.Duration(i)*7*time.Second; d < 20*h+30*m; d += 55*time.Second + time.Duration(b.r.IntN(60))*time.Second {
					b.dial(d, 25*time.Second, fmt.Sprint(1001+i), fmt.Sprintf("02079%06d", n))
					n++
				}
			}
		}},
		"rota": {gb + hours, 4, func(b *busy, day int) {
			if b.now.Weekday() == time.Saturday {
				for i := range 20 {
					b.dial(2*h+time.Duration(i)*40*time.Second, 30*time.Second, "1003", fmt.Sprintf("0770090%04d", i*37))
				}
			}
		}},
		"agency": {gb + hours, 5, func(b *busy, day int) {
			if !weekday(b.now) {
				return
			}
			for i := range 10 {
				for d := 8*h + time.Duration(b.r.IntN(600))*time.Second; d < 18*h; {
					l := 20*time.Second + time.Duration(b.r.ExpFloat64()*float64(4*m))
					b.dial(d, l, fmt.Sprint(1001+i), b.abroad(60))
					d += l + m + time.Duration(b.r.ExpFloat64()*float64(6*m))
				}
			}
		}},
		"newcomer": {gb + hours, 5, func(b *busy, day int) {
			if !weekday(b.now) {
				return
			}
			for i := range 10 {
				if i == 9 && day < 28 {
					continue
				}
				for d := 8*h + time.Duration(b.r.IntN(600))*time.Second; d < 18*h; {
					b.dial(d, 70*time.Second, fmt.Sprint(1001+i), b.abroad(30))
					d += 12 * m
				}
			}
		}},
		"conference": {gb + hours, 5, func(b *busy, day int) {
			if b.now.Weekday() == time.Tuesday {
				for i := range 20 {
					b.dial(10*h+time.Duration(i)*4*time.Second, 45*m, fmt.Sprint(1001+i), "0012125550123")
				}
			}
			if b.now.Weekday() == time.Thursday && day > 21 {
				for i := range 20 {
					b.dial(10*h+time.Duration(i)*4*time.Second, 45*m, fmt.Sprint(1001+i), "0048221234567")
				}
			}
		}},
		"followme": {gb + hours, 5, func(b *busy, day int) {
			for i := range 4 {
				for n := range 8 {
					b.talk(9*h+time.Duration(n)*h+time.Duration(i)*7*m, 4*m, func() func() { return b.through(fmt.Sprint(1005+i), "003361234567"+fmt.Sprint(i)) })
				}
			}
		}},
		"roaming after learning": {gb + hours, 5, func(b *busy, day int) {
			if day > 21 && day < 27 {
				for n := range 8 {
					b.talk(9*h+time.Duration(n)*h, 4*m, func() func() { return b.through("1005", "0034612345678") })
				}
			}
		}},
		"fax": {gb + hours, 5, func(b *busy, day int) {
			if day == 1 || day == 22 || day == 29 {
				country := map[int]string{1: "4989", 22: "4989", 29: "4822"}[day]
				for n := range 40 {
					b.dial(9*h+time.Duration(n)*70*time.Second, 50*time.Second, "1040", fmt.Sprintf("00%s1234%03d", country, n))
					b.talk(12*h+time.Duration(n)*25*time.Second, m, func() func() { return b.originated(fmt.Sprintf("00%s2234%03d", country, n)) })
				}
			}
		}},
		"queue": {gb + hours, 3, func(b *busy, day int) {
			for n := range 60 {
				b.talk(9*h+time.Duration(n)*20*time.Second, 4*m, func() func() { return b.through("+442079460000", fmt.Sprintf("003312345670%d", n%8)) })
			}
		}},
		"airline": {gb + hours, 4, func(b *busy, day int) {
			if day > 15 && b.now.Weekday() == time.Wednesday {
				b.talk(10*h, 27*m, func() func() { return b.unanswered("1003", "00"+agencyCountries[day]+"201234567") })
			}
		}},
		"codes": {gb + hours, 1, func(b *busy, day int) {
			for n, code := range []string{"*8012345", "*9812345", "*412345", "*2112345", "*7612345", "*97", "*98", "*60", "*43", "*72", "*73"} {
				b.dial(10*h+time.Duration(n)*20*time.Second, 5*time.Second, "1003", code)
			}
		}},
		"alarms": {gb + hours, 2, func(b *busy, day int) {
			for n := range 30 {
				b.talk(3*h+time.Duration(n)*2*time.Second, 30*time.Second, func() func() { return b.originated(fmt.Sprintf("077009000%02d", n%10)) })
			}
		}},
		"alarms by a phone": {gb + hours, 2, func(b *busy, day int) {
			for n := range 12 {
				b.dial(3*h+time.Duration(n)*time.Second*35, 30*time.Second, "1039", fmt.Sprintf("077009000%02d", n))
			}
		}},
		"dialler": {gb + hours, 1, func(b *busy, day int) {
			if weekday(b.now) && day < 3 {
				for d := 9 * h; d < 10*h; d += time.Second / 3 {
					b.talk(d, 20*time.Second, func() func() { return b.originated(fmt.Sprintf("02079%06d", b.r.IntN(1000000))) })
				}
			}
		}},
		"hotel": {gb, 8, func(b *busy, day int) {
			if day < 21 || day > 50 {
				for i := range 40 {
					if b.r.IntN(3) == 0 {
						c := agencyCountries[b.r.IntN(40)]
						for n := range 3 {
							b.dial(18*h+time.Duration(b.r.IntN(300))*m, time.Duration(1+b.r.IntN(8))*m, fmt.Sprint(1001+i), "00"+c+fmt.Sprintf("20123456%d", n))
						}
					}
					if b.r.IntN(10) == 0 {
						b.dial(9*h+time.Duration(b.r.IntN(300))*m, 2*m, fmt.Sprint(1001+i), "02079460123")
					}
				}
			}
		}},
		"meeting rooms": {gb + hours, 20, func(b *busy, day int) {
			for i := range 40 {
				if i < 20 || (day+i*2)%45 == 0 {
					b.dial(9*h+time.Duration(b.r.IntN(300))*m, 2*m, fmt.Sprint(1001+i), "02079460123")
				}
			}
		}},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBusy(t, tc.settings)
			for day := range tc.weeks * 7 {
				tc.day(b, day)
				b.play()
			}
			steps, _ := b.ordered()
			var lines []string
			for _, i := range b.incidents {
				var st []string
				for _, x := range i.Steps {
					st = append(st, string(x.Step)+":"+string(x.State))
				}
				lines = append(lines, fmt.Sprintf("d%d %s %s %s [%s] %.160s", int(i.At.Sub(time.Date(2026, 11, 2, 0, 0, 0, 0, time.UTC)).Hours()/24), i.At.Format("15:04:05"), i.Threshold, i.Key.Value(), strings.Join(st, " "), i.Reason))
			}
			if len(lines) > 14 {
				lines = append(lines[:14], fmt.Sprint("... ", len(lines)))
			}
			t.Logf("%d calls, ended %d, %v; incidents %d\n%s", b.calls, b.ended, steps, len(b.incidents), strings.Join(lines, "\n"))
		})
	}
}
