package judge_test

import "testing"

// The incident says why an address is on probation.
func TestReasonForProbation(t *testing.T) {
	const last = "; then the account was used from 192.0.2.90, a new address: its owner's, or a thief's"
	for name, tc := range map[string]struct {
		events, want string
	}{
		"others guessed":            {guessedAt("1002") + success("1002", newPlace), "somebody guessed at the password (4 wrong passwords from 2 addresses)"},
		"it failed for another one": {failures("1003", newPlace, 4) + success("1002", newPlace), "wrong passwords for other accounts came from the same address"},
	} {
		s := owned(t, suspecting())
		s.hear(t, noon, tc.events)
		if len(s.incidents) != 1 || s.incidents[0].Reason != tc.want+last {
			t.Errorf("%s: %+v", name, s.incidents)
		}
	}
}
