package history_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tollwarden/tollwarden/responder/calls"
	"github.com/tollwarden/tollwarden/responder/cdr"
	"github.com/tollwarden/tollwarden/responder/history"
	"github.com/tollwarden/tollwarden/responder/numbers"
	"github.com/tollwarden/tollwarden/responder/spending"
)

// now is a Monday, at noon.
var now = time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)

func rules() history.Rules {
	r := history.Rules{Calls: calls.Rules{
		Dialling: numbers.Dialling{Country: "GB", Internal: 6}, Learn: 14 * 24 * time.Hour,
		Hours:  calls.Hours{Zone: time.UTC, Open: []calls.Span{{Days: [7]bool{false, true, true, true, true, true}, From: 8 * 60, To: 18 * 60}}},
		Limits: calls.Limits{OffHours: 6, Destinations: calls.Destinations{Deny: []string{"premium", "satellite", "HU"}}},
	}}
	hours := r.Calls.Hours
	r.Spending = spending.Rules{
		Account: spending.Limits{Minutes: spending.Pair{Soft: 30, Hard: 50}, OffHours: spending.Pair{Soft: 15, Hard: 30}},
		Site:    spending.Limits{Minutes: spending.Pair{Soft: 50, Hard: 100}, OffHours: spending.Pair{Soft: 30, Hard: 55}},
		Usual:   spending.Pair{Soft: 2, Hard: 4}, Learn: 14 * 24 * time.Hour, Zone: time.UTC, Closed: hours.Closed,
	}
	return r
}

// Numbers of countries.
const (
	home        = "02079460001"
	france      = "0033142000001"
	bulgaria    = "0035924000001"
	sierraLeone = "0023222123456"
	satellite   = "00881612345678"
	hungary     = "003612345678" // forbidden by the rules above
)

// book writes records.
type book struct{ strings.Builder }

func (b *book) call(account, number string, at time.Time, length time.Duration) {
	fmt.Fprintf(b, `"","%[1]s","%[2]s","in","x","PJSIP/%[1]s-%08[3]x","PJSIP/carrier-%08[3]x","Dial","PJSIP/%[2]s@carrier,30","%[4]s","%[4]s","%[5]s",1,1,"ANSWERED","",""`+"\n",
		account, number, at.Unix()&0xffffff, at.Format(time.DateTime), at.Add(length).Format(time.DateTime))
}

// office adds eight weeks of an office: each working day, 1001 calls France for ten minutes,
// and 1002 its neighbours.
func (b *book) office() {
	for day := now.AddDate(0, 0, -56).Add(-2 * time.Hour); day.Before(now.AddDate(0, 0, -2)); day = day.AddDate(0, 0, 1) {
		if day.Weekday() == time.Saturday || day.Weekday() == time.Sunday {
			continue
		}
		b.call("1001", france, day, 10*time.Minute)
		b.call("1002", home, day.Add(time.Hour), 10*time.Minute)
	}
}

func (b *book) learn(t *testing.T, r history.Rules) history.Learned {
	t.Helper()
	l := history.New(now, r)
	if err := l.Read(cdr.NewCSV(strings.NewReader(b.String()), time.UTC, now, cdr.Unclear), func() error { return nil }); err != nil {
		t.Fatal(err)
	}
	return l.Learned()
}

// countries are those that became usual, in spending or for an account's calls.
func countries(l *history.Learned) (list []string) {
	for _, h := range l.Habits {
		if h.Kind == calls.HabitCountry {
			list = append(list, h.Account+" "+h.Value)
		}
	}
	for _, u := range l.Uses {
		if x := u.Account + " " + u.Place; !slices.Contains(list, x) {
			list = append(list, x+" spent")
		}
	}
	slices.Sort(list)
	return slices.Compact(list)
}

func TestWhatBecomesUsual(t *testing.T) {
	saturday := now.AddDate(0, 0, -9).Add(-10 * time.Hour) // 02:00
	for name, tc := range map[string]struct {
		thief func(*book)
		want  string
	}{
		"nothing odd": {func(*book) {}, "[1001 FR]"},
		"a fraud weekend": {func(b *book) {
			for n := range 300 {
				b.call("1006", []string{sierraLeone, bulgaria}[n%2], saturday.Add(time.Duration(n)*10*time.Minute), 9*time.Minute)
			}
		}, "[1001 FR]"},
		"three fraud nights in a cheap country": {func(b *book) {
			for day := range 3 {
				for n := range 20 {
					b.call("1006", bulgaria, saturday.AddDate(0, 0, day).Add(time.Duration(n)*5*time.Minute), 4*time.Minute)
				}
			}
		}, "[1001 FR]"},
		"a thief with many passwords": {func(b *book) {
			for day := range 3 {
				for n := range 20 {
					b.call(fmt.Sprint(1100+n), bulgaria, saturday.AddDate(0, 0, day).Add(time.Duration(n)*5*time.Minute), 4*time.Minute)
				}
			}
		}, "[1001 FR]"},
		"by day, among calls known for fraud": {func(b *book) {
			for n := range 4 {
				at := now.AddDate(0, 0, -10).Add(time.Duration(n) * time.Minute)
				b.call("1006", satellite, at, time.Minute)
				b.call("1006", bulgaria, at.AddDate(0, 0, -1), time.Minute)
				b.call("1006", bulgaria, at, time.Minute)
			}
		}, "[1001 FR]"},
		"a robot by day": {func(b *book) {
			for day := range 3 {
				for n := range 100 {
					b.call("1006", bulgaria, now.AddDate(0, 0, -20+day).Add(time.Duration(n)*20*time.Second), 10*time.Second)
				}
			}
		}, "[1001 FR]"},
		"the last day": {func(b *book) {
			for n := range 3 {
				b.call("1006", bulgaria, now.Add(-time.Duration(n+1)*7*time.Hour), time.Minute)
			}
		}, "[1001 FR]"},
		"forbidden numbers": {func(b *book) {
			for n := range 5 {
				b.call("1006", hungary, now.AddDate(0, 0, -10-7*n), time.Minute)
			}
		}, "[1001 FR]"},
		"one call, once": {func(b *book) { b.call("1002", bulgaria, now.AddDate(0, 0, -10), time.Minute) }, "[1001 FR 1002 BG spent]"},
		"a thief of whom the account's owner is no victim": {func(b *book) {
			for n := range 30 {
				b.call("1001", sierraLeone, saturday.Add(time.Duration(n)*time.Minute), time.Minute)
			}
		}, "[1001 FR]"},
		"an evening a week": {func(b *book) {
			for n := range 4 {
				b.call("1002", bulgaria, now.AddDate(0, 0, -3-7*n).Add(8*time.Hour), 10*time.Minute)
			}
		}, "[1001 FR 1002 BG]"},
	} {
		t.Run(name, func(t *testing.T) {
			b := &book{}
			b.office()
			tc.thief(b)
			l := b.learn(t, rules())
			if got := fmt.Sprint(countries(&l)); got != tc.want {
				t.Errorf("got  %s\nwant %s\n%s", got, tc.want, l.Summary.Words())
			}
			for _, u := range l.Uses {
				if u.Risky || now.Unix()/3600-u.Hour < 24 {
					t.Errorf("taught %+v", u)
				}
			}
		})
	}
}

// What the records teach, Spending and the Detector know at once, and a fraud in them not.
func TestKnownOnDayOne(t *testing.T) {
	b := &book{}
	b.office()
	b.call("1003", france, now.AddDate(0, 0, -30), 10*time.Minute)
	for n := range 300 {
		b.call("1006", sierraLeone, now.AddDate(0, 0, -16).Add(time.Duration(n)*8*time.Minute), 7*time.Minute)
	}
	r := rules()
	l := b.learn(t, r)
	d := calls.NewDetector(now, r.Calls, nil)
	d.Teach(now, l.Habits)
	if ends := d.LearningEnds(); !d.Taught() || ends.After(now) {
		t.Errorf("still learning until %s: %s", ends, l.Summary.Words())
	}
	s := spending.New(r.Spending)
	s.Teach(l.Uses)
	s.Check(now, d.LearningEnds())
	for _, x := range []struct {
		account, place string
		want           bool
	}{{"1001", "FR", true}, {"1003", "FR", true}, {"1001", "SL", false}, {"1006", "SL", false}, {"1006", "BG", false}} {
		if got := s.Usual(x.account, x.place); got != x.want {
			t.Errorf("%s of %s: usual %v", x.place, x.account, got)
		}
	}
	if again := s.Teach(l.Uses); len(again) > 0 {
		t.Errorf("%d days were taught twice", len(again))
	}
	if x := l.Summary.Suspects; len(x) != 1 || x[0].Account != "1006" || x[0].Calls != 300 {
		t.Errorf("suspects: %+v", x)
	}
	t.Log(l.Summary.Words(), l.Summary.Suspects[0].Words())
}

// Records that are too old, too few or damaged shorten nothing, and that is said.
func TestHowMuchIsKnown(t *testing.T) {
	for name, tc := range map[string]struct {
		write func(*book)
		since string // days ago
		words string
	}{
		"none":            {func(*book) {}, "", "no calls of the last 60 days in 0 records"},
		"an old file":     {func(b *book) { b.call("1001", home, now.AddDate(0, 0, -10), time.Minute) }, "", "the newest record is older than a week"},
		"older than that": {func(b *book) { b.call("1001", home, now.AddDate(0, 0, -90), time.Minute) }, "", "no calls of the last 60 days in 1 records"},
		"a few days": {func(b *book) {
			b.call("1001", home, now.AddDate(0, 0, -50), time.Minute)
			b.call("1001", home, now.AddDate(0, 0, -1), time.Minute)
		}, "3", "1 extension that call"},
		"eight weeks":      {(*book).office, "56", "1 usual country in all"},
		"a row is damaged": {func(b *book) { b.WriteString("\"oops\n"); b.office() }, "56", "1 rows could not be read, the first: \"line 1: not CSV: \\\"oops\""},
	} {
		b := &book{}
		tc.write(b)
		l := b.learn(t, rules())
		since := ""
		if !l.Summary.Since.IsZero() {
			since = fmt.Sprintf("%.0f", now.Sub(l.Summary.Since).Hours()/24)
		}
		if since != tc.since || !strings.Contains(l.Summary.Words(), tc.words) {
			t.Errorf("%s: since %s days, want %s: %s", name, since, tc.since, l.Summary.Words())
		}
	}
}
