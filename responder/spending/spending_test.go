package spending_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/tollwarden/tollwarden/responder/spending"
)

var (
	monday = time.Date(2026, 11, 2, 0, 0, 0, 0, time.UTC)
	learnt = monday.AddDate(0, 0, 14)
	noon   = learnt.AddDate(0, 0, 7).Add(12 * time.Hour) // a Monday
)

// rules are the defaults, with working hours from 8 to 18 on weekdays.
func rules() spending.Rules {
	money := func(soft, hard int) spending.Pair {
		return spending.Pair{Soft: int64(spending.Units(soft)), Hard: int64(spending.Units(hard))}
	}
	return spending.Rules{
		Account: spending.Limits{Minutes: spending.Pair{Soft: 30, Hard: 50}, OffHours: spending.Pair{Soft: 15, Hard: 30}, Money: money(20, 30)},
		Site:    spending.Limits{Minutes: spending.Pair{Soft: 50, Hard: 100}, OffHours: spending.Pair{Soft: 30, Hard: 55}, Money: money(40, 80)},
		Usual:   spending.Pair{Soft: 2, Hard: 5},
		Learn:   14 * 24 * time.Hour,
		Closed: func(t time.Time) bool {
			return t.Weekday() == time.Saturday || t.Weekday() == time.Sunday || t.Hour() < 8 || t.Hour() >= 18
		},
	}
}

// site is Spending in virtual time.
type site struct {
	*spending.Spending
	now    time.Time
	n      int
	alerts []spending.Alert
}

func newSite(at time.Time) *site { return &site{Spending: spending.New(rules()), now: at} }

// begins sets up a call that is answered at once.
func (s *site) begins(account, country string) (channel string) {
	s.n++
	channel = fmt.Sprintf("PJSIP/%s-%08x", account, s.n)
	class := spending.ClassOf(country, "", true)
	s.Began(spending.Call{Channel: channel, Account: account, Place: country, Class: class, E164: "+0"})
	s.Answered(s.now, channel)
	return channel
}

// passes lets time pass, with a check every five seconds, or ten of them.
func (s *site) passes(d time.Duration) {
	step := min(d, 5*time.Second)
	if d > 3*time.Hour {
		step = time.Minute
	}
	for until := s.now.Add(d); s.now.Before(until); {
		s.now = s.now.Add(step)
		s.alerts = append(s.alerts, s.Check(s.now, learnt)...)
	}
}

// call is a call of so long.
func (s *site) call(account, country string, d time.Duration) {
	c := s.begins(account, country)
	s.passes(d)
	s.Ended(s.now, c)
}

// day is so many minutes of working hours on the phone, and then the evening.
func (s *site) day(account string, minutes int) {
	s.call(account, "RO", time.Duration(minutes-5)*time.Minute)
	s.call(account, "RO", 5*time.Minute)
	for s.now.Hour() < 20 {
		s.passes(time.Minute)
	}
}

// raised are the alerts in short.
func (s *site) raised() string {
	var words []string
	for _, a := range s.alerts {
		words = append(words, fmt.Sprintf("%s %v/%v after %s", map[spending.Kind]string{spending.PerAccount: "account " + a.Key.Name, spending.PerTrunk: "trunk", spending.PerSite: "site"}[a.Key.Kind], map[spending.Level]string{1: "soft", 2: "hard"}[a.Level], a.Spent.Minutes(), a.At.Format("15:04:05")))
	}
	s.alerts = nil
	return strings.Join(words, "; ")
}

func TestLimits(t *testing.T) {
	for name, tc := range map[string]struct {
		at   time.Time
		play func(*site)
		want string
	}{
		"a conversation of an hour": {noon, func(s *site) { s.call("1", "RO", 62*time.Minute) }, "account 1 soft/30 after 12:29:05"},
		"calls of twenty minutes": {noon, func(s *site) {
			for range 3 {
				s.call("1", "RO", 20*time.Minute)
			}
		}, "account 1 soft/30 after 12:29:05; account 1 hard/50 after 12:49:05"},
		"one call of twenty hours": {noon.Add(-3 * time.Hour), func(s *site) { s.call("1", "RO", 20*time.Hour) }, "account 1 soft/30 after 09:30:00; account 1 hard/100 after 10:40:00; site hard/200 after 12:20:00"},
		"in the night":             {noon.Add(12 * time.Hour), func(s *site) { s.begins("1", "RO"); s.call("1", "RO", 16*time.Minute) }, "account 1 soft/15 after 00:07:05; account 1 hard/30 after 00:14:35"},
		"a minute each, thousands": {noon, func(s *site) {
			for range 120 {
				s.call("1", "RO", 5*time.Second)
			}
		}, "account 1 soft/30 after 12:02:30; account 1 hard/50 after 12:04:10; site hard/100 after 12:08:20"},
		"little by many accounts": {noon.Add(12 * time.Hour), func(s *site) {
			for n := range 30 {
				s.call(fmt.Sprint(n), "RO", 2*time.Minute)
			}
		}, "site soft/30 after 00:29:05; site hard/55 after 00:54:05"},
		"where fraud is frequent": {noon, func(s *site) {
			for range 4 {
				s.call("1", "SO", 8*time.Minute)
			}
		}, "account 1 soft/20 after 12:19:05; account 1 hard/30 after 12:29:05"},
		"not answered": {noon, func(s *site) {
			s.Began(spending.Call{Channel: "a", Account: "1", Place: "RO", Class: spending.International})
			s.passes(2 * time.Hour)
			s.Ended(s.now, "a")
		}, ""},
		"no class": {noon, func(s *site) {
			s.Began(spending.Call{Channel: "a", Account: "1"})
			s.Answered(s.now, "a")
			s.passes(2 * time.Hour)
		}, ""},
		"of nobody": {noon.Add(12 * time.Hour), func(s *site) {
			s.begins("", "RO")
			s.begins("", "RO")
			s.passes(30 * time.Minute)
		}, "site soft/30 after 00:14:35; site hard/55 after 00:27:05"},
		"over midnight, one after another": {noon.Add(11*time.Hour + 50*time.Minute), func(s *site) {
			for range 7 {
				s.call("1", "RO", 10*time.Minute)
			}
		}, "account 1 soft/15 after 00:04:05; account 1 hard/60 after 00:49:05"},
		"over midnight, two at once": {noon.Add(11*time.Hour + 50*time.Minute), func(s *site) {
			for range 2 {
				s.begins("1", "RO")
				s.call("1", "RO", 10*time.Minute)
			}
		}, "account 1 soft/15 after 23:57:05; account 1 hard/30 after 00:03:05"},
		"a conversation into the evening":     {noon.Add(5*time.Hour + 45*time.Minute), func(s *site) { s.call("1", "RO", 70*time.Minute) }, "account 1 soft/15 after 18:14:05"},
		"a busy day, then one call at night":  {noon.Add(time.Hour), func(s *site) { s.day("1", 12); s.call("1", "RO", 45*time.Minute) }, "account 1 soft/15 after 20:14:05"},
		"a busy day, then two calls at night": {noon.Add(time.Hour), func(s *site) { s.day("1", 12); s.begins("1", "RO"); s.call("1", "RO", 20*time.Minute) }, "account 1 soft/15 after 20:07:05; account 1 hard/30 after 20:14:35"},
		"by day somebody else, then at night": {noon.Add(time.Hour), func(s *site) { s.day("2", 29); s.begins("1", "RO"); s.call("1", "RO", 14*time.Minute) }, "account 1 soft/15 after 20:07:05"},
		"from working hours into the evening": {noon.Add(5*time.Hour + 40*time.Minute), func(s *site) {
			s.begins("1", "RO")
			s.call("1", "RO", 40*time.Minute)
		}, "account 1 soft/30 after 17:54:35; account 1 hard/59 after 18:09:05"},
		"the clock goes back": {noon, func(s *site) {
			s.begins("1", "RO")
			s.now = s.now.Add(-time.Hour)
			s.passes(30 * time.Minute)
		}, ""},
		"told once a day": {noon, func(s *site) {
			for range 3 {
				s.call("1", "RO", 31*time.Minute)
				s.Forgive(s.now, "nobody")
				s.passes(23*time.Hour + 40*time.Minute)
			}
		}, "account 1 soft/30 after 12:29:05; account 1 soft/30 after 12:40:05; account 1 soft/30 after 12:51:05"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSite(tc.at)
			tc.play(s)
			if got := s.raised(); got != tc.want {
				t.Errorf("\ngot  %s\nwant %s", got, tc.want)
			}
		})
	}
}

// While the site is learning, the hard limit applies where nobody talks that much.
func TestTheFirstDays(t *testing.T) {
	day := monday.Add(10 * time.Hour)
	for name, tc := range map[string]struct {
		at   time.Time
		play func(*site)
		hard string
	}{
		"in working hours":                      {day, func(s *site) { s.begins("1", "RO"); s.call("1", "RO", 5*time.Hour) }, ""},
		"three calls at once":                   {day, func(s *site) { s.begins("1", "RO"); s.begins("1", "RO"); s.call("1", "RO", time.Hour) }, "1"},
		"three colleagues":                      {day, func(s *site) { s.begins("1", "RO"); s.begins("2", "RO"); s.call("3", "RO", 3*time.Hour) }, ""},
		"where fraud is frequent":               {day, func(s *site) { s.begins("1", "SO"); s.call("1", "SO", time.Hour) }, "1"},
		"outside working hours":                 {day.Add(12 * time.Hour), func(s *site) { s.begins("1", "RO"); s.call("1", "RO", time.Hour) }, "1"},
		"two calls that go on into the evening": {day.Add(7*time.Hour + 20*time.Minute), func(s *site) { s.begins("1", "RO"); s.call("1", "RO", 52*time.Minute) }, ""},
		"at night, where the office calls by day": {day, func(s *site) {
			s.office("1", "2", "3")
			s.calls("4", "RO", 5, 15*time.Minute)
		}, ""},
		"at night, two lines, where the office calls by day": {day, func(s *site) {
			s.office("1", "2", "3")
			s.begins("4", "RO")
			s.call("4", "RO", 50*time.Minute)
		}, "4"},
		"at night, where two call by day": {day, func(s *site) {
			s.office("1", "2")
			s.calls("4", "RO", 5, 15*time.Minute)
		}, "4"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSite(tc.at)
			tc.play(s)
			hard := ""
			for _, a := range s.alerts {
				if a.Level == spending.Hard && a.Key.Kind == spending.PerAccount {
					hard += a.Key.Name
				} else if a.Level == spending.Hard && tc.hard == "" {
					t.Errorf("the site's limit: %s", a.Reason("EUR"))
				}
			}
			if hard != tc.hard {
				t.Errorf("hard limit of %q, want %q", hard, tc.hard)
			}
		})
	}
}

// office is two days on which each of these accounts calls abroad, and the night after.
func (s *site) office(accounts ...string) {
	for range 2 {
		for _, a := range accounts {
			s.call(a, "RO", time.Minute)
		}
		s.passes(24*time.Hour - time.Duration(len(accounts))*time.Minute)
	}
	s.passes(12 * time.Hour)
}

// calls are some calls, one after another.
func (s *site) calls(account, country string, n int, each time.Duration) {
	for range n {
		s.call(account, country, each)
	}
}

// Nobody is told each of the first days that the office calls abroad; but if it suddenly
// calls twice as much as on any day before.
func TestTheFirstDaysSoftly(t *testing.T) {
	s := newSite(monday.Add(10 * time.Hour))
	for day, tc := range []struct {
		minutes int
		want    string
	}{{60, "site soft/50 after 10:49:05"}, {90, ""}, {200, "site soft/180 after 12:59:05"}} {
		s.now = monday.AddDate(0, 0, day).Add(10 * time.Hour)
		for n := range tc.minutes / 10 {
			s.call(fmt.Sprint(n%6), "RO", 10*time.Minute)
		}
		if got := s.raised(); got != tc.want {
			t.Errorf("day %d: got %q, want %q", day, got, tc.want)
		}
	}
}

// A limit outside working hours is about what was used then, and about who used it.
func TestWhoCallsAtNight(t *testing.T) {
	s := newSite(noon.Add(time.Hour))
	s.day("seller", 48)
	s.alerts = nil
	for n := range 12 {
		s.call(fmt.Sprint(n), "FR", 5*time.Minute)
	}
	if len(s.alerts) != 2 {
		t.Fatalf("%d alerts", len(s.alerts))
	}
	for i, want := range []string{
		"30 minutes in 6 calls, about 15 EUR (an estimate at default rates) to places that are not usual (FR) within 24 hours: the soft limit is 30 minutes outside working hours; most of it by 0, 1, 2",
		"55 minutes in 11 calls, about 28 EUR (an estimate at default rates) to places that are not usual (FR) within 24 hours: the hard limit is 55 minutes outside working hours; most of it by 0, 1, 2, 3, 4 and 1 more",
	} {
		if got := s.alerts[i].Reason("EUR"); got != want {
			t.Errorf("\ngot  %s\nwant %s", got, want)
		}
	}
}

// A thief who stays below the soft limit gains nothing for two weeks, and then not more
// than twice as much every two weeks.
func TestATrainedLimit(t *testing.T) {
	s := newSite(learnt)
	minutes := 29
	for day := learnt.Add(10 * time.Hour); day.Before(learnt.AddDate(0, 0, 56)); day = day.AddDate(0, 0, 1) {
		if day.Weekday() == time.Saturday || day.Weekday() == time.Sunday {
			continue
		}
		s.now = day
		s.call("1", "RO", time.Duration(minutes)*time.Minute)
		if got := s.raised(); strings.Contains(got, "account") {
			t.Fatalf("%s, %d minutes: %s", day.Format("01-02"), minutes, got)
		}
		week := int(day.Sub(learnt).Hours() / 24 / 7)
		if most := map[int]int{0: 29, 1: 29, 2: 59, 3: 59, 4: 117, 5: 117, 6: 235, 7: 235}[week]; minutes > most {
			t.Errorf("week %d: %d minutes", week, minutes)
		}
		// As much as the limit allows tomorrow.
		s.now = day.AddDate(0, 0, 1)
		limit := int64(30)
		s.begins("1", "RO")
		for _, x := range s.Standings(s.now.Add(time.Minute), learnt) {
			if x.Key.Kind == spending.PerAccount {
				limit = min(x.Parts[0].Minutes.Soft, 2*x.Parts[0].Money.Soft-2) // by default, a minute costs half a euro
			}
		}
		s.Ended(s.now, fmt.Sprintf("PJSIP/1-%08x", s.n))
		minutes = int(limit) - 2
	}
	t.Logf("after eight weeks: %d minutes a day below the soft limit", minutes)
}

// What a person forgives no longer counts, and what comes after does.
func TestForgive(t *testing.T) {
	s := newSite(noon)
	s.begins("1", "RO")
	s.call("1", "RO", 26*time.Minute)
	if got := s.raised(); !strings.Contains(got, "account 1 hard") {
		t.Fatal(got)
	}
	s.Forgive(s.now, "1")
	s.passes(20 * time.Minute)
	if got := s.raised(); got != "" {
		t.Errorf("forgiven, but: %s", got)
	}
	s.begins("1", "RO")
	s.passes(20 * time.Minute)
	if got := s.raised(); !strings.Contains(got, "account 1 soft") || !strings.Contains(got, "account 1 hard") {
		t.Errorf("after that: %s", got)
	}
}

// A restart loses nothing but what calls cost that are up, which Asterisk lists.
func TestRestart(t *testing.T) {
	var kept []spending.Use
	s := newSite(noon)
	s.Used = func(u spending.Use) { kept = append(kept, u) }
	s.call("1", "RO", 20*time.Minute)
	s.call("1", "RO", 20*time.Minute)
	up := s.now
	s.begins("1", "RO")
	s.passes(8 * time.Minute)

	again := newSite(s.now.Add(time.Minute))
	again.Restore(kept)
	again.begins("1", "RO")
	again.Ended(again.now, "PJSIP/1-00000001")
	again.Began(spending.Call{Channel: "up", Account: "1", Place: "RO", Class: spending.International})
	again.Answered(up, "up")
	again.passes(time.Minute)
	if got := again.raised(); !strings.Contains(got, "account 1 hard/5") {
		t.Errorf("after the restart: %s", got)
	}
}

// Money is counted by the carrier's rates, and by default rates where it has none.
func TestMoney(t *testing.T) {
	rates, _, err := spending.ReadCSV(strings.NewReader("prefix,rate,fee,increment\n40,0.02,0,1/1\n252,9,0.10,60/60\n"))
	if err != nil {
		t.Fatal(err)
	}
	r := rules()
	r.Rates = rates
	s := &site{Spending: spending.New(r), now: noon}
	for i, n := range []string{"+40211234567", "+252612345678", "+999"} {
		c := spending.Call{Channel: fmt.Sprint(i), Account: fmt.Sprint(i), E164: n, Place: n[1:3], Class: spending.International}
		s.Began(c)
		s.Answered(s.now, c.Channel)
	}
	s.passes(150 * time.Second)
	var got []string
	for _, x := range s.Standings(s.now, learnt) {
		got = append(got, x.Key.Name+": "+x.Parts[0].Spent.Words("EUR"))
	}
	want := "|: 8 minutes in 3 calls, about 29 EUR (an estimate at default rates)|0: 3 minutes in 1 call, about 0.05 EUR|1: 3 minutes in 1 call, about 27 EUR|2: 3 minutes in 1 call, about 1.50 EUR (an estimate at default rates)"
	if all := "|" + strings.Join(got, "|"); all != want {
		t.Errorf("\ngot  %s\nwant %s", all, want)
	}
	if got := s.raised(); !strings.Contains(got, "account 1 soft") {
		t.Errorf("raised: %s", got)
	}
}

// Working hours and days are those of the site's time zone, also when summer time ends.
func TestSummerTime(t *testing.T) {
	zone, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	r := rules()
	r.Zone = zone
	in := r.Closed
	r.Closed = func(at time.Time) bool { return in(at.In(zone)) }
	for _, day := range []int{23, 26} { // of October 2026: before and after
		at := time.Date(2026, 10, day, 7, 50, 0, 0, zone)
		s := &site{Spending: spending.New(r), now: at}
		s.begins("1", "RO")
		s.passes(20 * time.Minute)
		x := s.Standings(s.now, monday.AddDate(-1, 0, 0))[0].Parts[0]
		if x.OffHours.Used != 10 || x.Minutes.Used != 10 {
			t.Errorf("October %d: %+v", day, x)
		}
	}
}

// Thousands of accounts and calls are counted in bounded memory.
func TestMany(t *testing.T) {
	s := newSite(noon)
	for n := range 120_000 {
		s.begins(fmt.Sprint(n%5000), "RO")
	}
	if s.Up() != 100_000 || s.Refused() != 20_000 {
		t.Errorf("%d up, %d refused", s.Up(), s.Refused())
	}
}
