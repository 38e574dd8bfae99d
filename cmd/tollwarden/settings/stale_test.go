package settings

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/tollwarden/tollwarden/ami/event"
)

// staleDays is how long the phones go on with their old password: longer than an
// address is known.
const staleDays = 45

// home is where a phone is on a day: thirty are in the office, seven at fixed addresses
// at home, and three get a new address of their provider every day.
func home(phone, day int) netip.Addr {
	switch {
	case phone < 30:
		return netip.MustParseAddr(officeAddress)
	case phone < 37:
		return netip.AddrFrom4([4]byte{203, 0, byte(phone), 7})
	default:
		return netip.AddrFrom4([4]byte{100, byte(64 + phone), byte(day * 7 % 250), byte(day*31%250 + 1)})
	}
}

// playOffice plays an office of forty phones whose passwords are changed on the second
// day, and which go on with the old ones. Each tries as often as every says. Ten more
// people travel: every third day they sign in at another hotel, and mistype now and
// then. The ledger is taken over by a new daemon every week.
func playOffice(t *testing.T, s *slowSite, every time.Duration) {
	t.Helper()
	r := rand.New(rand.NewPCG(20261130, 1))
	for phone := range 40 {
		s.until(s.now.Add(time.Second))
		s.login(fmt.Sprint(1001+phone), home(phone, 0))
	}
	for phone := range 40 {
		s.judge.PasswordChanged(s.now, fmt.Sprint(1001+phone))
	}
	for day := 1; day <= staleDays; day++ {
		midnight := firstDay.Add(time.Duration(day) * 24 * time.Hour)
		var book []appointment
		for phone := range 40 {
			for d := time.Duration(r.Int64N(int64(every))); d < 24*time.Hour; d += every {
				book = append(book, appointment{d, func() { s.fail(fmt.Sprint(1001+phone), home(phone, day)) }})
			}
		}
		for traveller := range 10 {
			if (day+traveller)%3 != 0 {
				continue
			}
			account, hotel := fmt.Sprint(1041+traveller), netip.AddrFrom4([4]byte{byte(20 + r.IntN(150)), byte(r.IntN(250)), byte(r.IntN(250)), 9})
			d := time.Duration(r.Int64N(int64(23 * time.Hour)))
			for i := range r.IntN(3) {
				book = append(book, appointment{d + time.Duration(i)*10*time.Second, func() { s.fail(account, hotel) }})
			}
			book = append(book, appointment{d + time.Minute, func() { s.login(account, hotel) }})
		}
		slices.SortStableFunc(book, func(a, b appointment) int { return int(a.at - b.at) })
		for _, a := range book {
			s.until(midnight.Add(a.at))
			a.do()
		}
		if day%7 == 0 {
			s.start(t)
		}
	}
}

// Phones with an old password that go on for weeks, in the office, at home and on
// dynamic addresses, and people who travel and mistype: the thresholds that look at
// days ban nobody, and tell people once of each phone that moves and tries often. What the thresholds that look at hours do
// about phones that try more often is the same as without them.
func TestStalePhonesForWeeks(t *testing.T) {
	for name, tc := range map[string]struct {
		transport event.Transport
		every     time.Duration
	}{
		"now and then, proven":         {event.TCP, 8 * time.Hour},
		"now and then, may be spoofed": {event.UDP, 8 * time.Hour},
		"every ten minutes, proven":    {event.TCP, 10 * time.Minute},
		"every hour, may be spoofed":   {event.UDP, time.Hour},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			with := newSlowSite(t, slowPolicy(t), tc.transport)
			playOffice(t, with, tc.every)
			without := newSlowSite(t, slowPolicy(t, slowThresholds...), tc.transport)
			playOffice(t, without, tc.every)
			t.Logf("bans: %v, messages: %v; without: %v, %v", with.bannedFor(), with.told(), without.bannedFor(), without.told())
			told := with.told()
			delete(told, "wrong passwords for days")
			if !maps.Equal(with.bannedFor(), without.bannedFor()) || !maps.Equal(told, without.told()) {
				t.Errorf("the thresholds that look at days change something")
			}
			of := map[string]bool{}
			for _, i := range with.incidents {
				if slices.Contains(slowThresholds, i.Threshold) {
					if i.Threshold != "wrong passwords for days" || i.Account < "1038" || of[i.Account] {
						t.Errorf("%s: %s", i.Threshold, i.Reason)
					}
					of[i.Account] = true
				}
			}
		})
	}
}
