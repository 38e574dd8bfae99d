package decide

import (
	"fmt"
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

// Whoever dials one forbidden number again and again from the account's own place keeps the
// password: each of these calls is ended. A thief dials several numbers, or from elsewhere.
func TestRedialAtHome(t *testing.T) {
	const premium, another = "09098790879", "09098790880"
	home, elsewhere := netip.MustParseAddr(office), netip.MustParseAddr("203.0.113.9")
	type sign struct {
		signal score.Signal
		from   netip.Addr
		number string
	}
	forbidden := func(from netip.Addr, number string) sign { return sign{score.ForbiddenDestination, from, number} }
	for name, tc := range map[string]struct {
		signs []sign
		away  bool
		taken bool
	}{
		"one number again and again":         {[]sign{forbidden(home, premium), forbidden(home, premium), forbidden(home, premium)}, false, false},
		"abroad, after a holiday":            {[]sign{forbidden(home, premium), {score.Dormant, home, premium}, {score.NewCountry, home, premium}}, false, false},
		"several numbers":                    {[]sign{forbidden(home, premium), forbidden(home, another), forbidden(home, premium)}, false, true},
		"from elsewhere, too":                {[]sign{forbidden(elsewhere, premium), forbidden(home, premium), forbidden(home, premium)}, false, true},
		"from where the account is not used": {[]sign{forbidden(elsewhere, premium), forbidden(elsewhere, premium), forbidden(elsewhere, premium)}, true, true},
		"and as fast as a machine":           {[]sign{forbidden(home, premium), {score.CallRate, home, premium}, forbidden(home, premium)}, false, true},
		"a number that is not forbidden":     {[]sign{{score.Dormant, home, premium}, {score.NewCountry, home, premium}, {score.OffHours, home, premium}}, false, true},
		"of a call that names none":          {[]sign{forbidden(home, ""), forbidden(home, ""), forbidden(home, "")}, false, true},
	} {
		t.Run(name, func(t *testing.T) {
			v := &score.Verdict{
				At: noon, Key: score.Key{Per: score.PerAccount, Account: "1002"}, Proven: true,
				Threshold: &score.Threshold{Within: time.Hour, Points: map[score.Signal]int{
					score.ForbiddenDestination: 4, score.NewCountry: 2, score.Dormant: 6, score.OffHours: 1, score.CallRate: 5,
				}},
			}
			for n, s := range tc.signs {
				r := score.Record{At: noon.Add(time.Duration(n-10) * time.Minute), Signal: s.signal, Source: s.from, Account: "1002"}
				if s.number != "" {
					r.Session = fmt.Sprintf("PJSIP/1002-%08x %s: GB, premium", n, s.number)
				}
				v.Evidence = append(v.Evidence, r)
			}
			v.Cause = v.Evidence[len(v.Evidence)-1]
			f := Facts{Home: "its own users are there", Costly: true}
			if tc.away {
				f.Home = ""
			}
			steps := Plan(v, []incident.StepKind{incident.StepHangup, incident.StepRotate, incident.StepLock, incident.StepRemoveRegistrations, incident.StepNotify}, Ladder{}, f)
			for _, s := range steps {
				want := incident.Intended
				if s.Step.Takes() && !tc.taken {
					want = incident.Skipped
				}
				if s.State != want {
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
