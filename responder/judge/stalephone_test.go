package judge_test

import (
	"testing"
	"time"
)

// A line's address changes, and behind it are a healthy phone and one with an old password
// of one account: neither is the address blocked, nor is the healthy phone a thief. A
// guesser where no phone of the account failed lately is contained.
func TestStalePhoneMoves(t *testing.T) {
	for name, tc := range map[string]struct {
		first   string // where the account fails at first; "" is nowhere
		moves   string // and later
		account string
		after   time.Duration
		want    string // incidents
		bans    string
	}{
		"to the next address":      {office, "198.51.7.9", "1002", time.Hour, "password guessing 198.51.7.9", ""},
		"six days later":           {office, "198.51.7.9", "1002", 6 * 24 * time.Hour, "password guessing 198.51.7.9", ""},
		"eight days later":         {office, "198.51.7.9", "1002", 8 * 24 * time.Hour, "password guessing 198.51.7.9, break-in 1002", "198.51.7.9/32 all #1"},
		"to another provider":      {office, newPlace, "1002", time.Hour, "password guessing 192.0.2.90", ""},
		"no phone had failed":      {"", "198.51.7.9", "1002", time.Hour, "password guessing 198.51.7.9, break-in 1002", "198.51.7.9/32 all #1"},
		"another account's phone ": {office, "198.51.7.9", "1003", time.Hour, "password guessing 198.51.7.9, break-in 1003", "198.51.7.9/32 all #1"},
	} {
		t.Run(name, func(t *testing.T) {
			p := suspecting()
			p.Thresholds[0].Score = 4
			s := owned(t, p)
			if tc.first != "" {
				s.hear(t, noon, over("TCP", failures("1002", tc.first, 2)))
			}
			at := noon.Add(tc.after)
			s.hear(t, at, over("TCP", failures(tc.account, tc.moves, 4)))
			bans := s.bans(at)
			s.hear(t, at.Add(time.Hour), success(tc.account, tc.moves))
			if got := s.verdicts(); got != tc.want {
				t.Errorf("incidents %q, want %q", got, tc.want)
			}
			if (bans != "") != (tc.bans != "") {
				t.Errorf("bans %q, want %q", bans, tc.bans)
			}
		})
	}
}

// A phone is at one address at a time: a guesser who is taken for it is not for long, and
// nobody else is.
func TestStalePhoneIsAtOneAddress(t *testing.T) {
	const guesser, another = newPlace, "203.0.113.66"
	for name, tc := range map[string]struct {
		do   func(t *testing.T, s *site)
		want string // bans
	}{
		"a guesser at a second address": {func(t *testing.T, s *site) {
			s.hear(t, noon.Add(time.Hour), over("TCP", failures("1002", guesser, 1)))
			s.hear(t, noon.Add(2*time.Hour), over("TCP", failures("1002", another, 4)))
		}, another + "/32 all #1"},
		"the phone still fails where it was": {func(t *testing.T, s *site) {
			s.hear(t, noon.Add(time.Hour), over("TCP", failures("1002", guesser, 1)))
			s.hear(t, noon.Add(time.Hour+time.Minute), over("TCP", failures("1002", office, 1)))
			s.hear(t, noon.Add(2*time.Hour), over("TCP", failures("1002", guesser, 4)))
		}, guesser + "/32 all #1"},
		"somebody mistyped, and uses the account where it is": {func(t *testing.T, s *site) {
			s.hear(t, noon.Add(61*time.Minute), over("TCP", success("1002", office)))
			s.hear(t, noon.Add(2*time.Hour), over("TCP", failures("1002", guesser, 4)))
		}, guesser + "/32 all #1"},
		"beside it another phone of the account signs in": {func(t *testing.T, s *site) {
			s.hear(t, noon.Add(50*time.Minute), over("TCP", success("1002", office)))
			s.hear(t, noon.Add(2*time.Hour), over("TCP", failures("1002", guesser, 4)))
		}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			p := suspecting()
			p.Thresholds[0].Score = 4
			s := owned(t, p)
			s.hear(t, noon, over("TCP", failures("1002", office, 2)))
			tc.do(t, s)
			if got := s.bans(noon.Add(3 * time.Hour)); got != tc.want {
				t.Errorf("bans %q, want %q", got, tc.want)
			}
		})
	}
}
