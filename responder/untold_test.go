package responder

import (
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/tollwarden/tollwarden/responder/ledger"
)

// Somebody outside hears of an incident when all that is done about it has its
// outcome, also that of the lane and of those who end single calls; and after a
// while in any case.
func TestToldWhenRipe(t *testing.T) {
	l, err := ledger.Open("", ledger.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	r, err := New(noon, Policy{Observe: true}, Parts{Ledger: l, Log: zerolog.Nop()})
	if err != nil {
		t.Fatal(err)
	}
	incident := func() *Incident {
		return &Incident{At: noon, Steps: []Step{{Kind: StepBan, State: Intended}, {Kind: StepHangupCall, State: Intended}, {Kind: StepNotify, State: Intended}}}
	}
	told := func(i *Incident, ripe bool) {
		t.Helper()
		select {
		case w := <-r.wordsC:
			if !ripe || w.incident.Steps[0].State != i.Steps[0].State {
				t.Errorf("told %+v, ripe %v", w.incident.Steps, ripe)
			}
		default:
			if ripe {
				t.Error("not told")
			}
		}
	}
	i := incident()
	r.toTell(i, true)
	r.settle(i, 0, Done, "")
	r.settle(i, 1, Failed, "")
	told(i, false) // the crew works on it
	r.finished(i)
	told(i, true)
	r.finished(i)
	told(i, false) // once is enough

	i = incident()
	r.toTell(i, false)
	r.settle(i, 1, Done, "")
	told(i, false)
	r.Tidy(noon.Add(outcomeWithin - time.Second))
	told(i, false)
	r.Tidy(noon.Add(outcomeWithin))
	told(i, true)
	r.settle(i, 0, Done, "")
	told(i, false)
	if len(r.untold) > 0 {
		t.Errorf("%d wait for ever", len(r.untold))
	}
}
