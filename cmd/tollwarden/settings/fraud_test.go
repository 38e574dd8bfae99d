package settings

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"strings"
	"testing"
	"time"
)

const thiefAddress = "192.0.2.66"

// theft plays a theft of account 1002 after three ordinary weeks, and says
// after how many of its calls the daemon ordered containment.
func theft(t *testing.T, number func(i int) string, every, length time.Duration, from string) (s *site, after int) {
	t.Helper()
	s = newSite(t, time.Date(2026, 11, 2, 7, 30, 0, 0, time.UTC), "")
	r := rand.New(rand.NewPCG(7, 7))
	for range 20 {
		s.day(r, 60, 3*time.Hour)
	}
	if steps, stories := s.ordered(); len(steps) > 0 {
		t.Fatalf("before the theft: %v\n%s", steps, strings.Join(stories, "\n"))
	}
	s.now = s.now.Add(19 * time.Hour) // two in the morning
	for i := range 60 {
		s.now = s.now.Add(every)
		hangUp := s.call("1002", number(i), from)
		if steps, _ := s.ordered(); steps["rotate"] > 0 {
			return s, i + 1
		}
		if length < every {
			begun := s.now
			s.now = begun.Add(length)
			hangUp()
			s.now = begun
		}
	}
	return s, 0
}

// With nothing tuned each theft is contained, after so many calls at most.
func TestThefts(t *testing.T) {
	for _, tc := range []struct {
		name          string
		number        func(i int) string
		every, length time.Duration
		most          int
	}{
		{"a leaked password at night: sixty calls in a minute", func(i int) string { return fmt.Sprintf("00442079%06d", i*7919%1000000) }, time.Second, 10 * time.Minute, 8},
		{"as fast as it goes", func(i int) string { return fmt.Sprintf("00442079%06d", i*7919%1000000) }, 50 * time.Millisecond, 10 * time.Minute, 5},
		{"slow: a long call to a premium number every ten minutes", func(int) string { return "00979123456789" }, 10 * time.Minute, 9 * time.Minute, 3},
		{"prefix probing", func(i int) string {
			return []string{"0011", "00", "011", "900", "9011", "000", "+", "9"}[i%8] + "442079460001"
		}, 200 * time.Millisecond, 100 * time.Millisecond, 4},
		{"patient: a new country every ten minutes", func(i int) string {
			return []string{"0037160000000", "0037060000000", "0023276000000", "00263770000000", "00224620000000", "0022070000000", "0067440000000"}[i%7]
		}, 10 * time.Minute, time.Minute, 5},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s, after := theft(t, tc.number, tc.every, tc.length, thiefAddress)
			_, stories := s.ordered()
			t.Logf("contained at call %d: %s", after, stories[len(stories)-1])
			if after == 0 || after > tc.most {
				t.Errorf("contained after %d calls, want at most %d\n%s", after, tc.most, strings.Join(stories, "\n"))
			}
			banned := false
			for _, b := range s.judge.Bans.List(s.now) {
				banned = banned || b.Prefix == netip.MustParsePrefix(thiefAddress+"/32")
				if b.Prefix.Contains(netip.MustParseAddr(officeAddress)) {
					t.Error("the office is banned")
				}
			}
			if !banned {
				t.Error("the thief is not banned")
			}
		})
	}
}

// The thief is inside the office: its calls are dealt with, the office is not
// cut off.
func TestTheftFromTheOffice(t *testing.T) {
	s, after := theft(t, func(i int) string { return fmt.Sprintf("00442079%06d", i*7919%1000000) }, 100*time.Millisecond, time.Minute, officeAddress)
	if after == 0 {
		t.Error("not contained")
	}
	if bans := s.judge.Bans.List(s.now); len(bans) > 0 {
		t.Errorf("banned: %v", bans)
	}
}

// A forbidden call alone is ended and told, and the account goes on working.
func TestAForbiddenCallIsEnded(t *testing.T) {
	s := newSite(t, time.Date(2026, 11, 18, 9, 0, 0, 0, time.UTC), "[calls]\ndeny = [\"CU\"]\n")
	s.call("1002", "005371234567", officeAddress)
	s.call("1002", "02079460001", officeAddress)
	steps, stories := s.ordered()
	if steps["hangup-call"] != 1 || len(steps) != 1 {
		t.Errorf("ordered: %v\n%s", steps, strings.Join(stories, "\n"))
	}
}

func TestEverySignalOfCallsIsRaised(t *testing.T) {
	for _, name := range []string{
		"CallRate", "ConcurrentCalls", "Cadence", "DialProbing", "ForbiddenDestination", "NewCountry", "OffHours",
		"Dormant", "NewNetwork", "TwoNetworks", "ScannerAgent", "AnonymousCall", "UnseenLogin",
	} {
		if !strings.Contains(strings.Join(Signals(), " "), name) {
			t.Errorf("a threshold cannot count %s", name)
		}
	}
}
