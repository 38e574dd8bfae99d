package decide

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/tollwarden/tollwarden/responder/incident"
	"github.com/tollwarden/tollwarden/responder/score"
)

// A machine, or somebody in a hurry, at the account's own place keeps its password; its
// calls are ended. Calls that go where the owner's would not, or a thief elsewhere, lose it.
func TestPaceAtHome(t *testing.T) {
	home, elsewhere := netip.MustParseAddr(office), netip.MustParseAddr("203.0.113.9")
	type sign struct {
		signal score.Signal
		from   netip.Addr
		ago    time.Duration
	}
	for name, tc := range map[string]struct {
		signs []sign
		home  bool
		costs bool
		taken bool
	}{
		"a dialer in the office":       {[]sign{{score.CallRate, home, 2}, {score.ConcurrentCalls, home, 1}, {score.Cadence, home, 0}}, true, false, false},
		"a thief in the office":        {[]sign{{score.CallRate, home, 1}, {score.Cadence, home, 0}}, true, true, true},
		"a thief's dialer":             {[]sign{{score.CallRate, elsewhere, 1}, {score.CallRate, elsewhere, 0}}, false, false, true},
		"a thief elsewhere, then here": {[]sign{{score.CallRate, elsewhere, 1}, {score.CallRate, home, 0}}, true, false, true},
		"to premium numbers":           {[]sign{{score.ForbiddenDestination, home, 1}, {score.CallRate, home, 0}}, true, false, true},
		"which was yesterday":          {[]sign{{score.ForbiddenDestination, home, 25 * time.Hour}, {score.CallRate, home, 0}}, true, false, false},
		"many ways to one number":      {[]sign{{score.CallRate, home, 1}, {score.DialProbing, home, 0}}, true, false, true},
	} {
		t.Run(name, func(t *testing.T) {
			v := &score.Verdict{
				At: noon, Key: score.Key{Per: score.PerAccount, Account: "1002"}, Proven: true,
				Threshold: &score.Threshold{Within: time.Hour, Points: map[score.Signal]int{
					score.CallRate: 5, score.ConcurrentCalls: 5, score.Cadence: 3, score.DialProbing: 4, score.ForbiddenDestination: 4,
				}},
			}
			for _, s := range tc.signs {
				v.Evidence = append(v.Evidence, score.Record{At: noon.Add(-s.ago), Signal: s.signal, Source: s.from, Account: "1002"})
			}
			v.Cause = v.Evidence[len(v.Evidence)-1]
			f := Facts{Costly: tc.costs}
			if tc.home {
				f.Home = "its own users are there"
			}
			steps := Plan(v, []incident.StepKind{incident.StepHangup, incident.StepRotate, incident.StepLock, incident.StepRemoveRegistrations, incident.StepNotify}, Ladder{}, f)
			for _, s := range steps {
				want := incident.Intended
				if s.Step.Takes() && !tc.taken {
					want = incident.Skipped
				}
				if s.State != want || want == incident.Skipped && !strings.Contains(s.Detail, "calls.group") {
					t.Errorf("%s is %s: %s", s.Step, s.State, s.Detail)
				}
			}
			if Compromised(steps) != tc.taken {
				t.Errorf("compromised: %v", !tc.taken)
			}
		})
	}
}

// Where more than flows cannot be cut, every flow of a guesser is.
func TestEveryFlowWhereNothingElseCanBeCut(t *testing.T) {
	for name, tc := range map[string]struct {
		wider bool
		want  int
	}{"the address can be closed": {true, maxFlows}, "it cannot": {false, 20}} {
		var f Flows
		n := 0
		for port := range uint16(20) {
			v := wrongPassword(40000+port, "1001", "1002", "1003")
			if _, ok := f.Cut(v, false, "", tc.wider); ok {
				f.Add(v)
				n++
			}
		}
		if n != tc.want {
			t.Errorf("%s: %d flows cut, want %d", name, n, tc.want)
		}
	}
}
