package judge_test

import (
	"strings"
	"testing"
	"time"
)

// Colleagues share the Wi-Fi of a hotel: that one of them mistypes, or has an old password
// in a phone, does not make a break-in of the other's login. A guesser at several extensions
// is contained all the same, and so is a thief who failed once elsewhere, by what he calls.
func TestColleaguesAtAHotel(t *testing.T) {
	const own, premium = "PJSIP/1002-00000001", "09098790001"
	owner := over("TCP", success("1002", newPlace))
	mistyped := func(n int, accounts ...string) string {
		var b strings.Builder
		for _, account := range accounts {
			b.WriteString(failures(account, newPlace, n))
		}
		return over("TCP", b.String())
	}
	for name, tc := range map[string]struct {
		before  string
		dials   string
		want    string
		effects string // on the call
	}{
		"a colleague mistypes once":                       {before: mistyped(1, "1003"), want: "new place 1002"},
		"… and calls go on within the country":            {before: mistyped(1, "1003"), dials: "02079460001", want: "new place 1002"},
		"… but costly ones end":                           {before: mistyped(1, "1003"), dials: france, want: "new place 1002", effects: "end " + own},
		"a colleague mistypes, and then gets it right":    {before: mistyped(2, "1003") + over("TCP", success("1003", newPlace)), dials: france},
		"a colleague's phone has an old password":         {before: mistyped(9, "1003"), dials: "02079460001", want: "new place 1002"},
		"two colleagues mistype once":                     {before: mistyped(1, "1003", "1001"), want: "new place 1002"},
		"the owner mistypes, too":                         {before: mistyped(1, "1003") + mistyped(3, "1002"), want: "new place 1002"},
		"a thief guesses twice at two extensions":         {before: mistyped(2, "1003", "1001"), want: "break-in 1002"},
		"a thief guesses once at each of four":            {before: mistyped(1, "1003", "1001", "2001", "2002"), want: "break-in 1002"},
		"… and has guessed at this one, too":              {before: mistyped(1, "1003", "1001", "1002", "1002"), want: "break-in 1002"},
		"a thief guesses at the extension itself":         {before: mistyped(4, "1002"), want: "break-in 1002"},
		"a thief who failed once elsewhere calls premium": {before: mistyped(1, "1003"), dials: premium, want: "new place 1002, break-in 1002", effects: "end " + own},
	} {
		t.Run(name, func(t *testing.T) {
			s := owned(t, suspecting())
			s.hear(t, noon, tc.before)
			s.hear(t, noon.Add(10*time.Second), owner)
			s.effects()
			if tc.dials != "" {
				s.calls(t, noon.Add(time.Minute), newPlace, own, tc.dials)
			}
			if got := s.verdicts(); got != tc.want {
				t.Errorf("incidents %q, want %q", got, tc.want)
			}
			if got := s.effects(); !strings.HasPrefix(got, tc.effects) || tc.effects == "" && got != "" && !strings.HasPrefix(got, "call ") {
				t.Errorf("effects %s", got)
			}
			for _, i := range s.incidents {
				for _, step := range i.Steps {
					if i.Threshold == "new place" && step.Step.Takes() {
						t.Errorf("the extension is taken from its owner: %+v", step)
					}
				}
			}
		})
	}
}
