package calls_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/tollwarden/tollwarden/responder/calls"
)

// busyOffice is a site with 30 phones, after a year, whose extension 1001 usually calls
// France. Fraud prefers Latvia.
func busyOffice(t *testing.T) *site {
	t.Helper()
	rules := usual()
	rules.Risky = func(country string) bool { return country == "LV" }
	rules.Limits.Rate, rules.Limits.Concurrent, rules.Limits.Gap = 0, 0, 0
	s := newSite(rules)
	list := []calls.Account{{Name: "carrier"}}
	for i := range 30 {
		list = append(list, calls.Account{Name: fmt.Sprint(1001 + i), Login: true})
	}
	s.List(list)
	for _, a := range list[1:] {
		s.activate(a.Name)
	}
	s.call(noon.Add(-48*time.Hour), "1001", "0033144556677", office)
	s.hangUp(noon.Add(-48*time.Hour), "1001")
	return s
}

// these are the names of the signs that are about where calls go.
func these(signs []calls.Sign) string {
	var list []calls.Sign
	for _, s := range signs {
		if s.Kind >= calls.CostlyForward {
			list = append(list, s)
		}
	}
	return names(list)
}

// What thieves' calls have in common raises a sign; what looks like it in an office does not.
func TestWhereCallsGo(t *testing.T) {
	after := func(n int) time.Time { return noon.Add(time.Duration(n) * time.Minute) }
	// dial has each number called for that long, one a minute, and returns the signs.
	dial := func(s *site, account string, answered time.Duration, numbers ...string) (found []string) {
		for i, number := range numbers {
			list := s.call(after(i), account, number, office)
			if answered > 0 {
				s.Answer(after(i), fmt.Sprintf("PJSIP/%s-%08x", account, s.serial))
			}
			found = append(found, these(append(list, s.hangUp(after(i).Add(answered), account)...)))
		}
		return found
	}
	numbered := func(format string, n, step int) (list []string) {
		for i := range n {
			list = append(list, fmt.Sprintf(format, i*step))
		}
		return list
	}
	// everybody has that many phones call a number.
	everybody := func(s *site, n int, number string) (found []string) {
		for i := range n {
			account := fmt.Sprint(1001 + i)
			found = append(found, these(s.call(after(i), account, number, office)))
		}
		return found
	}
	for _, tc := range []struct {
		name string
		run  func(s *site) []string
		want string
	}{
		{"a satellite number from many extensions", func(s *site) []string { return everybody(s, 6, "00881612345678") }, "SharedNumber SharedNumber SharedNumber"},
		{"a number in a country that nobody calls, from many extensions", func(s *site) []string { return everybody(s, 5, "0037167801234") }, "SharedNumber SharedNumber"},
		{"ten people call a customer in a country that the office calls", func(s *site) []string { return everybody(s, 10, "0033155667788") }, ""},
		{"a conference bridge abroad, for the second day", func(s *site) []string {
			s.call(noon.Add(-25*time.Hour), "1001", "004930123456", office)
			return everybody(s, 10, "004930123456")
		}, ""},
		{"ten people call a domestic conference bridge", func(s *site) []string { return everybody(s, 10, "02079460999") }, ""},
		{"three people call a new customer abroad", func(s *site) []string { return everybody(s, 3, "0037167801234") }, ""},

		{"numbers in a row", func(s *site) []string { return dial(s, "1002", 0, numbered("003716780%04d", 6, 1)...) }, "SequentialNumbers SequentialNumbers SequentialNumbers"},
		{"numbers in a row, downwards", func(s *site) []string {
			return dial(s, "1002", 0, "0037167800009", "0037167800008", "0037167800007", "0037167800006")
		}, "SequentialNumbers"},
		{"the gaps between numbers in a row are filled last", func(s *site) []string {
			return dial(s, "1002", 0, "0037167800001", "0037167800003", "0037167800004", "0037167800002")
		}, "SequentialNumbers"},
		{"a fax to all extensions of a new customer", func(s *site) []string { return dial(s, "1002", 0, numbered("004822123%04d", 20, 1)...) }, "SequentialNumbers"},
		{"the same, from where the extension is not at home", func(s *site) []string {
			s.Login(noon.Add(-2*time.Hour), []byte("1002"), attacker)
			var found []string
			for i := range 6 {
				found = append(found, these(s.call(after(i), "1002", fmt.Sprintf("004822123%04d", i), attacker)))
			}
			return found
		}, "SequentialNumbers SequentialNumbers SequentialNumbers"},
		{"numbers that are not in a row", func(s *site) []string { return dial(s, "1002", 0, numbered("003716780%04d", 9, 7)...) }, ""},
		{"a call centre dials domestic numbers in a row", func(s *site) []string { return dial(s, "1002", 10*time.Second, numbered("0207946%04d", 30, 1)...) }, ""},
		{"a call centre dials numbers in a row in a country that it calls", func(s *site) []string { return dial(s, "1001", 10*time.Second, numbered("00331445566%02d", 30, 1)...) }, ""},
		{"somebody dials one number again and again", func(s *site) []string {
			return dial(s, "1002", 10*time.Second, strings.Split(strings.Repeat("0037167801234 ", 12), " ")[:12]...)
		}, ""},

		{"short calls to many countries", func(s *site) []string {
			return dial(s, "1002", 5*time.Second, "0037167801234", "0037255566778", "0025261234567", "0023276123456", "0037061234567")
		}, "TestCalls"},
		{"short calls to one range of numbers", func(s *site) []string { return dial(s, "1002", 5*time.Second, numbered("003716780%04d", 6, 9)...) }, "TestCalls TestCalls"},
		{"a salesman reaches voicemail in a new country", func(s *site) []string {
			return dial(s, "1002", 9*time.Second, numbered("00371678%05d", 9, 1717)...)
		}, ""},
		{"a fax machine retries", func(s *site) []string {
			return dial(s, "1002", 6*time.Second, strings.Split(strings.Repeat("0037167801234 ", 10), " ")[:10]...)
		}, ""},
		{"a sales team reaches voicemail in a country that it calls", func(s *site) []string { return dial(s, "1001", 9*time.Second, numbered("003314455%04d", 20, 1)...) }, ""},
		{"conversations abroad", func(s *site) []string {
			return dial(s, "1002", 50*time.Second, "0037167801234", "0037255566778", "0025261234567", "0023276123456", "0037061234567")
		}, ""},

		{"a country that fraud prefers, right after a login from a new place", func(s *site) []string {
			s.Login(noon, []byte("1002"), attacker)
			return []string{these(s.call(after(4), "1002", "0037167801234", attacker)), these(s.call(after(5), "1002", "0037167801235", attacker))}
		}, "CostlyAfterLogin"},
		{"an hour after a login from a new place", func(s *site) []string {
			s.Login(noon, []byte("1002"), attacker)
			return []string{these(s.call(after(60), "1002", "0037167801234", attacker))}
		}, ""},
		{"a traveller calls a country that fraud does not prefer", func(s *site) []string {
			s.Login(noon, []byte("1002"), attacker)
			return []string{these(s.call(after(4), "1002", "0033155667788", attacker)), these(s.call(after(5), "1002", "02079460001", attacker))}
		}, ""},
		{"a call from the office while the phone is used at a new place", func(s *site) []string {
			s.Login(noon, []byte("1002"), attacker)
			return []string{these(s.call(after(4), "1002", "0037167801234", office))}
		}, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			found := strings.Fields(strings.Join(tc.run(busyOffice(t)), " "))
			if got := strings.Join(found, " "); got != tc.want {
				t.Errorf("signs %q, want %q", got, tc.want)
			}
		})
	}
}

// Nothing abroad is unusual in the first days, but what pays thieves is.
func TestWhereCallsGoWhileLearning(t *testing.T) {
	for number, want := range map[string]string{"003716780%04d": "", "008816123456%02d": "SequentialNumbers"} {
		s := siteAt(noon.Add(-24*time.Hour), usual())
		s.List([]calls.Account{{Name: "1002", Login: true}, {Name: "carrier"}})
		s.activate("1002")
		found := ""
		for i := range 4 {
			found = these(s.call(noon.Add(time.Duration(i)*time.Minute), "1002", fmt.Sprintf(number, i), office))
		}
		if found != want {
			t.Errorf("%s: %q, want %q", number, found, want)
		}
	}
}

// Calls that come in from a carrier go to the site's own numbers. Without the site's country
// these look like numbers abroad.
func TestWhereCallsComeIn(t *testing.T) {
	for _, country := range []string{"GB", ""} {
		rules := usual()
		rules.Dialling.Country = country
		s := newSite(rules)
		for i := range 20 {
			at, name := noon.Add(time.Duration(i)*time.Minute), fmt.Sprintf("PJSIP/carrier-%08x", i)
			number := fmt.Sprintf("+4420794600%02d", i)
			found := s.Call(at, calls.Channel{Name: name, Account: "carrier", Dialled: number, Since: at, Calling: true})
			s.Answer(at, name)
			_, more, _ := s.End(at.Add(5*time.Second), name)
			more = append(more, s.call(at, "1002", number, office)...) // a colleague's, in international form
			s.Answer(at, fmt.Sprintf("PJSIP/1002-%08x", s.serial))
			if got := these(append(append(found, more...), s.hangUp(at.Add(5*time.Second), "1002")...)); got != "" {
				t.Fatalf("country %q, call %d: %s", country, i, got)
			}
		}
	}
}

// Minutes of sound without an answer are a sign; a phone that rings is none.
func TestEarlyMedia(t *testing.T) {
	for _, tc := range []struct {
		name, number string
		legs         int
		ringing      time.Duration
		answered     bool
		want         string
	}{
		{"one leg is not answered for an hour", "0037167801234", 1, 13 * time.Minute, false, "EarlyMedia EarlyMedia"},
		{"the queue of an airline in a new country", "0048221234567", 1, 27 * time.Minute, false, "EarlyMedia"},
		{"three legs there", "0048221234567", 3, 7 * time.Minute, false, "EarlyMedia EarlyMedia EarlyMedia"},
		{"five legs at once", "0037167801234", 5, 140 * time.Second, false, "EarlyMedia"},
		{"somebody redials five times", "0037167801234", 5, 45 * time.Second, false, ""},
		{"a long conversation", "0037167801234", 1, 20 * time.Minute, true, ""},
		{"a domestic hotline that answers late", "02079460001", 3, 20 * time.Minute, false, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := busyOffice(t)
			var found []calls.Sign
			for i := range tc.legs {
				own, leg := fmt.Sprintf("PJSIP/1002-%08x", 900+i), fmt.Sprintf("PJSIP/carrier-%08x", 900+i)
				s.Call(noon, calls.Channel{Name: own, Account: "1002", Dialled: tc.number, Since: noon, Calling: true})
				x := calls.Dial{By: own, Exten: tc.number, Channel: leg, String: tc.number + "@carrier"}
				s.Dial(x)
				s.Leaves(noon, x)
				if tc.answered {
					s.Answer(noon.Add(5*time.Second), leg)
				}
			}
			for at := time.Second; at < tc.ringing; at += time.Second {
				found = append(found, s.Unanswered(noon.Add(at))...)
			}
			for i := range tc.legs {
				_, more, _ := s.End(noon.Add(tc.ringing), fmt.Sprintf("PJSIP/carrier-%08x", 900+i))
				found = append(found, more...)
			}
			if got := these(found); got != tc.want {
				t.Errorf("signs %q, want %q", got, tc.want)
			}
		})
	}
}

// However many numbers are called, what is remembered stays bounded.
func TestWhereCallsGoIsBounded(t *testing.T) {
	s := busyOffice(t)
	for i := range 6_000 {
		s.call(noon.Add(time.Duration(i)*time.Second), "1002", fmt.Sprintf("003716%07d", i*3), office)
		s.hangUp(noon.Add(time.Duration(i)*time.Second), "1002")
	}
	if n := s.SharedNumbers(); n > 4096 {
		t.Errorf("%d numbers are remembered", n)
	}
}
