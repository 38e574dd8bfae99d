package responder_test

import (
	"testing"
)

// What a full table has no room for shows in the meters.
func TestWhatDoesNotFitIsMetered(t *testing.T) {
	h := newHarness(t, guessing(100))
	h.hear(t, noon, []byte(proven(success("1001", "192.0.2.10")+failures("1002", "203.0.113.7", 2))))
	m := h.Meters()
	for _, table := range []string{"calls", "evidence"} {
		if n, counted := m.Judge.Refused[table]; !counted || n != 0 {
			t.Errorf("%s: %d refused, counted %t", table, n, counted)
		}
	}
	if m.Judge.Accounts != 1 {
		t.Errorf("places of %d accounts, want that of 1001 alone", m.Judge.Accounts)
	}
}
