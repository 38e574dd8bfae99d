package calls_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tollwarden/tollwarden/responder/calls"
)

// up is how Asterisk lists n calls of an account, of ten minutes each.
func up(account, format string, n int) (list []calls.Channel) {
	for i := range n {
		list = append(list, calls.Channel{
			Name: fmt.Sprintf("PJSIP/%s-%08x", account, i), Account: account, Dialled: fmt.Sprintf(format, i), Calling: true,
			Since: noon.Add(-10 * time.Minute), Answered: noon.Add(-10 * time.Minute),
		})
	}
	return list
}

// Calls that were up before are judged by where they go and how many there are, once.
func TestCallsAlreadyUp(t *testing.T) {
	for name, tc := range map[string]struct {
		up      []calls.Channel
		usually []string // countries, for three days
		late    bool
		want    string
	}{
		"nothing":                         {up: nil},
		"a call centre":                   {up: up("1001", "020794601%02d", 80)},
		"within the site":                 {up: up("1001", "100%d", 8)},
		"few abroad":                      {up: up("1001", "00372500100%02d", 5)},
		"a thief":                         {up: up("1001", "00372500100%02d", 20), want: "15 ConcurrentCalls"},
		"usual":                           {up: up("1001", "003314268530%d", 20), usually: []string{"FR"}},
		"usual and not":                   {up: append(up("1001", "003314268530%d", 20), up("1002", "00372500100%02d", 7)...), usually: []string{"FR"}, want: "2 ConcurrentCalls"},
		"many phones":                     {up: slices.Concat(up("1001", "00372500100%02d", 5), up("1002", "00372500100%02d", 5), up("1003", "00372500100%02d", 5))},
		"satellite":                       {up: up("1001", "00881612345%02d", 1), want: "1 ForbiddenDestination"},
		"sent to a satellite":             {up: []calls.Channel{{Name: "PJSIP/1001-00000001", Account: "1001", Dialled: "s", Calling: true, Data: "PJSIP/00881612345678@carrier,300,T"}}, want: "1 ForbiddenDestination"},
		"sent by chan_sip":                {up: []calls.Channel{{Name: "SIP/1001-00000001", Account: "1001", Dialled: "s", Calling: true, Data: "SIP/carrier/00881612345678&SIP/backup/00881612345678"}}, want: "1 ForbiddenDestination"},
		"to a phone":                      {up: []calls.Channel{{Name: "PJSIP/1001-00000001", Account: "1001", Dialled: "1002", Calling: true, Data: "PJSIP/1002,30"}}},
		"from a carrier":                  {up: up("carrier", "00372500100%02d", 20)},
		"a guest":                         {up: up("stranger", "00372500100%02d", 1), want: "1 AnonymousCall"},
		"late, within the country":        {up: up("1001", "020794601%02d", 20), late: true},
		"late, abroad":                    {up: up("1001", "003314268530%d", 4), late: true, want: "2 OffHours"},
		"late, usual":                     {up: up("1001", "003314268530%d", 4), late: true, usually: []string{"FR"}, want: "2 OffHours"},
		"bare international number":       {up: up("1001", "372500100%02d", 8), usually: []string{"GB"}, want: "3 ConcurrentCalls"},
		"numbers of no country (unknown)": {up: up("1001", "12345678%02d", 8)},
	} {
		t.Run(name, func(t *testing.T) {
			rules := usual()
			rules.Limits.Concurrent, rules.Limits.OffHoursConcurrent = 5, 2
			rules.Limits.Destinations = calls.Destinations{Deny: []string{"satellite"}}
			now := noon
			if tc.late {
				now = noon.Add(11 * time.Hour)
			}
			s := newSite(rules)
			for _, country := range tc.usually {
				s.RestoreHabits(now, []calls.Habit{{Account: "1001", Kind: calls.HabitCountry, Value: country, First: now.Add(-72 * time.Hour), Last: now}})
			}
			for _, want := range []string{tc.want, ""} { // once
				s.BeginSnapshot()
				s.ApplySnapshot(now, slices.Clone(tc.up))
				kinds := map[string]int{}
				for _, sign := range s.CheckAlreadyUp(now, s.AlreadyUp(now)) {
					kinds[sign.Kind.String()]++
				}
				var got []string
				for kind, n := range kinds {
					got = append(got, fmt.Sprint(n, " ", kind))
				}
				if slices.Sort(got); strings.Join(got, ", ") != want {
					t.Errorf("%s, want %q", got, want)
				}
			}
		})
	}
}

// Calls that were heard of count, and have no sign of their own.
func TestCallsAlreadyUpBesideOthers(t *testing.T) {
	rules := usual()
	rules.Limits.Concurrent = 5
	s := newSite(rules)
	list := up("1001", "00372500100%02d", 8)
	for _, c := range list[:4] {
		s.Call(noon, c)
	}
	s.BeginSnapshot()
	s.ApplySnapshot(noon, list)
	before := s.AlreadyUp(noon)
	if found := s.CheckAlreadyUp(noon, before); len(before) != 4 || len(found) != 3 {
		t.Errorf("%d calls, %d signs: %v", len(before), len(found), found)
	}
	if long := before[0].UpFor(noon); long != 10*time.Minute {
		t.Errorf("up for %s", long)
	}
}
