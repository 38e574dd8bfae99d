package judge_test

import (
	"testing"
	"time"

	"github.com/tollwarden/tollwarden/responder/incident"
	"github.com/tollwarden/tollwarden/responder/score"
)

// After we changed a password, the owner's phones fail with the old one wherever they are:
// that is no break-in when one of them has the new one. But a guesser may have found that, so
// the address is on probation. Guesses at another account, or when everybody has had a week
// to enter the new password, are a break-in.
func TestOldPasswordAfterRotation(t *testing.T) {
	for name, tc := range map[string]struct {
		account string
		after   time.Duration
		want    string
	}{
		"the same day":           {"1002", time.Hour, "new place 1002"},
		"six days later":         {"1002", 6 * 24 * time.Hour, "new place 1002"},
		"eight days later":       {"1002", 8 * 24 * time.Hour, "break-in 1002"},
		"another account's":      {"1001", time.Hour, "break-in 1001"},
		"and eight days, others": {"1001", 8 * 24 * time.Hour, "break-in 1001"},
	} {
		t.Run(name, func(t *testing.T) {
			s := owned(t, suspecting())
			s.PasswordChanged(noon, "1002")
			at := noon.Add(tc.after)
			s.Prune(at)
			s.hear(t, at, over("TCP", failures(tc.account, newPlace, 4)))
			s.hear(t, at.Add(time.Minute), success(tc.account, newPlace))
			if got := s.verdicts(); got != tc.want {
				t.Errorf("incidents %q, want %q", got, tc.want)
			}
		})
	}
}

// A phone with an old password at its own place does not make its account one under
// attack; guessers elsewhere do. It counts for its address as before.
func TestOwnPhoneDoesNotAttackItsAccount(t *testing.T) {
	for name, tc := range map[string]struct {
		from [2]string
		want string
	}{
		"at the office":     {[2]string{office, office}, "password guessing 198.51.100.10"},
		"at unknown places": {[2]string{newPlace, "203.0.113.7"}, "under attack 1002"},
	} {
		t.Run(name, func(t *testing.T) {
			p := guessing(10)
			p.Thresholds = append(p.Thresholds, score.Threshold{
				Name: "under attack", Per: score.PerAccount, Points: map[score.Signal]int{score.ChallengeResponseFailed: 1}, Score: 12, Within: time.Hour, Playbook: "notify",
			})
			p.Playbooks["notify"] = []incident.StepKind{incident.StepNotify}
			s := newSite(t, p)
			s.hear(t, noon.Add(-48*time.Hour), success("1002", office))
			for n := range 12 {
				s.hear(t, noon.Add(time.Duration(n)*time.Second), over("TCP", failure("1002", tc.from[n%2], n)))
			}
			if got := s.verdicts(); got != tc.want {
				t.Errorf("incidents %q, want %q", got, tc.want)
			}
		})
	}
}

// In the neighbourhood of its home an account turns up at new addresses while others guess;
// elsewhere, or where the address itself has guessed, that is a reason for doubt.
func TestNewAddressNearHome(t *testing.T) {
	for name, tc := range map[string]struct {
		before, at string
		want       string
	}{
		"another of the provider's":   {guessedAt("1002"), "198.51.7.9", ""},
		"another provider's":          {guessedAt("1002"), "198.52.7.9", "new place 1002"},
		"near, but it guessed itself": {over("TCP", failures("1002", "198.51.7.9", 4)), "198.51.7.9", "break-in 1002"},
		"near, but it tried another":  {over("TCP", failures("1003", "198.51.7.9", 1)), "198.51.7.9", "new place 1002"},
		"near, but it tried several":  {over("TCP", failures("1003", "198.51.7.9", 2)+failures("1001", "198.51.7.9", 2)), "198.51.7.9", "break-in 1002"},
	} {
		t.Run(name, func(t *testing.T) {
			s := owned(t, suspecting())
			s.hear(t, noon, tc.before)
			s.hear(t, noon.Add(time.Minute), success("1002", tc.at))
			if got := s.verdicts(); got != tc.want {
				t.Errorf("incidents %q, want %q", got, tc.want)
			}
			if got := s.bans(noon.Add(time.Minute)); tc.want == "" && got != "" {
				t.Errorf("bans %s", got)
			}
		})
	}
}
