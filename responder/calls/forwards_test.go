package calls_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/tollwarden/tollwarden/responder/calls"
)

func forward(account, number string) calls.Forward {
	return calls.Forward{Account: account, Which: "all calls", Number: number}
}

// A forward that is set to a costly number is a sign, once; what stood before Tollwarden
// first looked, and what an office forwards to, is none.
func TestForwards(t *testing.T) {
	const satellite, latvia, france, mobile = "00881612345678", "0037167801234", "0033144556677", "07700900123"
	type looks [][]calls.Forward
	for _, tc := range []struct {
		name  string
		looks looks // one each half minute
		want  string
	}{
		{"a forward to a satellite number", looks{{}, {forward("1002", satellite)}, {forward("1002", satellite)}}, "CostlyForward"},
		{"a forward to a country that fraud prefers", looks{{}, {forward("1002", latvia)}}, "CostlyForward"},
		{"a forward that is changed", looks{{}, {forward("1002", mobile)}, {forward("1002", satellite)}}, "CostlyForward"},
		{"forwards of two extensions", looks{{}, {forward("1002", satellite), forward("1003", satellite)}}, "CostlyForward CostlyForward"},
		{"an extension without a phone", looks{{}, {forward("1999", satellite)}}, "CostlyForward"},
		{"a forward that is taken back and set again", looks{{}, {forward("1002", satellite)}, {}, {forward("1002", satellite)}}, "CostlyForward CostlyForward"},
		{"a mobile phone abroad, each evening", looks{{}, {forward("1002", france)}, {}, {forward("1002", france)}, {}, {forward("1002", france)}}, "CostlyForward"},
		{"a country that the extension usually calls", looks{{}, {forward("1001", france)}}, ""},
		{"what stood at the first look", looks{{forward("1002", satellite)}, {forward("1002", satellite)}}, ""},
		{"a mobile phone within the country", looks{{}, {forward("1002", mobile)}}, ""},
		{"another extension", looks{{}, {forward("1002", "1003")}}, ""},
		{"the emergency number", looks{{}, {forward("1002", "999")}}, ""},
		{"a text that is no number", looks{{}, {forward("1002", strings.Repeat("0", 5000)), forward("1002", "#nobody#"), forward("", "")}}, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := busyOffice(t)
			var found []calls.Sign
			for i, list := range tc.looks {
				more, _ := s.Forwards(noon.Add(time.Duration(i)*30*time.Second), list)
				found = append(found, more...)
			}
			if got := names(found); got != tc.want {
				t.Errorf("signs %q, want %q", got, tc.want)
			}
		})
	}
}

// People read whose forward it is, where to, when it was set and how.
func TestForwardInWords(t *testing.T) {
	s := busyOffice(t)
	_, stood := s.Forwards(noon, []calls.Forward{forward("1003", "00881612345678")})
	if got, want := fmt.Sprint(stood), "[all calls of 1003 are forwarded to 00881612345678, forbidden (satellite)]"; got != want {
		t.Errorf("what stood: %s, want %s", got, want)
	}
	s.call(noon.Add(20*time.Second), "1002", "*72", office)
	found, _ := s.Forwards(noon.Add(30*time.Second), []calls.Forward{forward("1002", "0037167801234"), forward("1004", "0037167801234")})
	for i, want := range []string{
		"all calls of 1002 are forwarded to 0037167801234, international (Latvia); set within the last 30s, after its phone dialled *72 from 198.51.100.10",
		"all calls of 1004 are forwarded to 0037167801234, international (Latvia); set within the last 30s, and not by a code that its phone dialled: by a web page (UCP, FreePBX), the manager interface or the command line",
	} {
		if i >= len(found) || found[i].Detail != want {
			t.Errorf("%+v, want %s", found, want)
		}
	}
}

// A restart neither repeats what was told nor hides what was set meanwhile.
func TestForwardsAfterARestart(t *testing.T) {
	before := busyOffice(t)
	told, set := forward("1002", "00881612345678"), forward("1003", "0037167801234")
	before.Forwards(noon, nil)
	before.Forwards(noon.Add(time.Minute), []calls.Forward{told})
	after := siteAt(noon.Add(time.Hour), usual())
	after.restore(noon.Add(time.Hour), before)
	found, stood := after.Forwards(noon.Add(time.Hour), []calls.Forward{told, set})
	if names(found) != "" && found[0].Account != "1003" || len(stood) != 0 {
		t.Errorf("signs %+v, stood %v", found, stood)
	}
	satellite := forward("1004", "00881612345678")
	found, _ = after.Forwards(noon.Add(2*time.Hour), []calls.Forward{told, set, satellite})
	if len(found) != 1 || found[0].Account != "1004" {
		t.Errorf("signs %+v, want one of 1004", found)
	}
}
