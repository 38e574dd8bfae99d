package settings

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tollwarden/tollwarden/config"
	"github.com/tollwarden/tollwarden/responder/incident"
	"github.com/tollwarden/tollwarden/responder/replay"
)

// record is one call of a Master.csv.
type record struct {
	start   time.Time
	account string
	number  string
	talk    time.Duration
}

// recorded writes call records as Asterisk does: in the order of their ends.
func recorded(t *testing.T, calls []record) string {
	t.Helper()
	end := func(r record) time.Time { return r.start.Add(5*time.Second + r.talk) }
	slices.SortFunc(calls, func(a, b record) int { return end(a).Compare(end(b)) })
	var b strings.Builder
	for i, r := range calls {
		at := func(at time.Time) string { return at.Format(time.DateTime) }
		fmt.Fprintf(&b, "\"\",\"%s\",\"%s\",\"internal\",\"\"\"%[1]s\"\" <%[1]s>\",\"PJSIP/%[1]s-%08[3]x\",\"PJSIP/carrier-%08[3]x\",\"Dial\",\"PJSIP/%[2]s@carrier,60\",\"%[4]s\",\"%[5]s\",\"%[6]s\",%[7]d,%[8]d,\"ANSWERED\",\"DOCUMENTATION\",\"%[9]d.%[3]d\",\"\"\n",
			r.account, r.number, i, at(r.start), at(r.start.Add(5*time.Second)), at(end(r)), int(5+r.talk.Seconds()), int(r.talk.Seconds()), r.start.Unix())
	}
	path := filepath.Join(t.TempDir(), "Master.csv")
	if err := os.WriteFile(path, []byte(b.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// replayed replays call records with the defaults but for these settings, and returns the
// incidents about spending.
func replayed(t *testing.T, settings string, calls []record) (list []incident.Incident) {
	t.Helper()
	cfg, err := config.Parse("site.toml", []byte("[asterisk]\nusername = \"u\"\nsecret = \"s\"\n"+settings), config.Env{Signals: Signals(), Getenv: func(string) string { return "" }})
	if err != nil {
		t.Fatal(err)
	}
	policy, err := Policy(cfg)
	if err != nil {
		t.Fatal(err)
	}
	result, err := replay.Run(t.Context(), []string{recorded(t, calls)}, replay.Options{Policy: policy, Zone: time.UTC})
	if err != nil {
		t.Fatal(err)
	}
	if f := result.Files[0]; int(f.Read) != len(calls) {
		t.Fatalf("read %d of %d records: %+v", f.Read, len(calls), f)
	}
	for _, i := range result.Incidents {
		if strings.Contains(i.Threshold, "budget") || strings.Contains(i.Threshold, "spends") {
			list = append(list, i)
		}
	}
	return list
}

// usedUntil is how many minutes abroad were used by a time.
func usedUntil(at time.Time, calls []record) (minutes float64) {
	for _, r := range calls {
		if talked := min(at.Sub(r.start.Add(5*time.Second)), r.talk); talked > 0 && strings.HasPrefix(r.number, "00") {
			minutes += talked.Minutes()
		}
	}
	return minutes
}

// hard is the first incident that ends calls.
func hard(list []incident.Incident) (i incident.Incident, ok bool) {
	for _, i := range list {
		if strings.Contains(i.Threshold, "budget") {
			return i, true
		}
	}
	return i, false
}

var friday = time.Date(2026, 11, 27, 19, 0, 0, 0, time.UTC)

// weekend is a theft from Friday evening to Monday morning: calls of 58 minutes on so many
// lines of one account.
func weekend(lines int, country string) []record { return theftFor(60*time.Hour, lines, country) }

// theftFor is the beginning of such a weekend.
func theftFor(d time.Duration, lines int, country string) (calls []record) {
	for line := range lines {
		for at, n := friday.Add(time.Duration(line)*20*time.Second), 0; at.Before(friday.Add(d)); n++ {
			calls = append(calls, record{at, "1002", fmt.Sprintf("00%s%07d", country, 1000000+line*1000+n), 58 * time.Minute})
			at = at.Add(59 * time.Minute)
		}
	}
	return calls
}

// office is so many weeks of calls before the theft: within the country, and now and then
// abroad.
func office(weeks int) (calls []record) {
	r := rand.New(rand.NewPCG(3, 3))
	for day := friday.Add(-11*time.Hour).AddDate(0, 0, -7*weeks); day.Before(friday.Add(-24 * time.Hour)); day = day.AddDate(0, 0, 1) {
		if day.Weekday() == time.Saturday || day.Weekday() == time.Sunday {
			continue
		}
		for range 60 {
			at := day.Add(time.Duration(r.IntN(10*3600)) * time.Second)
			number := fmt.Sprintf("0207946%04d", r.IntN(10000))
			if r.IntN(20) == 0 {
				number = fmt.Sprintf("0033142%06d", r.IntN(1000000))
			}
			calls = append(calls, record{at, fmt.Sprint(1001 + r.IntN(20)), number, time.Duration(20+r.IntN(400)) * time.Second})
		}
	}
	return calls
}

const gb, hours = "[calls]\ncountry = \"GB\"\ntimezone = \"UTC\"\n", "hours = [\"Mon-Fri 07:30-19:00\"]\n"

// A weekend of long calls to a country that is neither premium nor known for fraud is
// ended before an hour is used in total.
func TestTheQuietWeekend(t *testing.T) {
	for _, tc := range []struct {
		name, settings string
		before         []record
		theft          []record
	}{
		{"2 lines, with hours, nothing known", gb + hours, nil, theftFor(3*time.Hour, 2, "40721")},
		{"2 lines, with hours, after three weeks", gb + hours, office(3), weekend(2, "40721")},
		{"5 lines, without hours, nothing known", gb, nil, theftFor(3*time.Hour, 5, "40721")},
		{"5 lines, without hours, after three weeks", gb, office(3), weekend(5, "40721")},
		{"5 lines, without hours or country, after three weeks", "[calls]\ntimezone = \"UTC\"\n", office(3), theftFor(3*time.Hour, 5, "40721")},
		{"2 lines, without hours, after three weeks", gb, office(3), theftFor(3*time.Hour, 2, "40721")},
		{"2 lines, without hours, nothing known, where fraud is frequent", gb, nil, theftFor(3*time.Hour, 2, "25261")},
		{"2 lines, to a country that is usual", gb + hours, office(3), theftFor(3*time.Hour, 2, "33142")},
		{"1 line, with hours", gb + hours, office(3), theftFor(3*time.Hour, 1, "40721")},
	} {
		t.Run(tc.name, func(t *testing.T) {
			list := replayed(t, tc.settings, append(slices.Clone(tc.before), tc.theft...))
			i, ok := hard(list)
			if !ok {
				t.Fatalf("not ended: %v", list)
			}
			used := usedUntil(i.At, tc.theft)
			t.Logf("ended after %s and %.1f minutes: %s", i.At.Sub(friday).Round(time.Second), used, i.Reason)
			if i.At.Before(friday) || used >= 60 && !strings.Contains(tc.name, "usual") && !strings.HasPrefix(tc.name, "1") {
				t.Errorf("ended after %.1f minutes", used)
			}
		})
	}
}

// sales is weeks of a sales office: 300 minutes a day to its usual countries, now and then
// elsewhere.
func sales(weeks, sellers int, seed uint64) (calls []record) {
	r := rand.New(rand.NewPCG(seed, 9))
	for day := time.Date(2026, 3, 2, 8, 0, 0, 0, time.UTC); weeks > 0; day = day.AddDate(0, 0, 1) {
		if day.Weekday() == time.Sunday {
			weeks--
		}
		if day.Weekday() == time.Saturday || day.Weekday() == time.Sunday {
			continue
		}
		countries := []string{"33142", "49301", "39061", "31201", "1212555"}
		free := make([]time.Time, sellers)
		for i := range free {
			free[i] = day.Add(time.Duration(r.IntN(3600)) * time.Second)
		}
		for left := time.Duration(240+r.IntN(120)) * time.Minute; left > 0; {
			s := r.IntN(sellers)
			country := countries[r.IntN(len(countries))]
			if r.IntN(120) == 0 {
				country = []string{"48221", "36122", "61291", "81345"}[r.IntN(4)]
			}
			talk := 20*time.Second + min(time.Duration(r.ExpFloat64()*float64(6*time.Minute)), 50*time.Minute)
			calls = append(calls, record{free[s], fmt.Sprint(1001 + s), fmt.Sprintf("00%s%06d", country, r.IntN(1000000)), talk})
			free[s] = free[s].Add(talk + time.Duration(60+r.IntN(900))*time.Second)
			left -= talk
		}
	}
	return calls
}

// A sales office is left alone: no call is ended from the first day on, and nobody is told
// of anything once it is known what is usual.
func TestASalesOffice(t *testing.T) {
	for seed, sellers := range []int{10, 3, 25} {
		if testing.Short() && seed > 0 {
			break
		}
		list := replayed(t, gb+hours, sales(6, sellers, uint64(seed)))
		var before, after int
		for _, i := range list {
			if strings.Contains(i.Threshold, "budget") {
				t.Errorf("%d sellers: calls are ended: %s %s", sellers, i.At, i.Reason)
			}
			if i.At.Before(time.Date(2026, 3, 16, 8, 0, 0, 0, time.UTC)) {
				before++
			} else if after++; strings.Contains(i.Reason, "usual here") || after > 1 {
				t.Errorf("%d sellers: told after learning: %s %s", sellers, i.At, i.Reason)
			}
		}
		t.Logf("%d sellers: told %d times in the first two weeks, and %d times after", sellers, before, after)
	}
}
