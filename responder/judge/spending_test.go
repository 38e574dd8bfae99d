package judge_test

import (
	"strings"
	"testing"
	"time"

	"github.com/tollwarden/tollwarden/ami/event"
	"github.com/tollwarden/tollwarden/responder/calls"
	"github.com/tollwarden/tollwarden/responder/decide"
	"github.com/tollwarden/tollwarden/responder/incident"
	"github.com/tollwarden/tollwarden/responder/judge"
	"github.com/tollwarden/tollwarden/responder/numbers"
	"github.com/tollwarden/tollwarden/responder/score"
	"github.com/tollwarden/tollwarden/responder/spending"
)

// budgeted is a policy with an extension's limit of 20 and 40 minutes, and the site's of 60
// and 80.
func budgeted() judge.Policy {
	p := guessing(10)
	p.Calls = calls.Rules{Dialling: numbers.Dialling{Country: "GB", Internal: 4}}
	p.Budget = spending.Budget{
		Rules: spending.Rules{
			Account: spending.Limits{Minutes: spending.Pair{Soft: 20, Hard: 40}},
			Site:    spending.Limits{Minutes: spending.Pair{Soft: 60, Hard: 80}},
			Usual:   spending.Pair{Soft: 2, Hard: 4},
		},
		Block: 24 * time.Hour, Currency: "EUR",
	}
	one := func(name string, per score.Per, s score.Signal, playbook string) score.Threshold {
		return score.Threshold{Name: name, Per: per, Points: map[score.Signal]int{s: 1}, Score: 1, Within: time.Minute, Playbook: playbook}
	}
	p.Thresholds = append(
		p.Thresholds, one("soft", score.PerAccount, score.SpendingSoft, "tell"), one("hard", score.PerAccount, score.SpendingHard, "end"),
		one("site soft", score.PerSite, score.SiteSpendingSoft, "tell"), one("site hard", score.PerSite, score.SiteSpendingHard, "end"),
	)
	p.Playbooks["tell"] = []incident.StepKind{incident.StepNotify}
	p.Playbooks["end"] = []incident.StepKind{incident.StepLimitCosts, incident.StepNotify}
	return p
}

const romania = "0040211234567"

// talks sets up a call that is answered at once.
func (s *site) talks(at time.Time, channel, dialled string) {
	s.rings(at, channel, dialled)
	s.sees(at, event.Event{Kind: event.Newstate, Channel: []byte(channel), Exten: []byte(dialled), ChannelState: event.StateUp})
}

// watches looks at the calls every five seconds.
func (s *site) watches(from time.Time, d time.Duration) (until time.Time) {
	for until = from; until.Before(from.Add(d)); {
		until = until.Add(5 * time.Second)
		s.Watch(until)
	}
	return until
}

// short is what was done, without the calls of the incidents.
func (s *site) short() string {
	var list []string
	for _, what := range strings.Split(s.effects(), "; ") {
		if !strings.HasPrefix(what, "call ") {
			list = append(list, what)
		}
	}
	return strings.Join(list, "; ")
}

// The hard limit ends the costly calls of an account, and those that follow, and nothing
// else, until a person unlocks it.
func TestBudgetOfAnAccount(t *testing.T) {
	s := newSite(t, budgeted())
	s.talks(noon, "PJSIP/1002-00000001", romania)
	s.talks(noon, "PJSIP/1002-00000002", romania)
	s.talks(noon, "PJSIP/1002-00000003", "02079460001")
	s.talks(noon, "PJSIP/1003-00000004", romania)
	now := s.watches(noon, 11*time.Minute)
	if got := s.short(); got != "record soft 1002" {
		t.Errorf("soft limit: %s", got)
	}
	now = s.watches(now, 10*time.Minute)
	if got := s.short(); !strings.HasPrefix(got, "record soft 1003; record hard 1002; ") || strings.Count(got, "end PJSIP/1002-00000001") == 0 || strings.Count(got, "end PJSIP/1002-00000002") == 0 ||
		strings.Contains(got, "1002-00000003") || strings.Contains(got, "end PJSIP/1003") {
		t.Errorf("hard limit: %s", got)
	}
	step := s.incidents[2].Steps[0]
	if step.State != incident.Done || !strings.Contains(step.Detail, "until 2026-") || !strings.Contains(step.Detail, "tollwarden unlock 1002") {
		t.Errorf("step %+v", step)
	}
	if reason := s.incidents[2].Reason; !strings.Contains(reason, "40 minutes in 2 calls, about 20 EUR (an estimate at default rates) to places that are not usual (RO)") {
		t.Errorf("reason %q", reason)
	}
	for _, c := range []string{"PJSIP/1002-00000001", "PJSIP/1002-00000002"} {
		s.hangsUp(now, c)
	}
	s.short()
	s.rings(now, "PJSIP/1002-00000005", romania)
	s.rings(now, "PJSIP/1002-00000006", "02079460002")
	s.rings(now, "PJSIP/1002-00000007", "999")
	s.rings(now, "PJSIP/1003-00000008", romania)
	if got := s.short(); strings.ReplaceAll(got, "; end PJSIP/1002-00000005", "") != "end PJSIP/1002-00000005" {
		t.Errorf("further calls: %s", got)
	}

	hold := s.holds["1002 costs"]
	again := newSite(t, budgeted())
	if !again.Contain.Costs.Restore(now, hold) {
		t.Fatalf("hold %+v was not restored: %v", hold, s.holds)
	}
	again.rings(now, "PJSIP/1002-00000005", romania)
	if got := again.short(); !strings.HasPrefix(got, "end PJSIP/1002-00000005") {
		t.Errorf("after a restart: %s", got)
	}

	s.hangsUp(now, "PJSIP/1002-00000005")
	s.ForgetAttack("1002")
	s.Forgive(now, "1002")
	s.short()
	s.talks(now, "PJSIP/1002-00000009", romania)
	s.watches(now, time.Minute)
	if got := s.short(); strings.Contains(got, "1002") {
		t.Errorf("after the unlock: %s", got)
	}
}

// A day later, what was used no longer counts.
func TestBudgetOfTheNextDay(t *testing.T) {
	s := newSite(t, budgeted())
	s.talks(noon, "PJSIP/1002-00000001", romania)
	s.talks(noon, "PJSIP/1002-00000002", romania)
	now := s.watches(noon, 21*time.Minute)
	s.hangsUp(now, "PJSIP/1002-00000001")
	s.hangsUp(now, "PJSIP/1002-00000002")
	tomorrow := now.Add(24*time.Hour + time.Minute)
	s.Prune(tomorrow)
	s.short()
	s.talks(tomorrow, "PJSIP/1002-00000003", romania)
	s.watches(tomorrow, 5*time.Minute)
	if got := s.short(); got != "" {
		t.Errorf("the next day: %s", got)
	}
}

// The hard limit of the site ends calls to places that are not usual, of all accounts,
// until a person says resume.
func TestBudgetOfTheSite(t *testing.T) {
	s := newSite(t, budgeted())
	for _, c := range []string{"PJSIP/1001-00000001", "PJSIP/1002-00000002", "PJSIP/1003-00000003"} {
		s.talks(noon, c, romania)
	}
	s.talks(noon, "PJSIP/1001-00000004", "02079460001")
	now := s.watches(noon, 28*time.Minute)
	got := s.short()
	for _, want := range []string{"record site hard site", "end PJSIP/1001-00000001", "end PJSIP/1002-00000002", "end PJSIP/1003-00000003"} {
		if !strings.Contains(got, want) {
			t.Errorf("%s is missing: %s", want, got)
		}
	}
	if strings.Contains(got, "1001-00000004") {
		t.Errorf("a call within the country was ended: %s", got)
	}
	last := s.incidents[len(s.incidents)-1]
	if s := last.Steps[0]; s.State != incident.Done || s.Target != incident.Everybody || !strings.Contains(s.Detail, "tollwarden resume") {
		t.Errorf("step %+v", s)
	}
	s.rings(now, "PJSIP/1001-00000005", "0033142000000")
	if got := s.short(); got != "end PJSIP/1001-00000005" {
		t.Errorf("another call: %s", got)
	}
	s.Resume(now)
	s.rings(now, "PJSIP/1001-00000006", "0033142000000")
	if got := s.short(); strings.Contains(got, "end") {
		t.Errorf("after the resume: %s", got)
	}
}

// In mode observe and during a pause nothing is ended; after a pause it is.
func TestBudgetChangesNothing(t *testing.T) {
	for name, tc := range map[string]struct{ observe, pause bool }{"observe": {observe: true}, "pause": {pause: true}} {
		t.Run(name, func(t *testing.T) {
			p := budgeted()
			p.Observe = tc.observe
			s := newSite(t, p)
			if tc.pause {
				s.Pause(decide.Pause{Since: noon, Until: noon.Add(time.Hour)})
			}
			s.talks(noon, "PJSIP/1002-00000001", romania)
			s.talks(noon, "PJSIP/1002-00000002", romania)
			now := s.watches(noon, 25*time.Minute)
			if got := s.short(); got != "record soft 1002; record hard 1002" {
				t.Errorf("%s", got)
			}
			if !tc.pause {
				return
			}
			s.Resume(now)
			s.watches(now, 10*time.Second)
			if got := s.short(); !strings.Contains(got, "end PJSIP/1002-00000001") {
				t.Errorf("after the pause: %s", got)
			}
		})
	}
}

// Calls that are up when the daemon starts count from Asterisk's list, and a call whose
// end was missed is over.
func TestBudgetOfCallsThatAreUp(t *testing.T) {
	s := newSite(t, budgeted())
	up := []calls.Channel{
		{Name: "PJSIP/1002-00000001", Account: "1002", Dialled: romania, Since: noon.Add(-25 * time.Minute), Answered: noon.Add(-25 * time.Minute), Calling: true},
		{Name: "PJSIP/1002-00000002", Account: "1002", Dialled: romania, Since: noon.Add(-25 * time.Minute), Answered: noon.Add(-25 * time.Minute), Calling: true},
	}
	s.Calls.BeginSnapshot()
	s.Calls.ApplySnapshot(noon, up)
	s.watches(noon, 5*time.Second)
	if got := s.short(); !strings.HasPrefix(got, "record hard 1002; ") {
		t.Errorf("%s", got)
	}
	s.Calls.BeginSnapshot()
	s.Calls.ApplySnapshot(noon, nil)
	s.watches(noon.Add(10*time.Second), 5*time.Second)
	if n := s.Spending.Up(); n != 0 {
		t.Errorf("%d calls are up", n)
	}
}

// A number that a phone sends its caller on to counts for the account.
func TestBudgetOfTransfers(t *testing.T) {
	s := newSite(t, budgeted())
	s.sees(noon, event.Event{Kind: event.Newchannel, Channel: []byte("PJSIP/carrier-00000001"), Exten: []byte("100"), ChannelState: event.StateRing})
	s.sees(noon, event.Event{Kind: event.Newchannel, Channel: []byte("PJSIP/1002-00000002"), ChannelState: event.StateDown})
	s.sees(noon, event.Event{Kind: event.DialBegin, Channel: []byte("PJSIP/carrier-00000001"), DestChannel: []byte("PJSIP/1002-00000002")})
	s.sees(noon, event.Event{Kind: event.BlindTransfer, Channel: []byte("PJSIP/1002-00000002"), DestChannel: []byte("PJSIP/carrier-00000001"), Exten: []byte(romania), Result: []byte("Success")})
	s.sees(noon, event.Event{Kind: event.DialBegin, Channel: []byte("PJSIP/carrier-00000001"), Exten: []byte(romania), DestChannel: []byte("PJSIP/carrier-00000003"), DestChannelState: event.StateUp, DialString: []byte(romania + "@carrier")})
	s.watches(noon, 90*time.Second)
	for _, x := range s.Gate.SpendingNow(noon.Add(90 * time.Second)) {
		if x.Key.Kind == spending.PerAccount && x.Key.Name == "1002" {
			return
		}
	}
	t.Errorf("%+v", s.Gate.SpendingNow(noon.Add(90*time.Second)))
}

// The calls of an incident say about what they cost, also a leg that no phone set up, and one
// that is still up.
func TestCostOfCallsOfAnIncident(t *testing.T) {
	const own, leg = "PJSIP/carrier-00000001", "PJSIP/carrier-00000002"
	const satellite = "00881612345678"
	p := outgoing()
	p.Budget.Currency = "EUR"
	s := pbx(t, p)
	s.rings(noon, own, "100")
	s.sends(noon, own, satellite, leg, satellite+"@carrier")
	s.sees(noon.Add(time.Second), event.Event{Kind: event.Newstate, Channel: []byte(leg), ChannelState: event.StateUp})
	s.hangsUp(noon.Add(91*time.Second), leg)
	if got := s.costs[leg]; got.String() != "16 EUR (an estimate at default rates)" {
		t.Errorf("a leg to a satellite: %s", got)
	}

	s = newSite(t, budgeted())
	s.talks(noon, "PJSIP/1002-00000001", romania)
	now := s.watches(noon, 90*time.Minute)
	if got := s.costs["PJSIP/1002-00000001"]; got.Amount < 40_000_000 || got.Currency != "EUR" || !got.Estimate {
		t.Errorf("a call that is up: %s", got)
	}
	s.hangsUp(now, "PJSIP/1002-00000001")
	if got := s.costs["PJSIP/1002-00000001"]; got.String() != "45 EUR (an estimate at default rates)" {
		t.Errorf("its end: %s", got)
	}
}

// spent are the minutes and calls of an account, as counted.
func (s *site) spent(now time.Time, account string) (minutes int64, n int) {
	for _, x := range s.Gate.SpendingNow(now) {
		if x.Key.Kind != spending.PerAccount || x.Key.Name != account {
			continue
		}
		for _, p := range x.Parts {
			minutes += p.Spent.Minutes()
			n += p.Spent.Calls
		}
	}
	return minutes, n
}

// A call counts once: by the leg to the trunk, and not again by the phone, which may hear an
// announcement, or have the dialplan try another trunk, after the leg has ended or was ended.
func TestBudgetCountsOnce(t *testing.T) {
	const own, leg, second = "PJSIP/1002-00000001", "PJSIP/carrier-00000002", "PJSIP/carrier-00000003"
	answers := func(s *site, at time.Time, channel string) {
		s.sees(at, event.Event{Kind: event.Newstate, Channel: []byte(channel), ChannelState: event.StateUp})
	}
	for name, tc := range map[string]struct {
		play    func(s *site, now time.Time) time.Time
		minutes int64
		calls   int
	}{
		"the leg ends, and the phone hears an announcement": {func(s *site, now time.Time) time.Time {
			s.sends(now, own, romania, leg, romania+"@carrier")
			answers(s, now, leg)
			answers(s, now, own)
			now = s.watches(now, 3*time.Minute)
			s.hangsUp(now, leg)
			return s.watches(now, 10*time.Minute)
		}, 3, 1},
		"the leg is ended at once": {func(s *site, now time.Time) time.Time {
			s.sends(now, own, romania, leg, romania+"@carrier")
			s.hangsUp(now, leg)
			answers(s, now, own)
			return s.watches(now, 10*time.Minute)
		}, 0, 0},
		"the dialplan tries another trunk": {func(s *site, now time.Time) time.Time {
			answers(s, now, own)
			s.sends(now, own, romania, leg, romania+"@carrier")
			s.hangsUp(now, leg)
			now = s.watches(now, time.Minute)
			s.sends(now, own, romania, second, romania+"@carrier")
			answers(s, now, second)
			return s.watches(now, 2*time.Minute)
		}, 2, 1},
		"no leg is seen": {func(s *site, now time.Time) time.Time {
			answers(s, now, own)
			return s.watches(now, 2*time.Minute)
		}, 2, 1},
		"up when the daemon starts": {func(s *site, now time.Time) time.Time {
			up := []calls.Channel{
				{Name: own, Account: "1002", Dialled: romania, Since: now.Add(-4 * time.Minute), Answered: now.Add(-4 * time.Minute), Calling: true, Linkedid: "1", Data: "PJSIP/" + romania + "@carrier"},
				{Name: leg, Account: "carrier", Since: now.Add(-4 * time.Minute), Answered: now.Add(-4 * time.Minute), Called: true, CallerID: romania, Linkedid: "1"},
			}
			s.Calls.BeginSnapshot()
			s.Calls.ApplySnapshot(now, up)
			s.JudgeLegsAlreadyUp(now, s.Calls.Standing(now, up))
			now = s.watches(now, 2*time.Minute)
			s.hangsUp(now, leg)
			return s.watches(now, 2*time.Minute)
		}, 6, 1},
	} {
		t.Run(name, func(t *testing.T) {
			p := budgeted()
			p.Budget.Rules.Account, p.Budget.Rules.Site = spending.Limits{}, spending.Limits{}
			s := pbx(t, p)
			s.rings(noon, own, romania)
			now := tc.play(s, noon)
			if minutes, n := s.spent(now, "1002"); minutes != tc.minutes || n != tc.calls {
				t.Errorf("%d minutes in %d calls, want %d in %d", minutes, n, tc.minutes, tc.calls)
			}
		})
	}
}
