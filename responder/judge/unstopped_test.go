package judge_test

import (
	"net/netip"
	"testing"
	"time"

	"github.com/tollwarden/tollwarden/responder/incident"
	"github.com/tollwarden/tollwarden/responder/score"
)

// An attack that nothing is done about is listed until it is quiet or somebody does
// something.
func TestAttacksThatGoOn(t *testing.T) {
	for name, tc := range map[string]struct {
		settle func(*site)
		at     string
		want   string
	}{
		"from a protected address": {func(s *site) { s.registered(noon, "1001") }, office, "ban skipped: protected (registered contact of 1001), and the evidence can be spoofed"},
		"from an allowed one": {func(s *site) {
			s.Places.SetAllow([]netip.Prefix{netip.MustParsePrefix("203.0.113.0/24")})
		}, "203.0.113.5", "ban skipped: on the allow list"},
		"from anywhere else": {func(*site) {}, thief, ""},
	} {
		s := newSite(t, guessing(3))
		tc.settle(s)
		s.hear(t, noon.Add(time.Second), failures("1002", tc.at, 6))
		if list := s.Unstopped(noon.Add(2 * time.Second)); len(list) > 0 {
			t.Errorf("%s: after two times: %+v", name, list)
		}
		s.hear(t, noon.Add(2*time.Second), failures("1002", tc.at, 30))
		list := s.Unstopped(noon.Add(time.Minute))
		if tc.want == "" {
			if len(list) > 0 {
				t.Errorf("%s: %+v", name, list)
			}
			continue
		}
		if len(list) != 1 || list[0].Reason != tc.want || list[0].Crossed != 12 || list[0].Key.Value() != tc.at || s.Counters().Unstopped != 1 {
			t.Errorf("%s: %+v", name, list)
		}
		s.ban(tc.at+"/32", incident.ScopeAll)
		if list := s.Unstopped(noon.Add(time.Minute)); len(list) > 0 {
			t.Errorf("%s: after a person banned it: %+v", name, list)
		}
		s.Bans.Remove(netip.MustParsePrefix(tc.at + "/32"))
		if list := s.Unstopped(noon.Add(11 * time.Minute)); len(list) > 0 {
			t.Errorf("%s: when it is quiet: %+v", name, list)
		}
	}
}

// Steps that fail again and again let an attack go on, too.
func TestAttacksGoOnWhereStepsFail(t *testing.T) {
	s := newSite(t, guessing(3))
	fail := func(at time.Duration, state incident.State) {
		i := &incident.Incident{Key: sourceKey(thief), Threshold: "password guessing", Mode: incident.Enforce, Steps: []incident.Step{
			{Step: incident.StepBan, State: state, Detail: "the table is lost"}, {Step: incident.StepNotify, State: incident.Intended},
		}}
		s.Settled(noon.Add(at), i, 0)
	}
	for i := range 3 {
		fail(time.Duration(i)*time.Second, incident.Failed)
	}
	if list := s.Unstopped(noon.Add(time.Minute)); len(list) != 1 || list[0].Reason != "ban failed: the table is lost" {
		t.Errorf("%+v", list)
	}
	if fail(4*time.Second, incident.Done); len(s.Unstopped(noon.Add(time.Minute))) != 0 {
		t.Error("it goes on after something was done")
	}
}

// In mode observe nothing is to be done.
func TestNoAttackGoesOnInModeObserve(t *testing.T) {
	p := guessing(3)
	p.Observe = true
	s := newSite(t, p)
	s.registered(noon, "1001")
	s.hear(t, noon, failures("1002", office, 30))
	if list := s.Unstopped(noon.Add(5 * time.Second)); len(list) > 0 {
		t.Errorf("%+v", list)
	}
}

func sourceKey(address string) score.Key {
	return score.Key{Per: score.PerSource, Prefix: netip.MustParsePrefix(address + "/32")}
}
