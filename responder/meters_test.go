package responder_test

import (
	"testing"

	"github.com/tollwarden/tollwarden/responder/score"
)

// What a full table has no room for is told to whoever reads the meters.
func TestWhatDoesNotFitIsMetered(t *testing.T) {
	p := guessing(100)
	p.BreakIn = score.BreakInConfig{Accounts: 1}
	h := newHouse(t, p)
	h.hear(t, noon, []byte(proven(success("1001", "192.0.2.10")+failures("1002", "203.0.113.7", 2))))
	if m := h.Meters(); m.Judge.Refused["failures"] != 2 || m.Judge.Refused["calls"] != 0 {
		t.Errorf("refused %v, want 2 failures", m.Judge.Refused)
	}
}
