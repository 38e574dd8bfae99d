package judge_test

import (
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tollwarden/tollwarden/ami/event"
	"github.com/tollwarden/tollwarden/responder/incident"
)

// What mode observe would have banned does not stop the ban that mode enforce brings, and does
// not make it a second offence. What a person banned meanwhile stays.
func TestObservedGuesserAfterTheChange(t *testing.T) {
	observing := guessing(3)
	observing.Observe = true
	s := newSite(t, observing)
	s.hear(t, noon, over("TCP", failures("1002", thief, 3)))
	by := netip.MustParsePrefix("203.0.113.9/32")
	s.Bans.Put(incident.Ban{Prefix: by, Since: noon, Origin: incident.OriginOperator})
	if got := s.effects(); got != "record password guessing 192.0.2.66" || s.Bans.Count() != 1 || len(s.Bans.InForce(noon)) != 1 || len(s.Bans.List(noon)) != 2 {
		t.Fatalf("%s; %d in force", got, s.Bans.Count())
	}
	at := noon.Add(time.Minute)
	if err := s.Configure(guessing(3)); err != nil {
		t.Fatal(err)
	}
	s.BeginEnforcing(at)
	if got := s.effects(); got != "192.0.2.66 ended" {
		t.Errorf("the change: %s", got)
	}
	if list := s.Bans.List(at); len(list) != 1 || list[0].Prefix != by {
		t.Errorf("after the change: %v", list)
	}
	s.hear(t, at, over("TCP", failures("1002", thief, 3)))
	if got := s.effects(); !strings.HasPrefix(got, "drop 192.0.2.66") || !strings.Contains(got, "#1") {
		t.Errorf("the next guesses: %s", got)
	}
}

// A ban in force is never replaced by one that is only decided.
func TestObserveKeepsBansInForce(t *testing.T) {
	p := guessing(3)
	p.Observe = true
	s := newSite(t, p)
	at := netip.MustParsePrefix(thief + "/32")
	s.Bans.Put(incident.Ban{Prefix: at, Since: noon.Add(-time.Minute), Until: noon.Add(10 * time.Minute), Scope: incident.ScopeSIP, Origin: "password guessing"})
	s.hear(t, noon, over("TCP", failures("1002", thief, 3)))
	if ban, ok := s.Bans.Exact(noon, at); !ok || ban.Observed || ban.Scope != incident.ScopeSIP {
		t.Errorf("%+v", ban)
	}
}

// A threshold that only observes leaves nothing that would stop another one.
func TestThresholdThatOnlyObserves(t *testing.T) {
	p := guessing(3)
	p.Thresholds = slices.Clone(p.Thresholds)
	watched := p.Thresholds[0]
	watched.Name, watched.Score, watched.Observe = "eager", 2, true
	p.Thresholds = append(p.Thresholds, watched)
	s := newSite(t, p)
	s.hear(t, noon, failures("1002", thief, 2))
	if got := s.effects(); got != "record eager 192.0.2.66" || s.bans(noon) != "" {
		t.Errorf("two guesses: %s; %s", got, s.bans(noon))
	}
	if i := s.incidents[0]; i.Mode != incident.Observe || !strings.HasPrefix(i.Steps[0].Detail, "this threshold only observes: would ban 192.0.2.66 until ") {
		t.Errorf("%s, %s", i.Mode, i.Steps[0].Detail)
	}
	s.hear(t, noon.Add(time.Second), failures("1002", thief, 1))
	if got := s.effects(); !strings.Contains(got, "drop 192.0.2.66") || s.incidents[1].Mode != incident.Enforce {
		t.Errorf("the third: %s", got)
	}
}

// A break-in seen in mode observe waits until somebody deals with it: acts on it, in either mode,
// or changes the password.
func TestBreakInsThatWait(t *testing.T) {
	p := suspecting()
	p.Observe = true
	for name, deal := range map[string]func(s *site, at time.Time) error{
		"act on it": func(s *site, at time.Time) error {
			if err := s.Configure(suspecting()); err != nil {
				return err
			}
			s.BeginEnforcing(at)
			s.effects()
			_, err := s.ActOn(at, "1002")
			return err
		},
		"act on it in mode observe": func(s *site, at time.Time) error { return second(s.ActOn(at, "1002")) },
		"a person reports it":       func(s *site, at time.Time) error { return second(s.Compromise(at, "1002")) },
		"change the password":       func(s *site, at time.Time) error { s.PasswordChanged(at, "1002"); return nil },
	} {
		s := owned(t, p)
		s.hear(t, noon, over("TCP", failures("1002", thief, 5)+success("1002", thief)))
		at := noon.Add(time.Minute)
		list := s.BreakIns(at)
		if len(list) != 1 || list[0].Account != "1002" || len(list[0].From) != 1 || list[0].From[0] != netip.MustParsePrefix(thief+"/32") {
			t.Fatalf("waiting: %+v; %s", list, s.verdicts())
		}
		if second(s.ActOn(at, "1001")) == nil {
			t.Error("acted on 1001, which nobody has broken into")
		}
		s.effects()
		if err := deal(s, at); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		got := s.effects()
		if acts := name != "change the password"; acts != strings.HasPrefix(got, "drop 192.0.2.66 all #1; record break-in 1002") {
			t.Errorf("%s: %s", name, got)
		}
		if list := s.BreakIns(at); len(list) != 0 {
			t.Errorf("%s: still waiting: %+v", name, list)
		}
	}
}

// The incident of a thief whom nothing stops has the calls that come after it, too, and says
// whether they are answered while they are up. The owner's, after the password was changed, are
// not among them.
func TestCallsOfAThiefInObserve(t *testing.T) {
	p := suspecting()
	p.Observe = true
	s := owned(t, p)
	s.hear(t, noon, over("TCP", failures("1002", thief, 5)+success("1002", thief)))
	s.effects()
	at := noon.Add(10 * time.Minute)
	s.rings(at, "PJSIP/1002-00000001", domestic)
	s.rings(at, "PJSIP/1001-00000002", domestic)
	if got := s.effects(); got != "call "+domestic+" of incident [1] is up" {
		t.Errorf("a call: %s", got)
	}
	s.sees(at.Add(time.Second), event.Event{Kind: event.Newstate, Channel: []byte("PJSIP/1002-00000001"), ChannelState: event.StateUp})
	if got := s.effects(); !strings.HasPrefix(got, "call "+domestic+" of incident [1] is up") {
		t.Errorf("its answer: %s", got)
	}
	s.PasswordChanged(at.Add(time.Minute), "1002")
	s.effects()
	s.rings(at.Add(2*time.Minute), "PJSIP/1002-00000003", domestic)
	if got := s.effects(); got != "" {
		t.Errorf("the owner's call: %s", got)
	}
}
