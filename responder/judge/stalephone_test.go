package judge_test

import (
	"testing"
	"time"
)

// A line's address changes, and behind it are a healthy phone and one with an old password
// of one account: neither is the address blocked, nor is the healthy phone a thief. A
// guesser elsewhere, or where no phone of the account failed lately, is contained.
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
		"to another provider":      {office, newPlace, "1002", time.Hour, "password guessing 192.0.2.90, break-in 1002", "192.0.2.90/32 all #1"},
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
