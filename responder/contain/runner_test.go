package contain

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tollwarden/tollwarden/responder/incident"
)

// compromised is a break-in whose address is banned already.
func compromised() *incident.Incident {
	i := breakIn(incident.StepBan, incident.StepHangup, incident.StepRotate, incident.StepRemoveRegistrations, incident.StepNotify)
	i.Steps[0].State = incident.Done
	return i
}

// slow is a site whose PBX takes a second for a password, while a call slips in.
func slow() *site {
	s := newSite(RestrictRule{})
	s.pbx.channels = []string{"PJSIP/1002-00000001", "PJSIP/1002-00000002"}
	s.pbx.takes, s.pbx.slips = time.Second, "PJSIP/1002-000000ff"
	return s
}

// The hang-up does not wait for the rotation, the registrations go after it,
// calls that slipped in are ended; what is reported after that covers all of it.
func TestContainmentInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, i := slow(), compromised()
		s.run(t)
		if refused := s.enqueue(i); len(refused) != 0 {
			t.Fatalf("refused %v", refused)
		}
		s.With(func() {
			if _, active := s.state.Sessions.NewChannel(time.Now(), "1002", "PJSIP/1002-000000fe"); !active {
				t.Error("calls are not ended as they come")
			}
		})
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if story := s.pbx.asked(); story != "hangup 1002; rotate 1002; rotated 1002; expire 1002; hangup 1002" &&
			story != "rotate 1002; hangup 1002; rotated 1002; expire 1002; hangup 1002" {
			t.Errorf("it went: %s", story)
		}
		for n, want := range map[int]string{
			1: "3 channels ended",
			2: "in pjsip.conf; its phones that need the new password were last seen at 198.51.100.10",
			3: "one removed, one stays",
		} {
			if d := i.Steps[n].Detail; !strings.HasPrefix(d, want) {
				t.Errorf("%s says %q, want %q", i.Steps[n].Step, d, want)
			}
		}
		if got := strings.Join(s.finished, "; "); got != "ban done, hangup done, rotate done, remove-registrations done, notify intended" {
			t.Errorf("in the end: %s", got)
		}
		time.Sleep(2 * lingers)
		synctest.Wait()
		if s.state.Sessions.Active(time.Now(), "1002") {
			t.Error("contained for ever")
		}
	})
}

// One step's failure does not keep the others from being done.
func TestFailedStepStopsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, i := slow(), compromised()
		s.pbx.fail("rotate", errors.New("no privilege config"))
		s.Runner.contain(t.Context(), newJob(i, 0))
		if got := states(i); got != "ban done, hangup done, rotate failed, remove-registrations done, notify intended" {
			t.Errorf("%s", got)
		}
		if i.Steps[2].Detail != "no privilege config" {
			t.Errorf("the failure says %q", i.Steps[2].Detail)
		}
		s.pbx.fail("expire", errors.New("no connection"))
		s.pbx.fail("hangup", errors.New("no connection"))
		i = compromised()
		s.Runner.contain(t.Context(), newJob(i, 0))
		if i.Steps[3].Detail != "one removed, one stays: no connection" || !strings.HasSuffix(i.Steps[1].Detail, "ended: no connection") {
			t.Errorf("failures say %q, %q", i.Steps[3].Detail, i.Steps[1].Detail)
		}
	})
}

// However many incidents ask, the password is changed once.
func TestOneRotationForManyIncidents(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, first := slow(), compromised()
		second, third := first.Clone(), first.Clone()
		var both sync.WaitGroup
		both.Go(func() { s.Runner.rotate(t.Context(), newJob(first, 0)) })
		both.Go(func() { s.Runner.rotate(t.Context(), newJob(&second, 0)) })
		both.Wait()
		s.Runner.rotate(t.Context(), newJob(&third, 0)) // decided before the rotation, comes late
		if n := s.pbx.times("rotate 1002"); n != 1 {
			t.Errorf("rotated %d times", n)
		}
		if first.Steps[2].State != incident.Done || second.Steps[2].State != incident.Done || third.Steps[2].State != incident.Skipped {
			t.Errorf("steps are %s, %s, %s", first.Steps[2].State, second.Steps[2].State, third.Steps[2].State)
		}
		if d := third.Steps[2].Detail; d != "the password was already changed after this" {
			t.Errorf("the third says %q", d)
		}
		time.Sleep(time.Second)
		synctest.Wait()
		s.Runner.rotate(t.Context(), newJob(compromised(), 0))
		if n := s.pbx.times("rotate 1002"); n != 2 {
			t.Errorf("a later break-in: rotated %d times in all", n)
		}
	})
}

// A person's rotation does not wait for Asterisk, an incident's does: it does not fail with
// that of the person who asked at the same time.
func TestRotationBesideAPersons(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, i := slow(), compromised()
		s.pbx.fail("rotate", fmt.Errorf("UpdateConfig: %w", incident.ErrUnreachable))
		var both sync.WaitGroup
		both.Go(func() { _, _ = s.Rotate(t.Context(), "1002", 7) })
		synctest.Wait()
		both.Go(func() { s.Runner.rotate(t.Context(), newJob(i, 0)) })
		synctest.Wait()
		s.pbx.fail("rotate", nil)
		both.Wait()
		if i.Steps[2].State != incident.Done || s.pbx.times("rotate 1002") != 2 {
			t.Errorf("%+v after %d rotations", i.Steps[2], s.pbx.times("rotate 1002"))
		}
	})
}

// Asterisk says that the channels are gone, their Hangup events never come:
// the step waits for them a while and then says so.
func TestHangupWaitsForTheEvents(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, i := newSite(RestrictRule{}), compromised()
		s.pbx.channels, s.up = []string{"PJSIP/1002-00000001"}, 1
		start := time.Now()
		s.Runner.hangupStep(t.Context(), newJob(i, 0), "")
		if i.Steps[1].State != incident.Failed || !strings.Contains(i.Steps[1].Detail, "1 still up by their events") || time.Since(start) != legsWithin+quietWithin {
			t.Errorf("after %s: %s, %q", time.Since(start), i.Steps[1].State, i.Steps[1].Detail)
		}

		var events sync.WaitGroup
		events.Go(func() {
			time.Sleep(50 * time.Millisecond)
			s.down()
		})
		i = compromised()
		s.Runner.hangupStep(t.Context(), newJob(i, 0), "")
		events.Wait()
		if i.Steps[1].State != incident.Done {
			t.Errorf("with the last event: %s, %q", i.Steps[1].State, i.Steps[1].Detail)
		}
	})
}

// Calls that the account set up and has left are ended one by one, with its own.
func TestStraysAreHungUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(RestrictRule{})
		s.strays, s.pbx.channels = []string{"PJSIP/trunk-1", "PJSIP/trunk-gone"}, []string{"PJSIP/1002-00000001"}
		ended, err := s.Runner.endCalls(t.Context(), "1002")
		if err != nil || fmt.Sprint(ended) != "[PJSIP/trunk-1 PJSIP/1002-00000001]" {
			t.Errorf("ended %v, %v", ended, err)
		}
		s.pbx.fail("hangup-call", errors.New("no connection"))
		if _, err := s.Runner.endCalls(t.Context(), "1002"); err == nil || s.pbx.times("hangup 1002") != 2 {
			t.Errorf("a stray that stays keeps the account's own calls up: %v", err)
		}
	})
}

// A call for help stays up when all others of its account are ended.
func TestEmergenciesAreSpared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(RestrictRule{})
		s.emergencies, s.pbx.channels = []string{"PJSIP/1002-00000002"}, []string{"PJSIP/1002-00000001", "PJSIP/1002-00000002"}
		ended, err := s.Runner.endCalls(t.Context(), "1002")
		if err != nil || fmt.Sprint(ended, s.pbx.channels) != "[PJSIP/1002-00000001] [PJSIP/1002-00000002]" {
			t.Errorf("ended %v, %v; left %v", ended, err, s.pbx.channels)
		}
	})
}

// A new call of an account that is being contained is ended, and counted among
// those that were.
func TestSweep(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(RestrictRule{})
		s.run(t)
		s.With(func() { s.state.Sessions.Begin("1002", 1) })
		s.pbx.channels = []string{"PJSIP/1002-00000007"}
		s.With(func() { s.Runner.QueueSweep("1002") })
		synctest.Wait()
		if n := s.Runner.ended("1002", nil); n != 1 || s.pbx.asked() != "hangup 1002" {
			t.Errorf("%d ended, asked %s", n, s.pbx.asked())
		}
	})
}

// An account is queued once, and a sweep for which there is no room is refused.
func TestSweepDoesNotWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(RestrictRule{})
		for n := range maxSweeps + 10 {
			account := fmt.Sprint(n)
			if first, again := s.Runner.QueueSweep(account), s.Runner.QueueSweep(account); first != (n < maxSweeps) || again != first {
				t.Fatalf("sweep %d: queued %t, then %t", n, first, again)
			}
		}
		s.run(t)
		synctest.Wait()
		s.With(func() {
			if !s.Runner.QueueSweep("0") || !s.Runner.QueueSweep("new") || len(s.Runner.sweeping) != 2 {
				t.Errorf("after the queue is empty: %v", s.Runner.sweeping)
			}
		})
	})
}

func TestEndCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(RestrictRule{})
		s.run(t)
		for channel, want := range map[string]string{
			"PJSIP/1002-00000001": "hangup-call done ended",
			"PJSIP/1002-gone":     "hangup-call done it had ended by itself",
		} {
			i := breakIn(incident.StepHangupCall)
			if !s.Runner.QueueEnd(i, 0, channel) {
				t.Fatal("no room")
			}
			synctest.Wait()
			if got := states(i) + " " + i.Steps[0].Detail; got != want {
				t.Errorf("%s: %s, want %s", channel, got, want)
			}
		}
		s.Runner.QueueEnd(nil, 0, "PJSIP/1003-00000001") // of a locked account
		s.pbx.fail("hangup-call", errors.New("no connection"))
		i := breakIn(incident.StepHangupCall)
		s.Runner.QueueEnd(i, 0, "PJSIP/1002-00000001")
		synctest.Wait()
		if i.Steps[0].State != incident.Failed || i.Steps[0].Detail != "no connection" || s.pbx.times("hangup-call PJSIP/1003-00000001") != 1 {
			t.Errorf("%+v; asked %s", i.Steps[0], s.pbx.asked())
		}
	})
}

// What nobody has room for is refused at once.
func TestQueuesAreBounded(t *testing.T) {
	s := newSite(RestrictRule{})
	for n := range maxEnds + 1 {
		if room := s.Runner.QueueEnd(nil, 0, "PJSIP/1002-00000001"); room != (n < maxEnds) {
			t.Fatalf("call %d: room %t", n, room)
		}
	}
	for range maxJobs {
		if refused := s.enqueue(breakIn(incident.StepRotate)); refused != nil {
			t.Fatalf("refused %v with room", refused)
		}
	}
	i := compromised()
	i.Account = "1003"
	if refused := s.enqueue(i); len(refused) != 3 {
		t.Errorf("refused %v, want the three steps that wait for Asterisk", refused)
	}
	if s.state.Sessions.Active(time.Now(), "1003") {
		t.Error("calls are ended for an incident that was refused")
	}
}

// Only what waits for Asterisk is work, and only what takes calls away has new
// ones ended.
func TestWork(t *testing.T) {
	done := breakIn(incident.StepRotate)
	done.Steps[0].State = incident.Skipped
	for name, c := range map[string]struct {
		i                *incident.Incident
		work, containing bool
	}{
		"a ban":             {breakIn(incident.StepBan), false, false},
		"one call":          {breakIn(incident.StepHangupCall), false, false},
		"a notification":    {breakIn(incident.StepNotify, incident.StepExec), false, false},
		"a restriction":     {breakIn(incident.StepRestrict), true, false},
		"a hang-up":         {breakIn(incident.StepHangup), true, true},
		"a password":        {breakIn(incident.StepBan, incident.StepRotate), true, true},
		"registrations":     {breakIn(incident.StepRemoveRegistrations), true, true},
		"a lock":            {breakIn(incident.StepLock), true, true},
		"what was skipped":  {done, false, false},
		"an empty incident": {breakIn(), false, false},
	} {
		s := newSite(RestrictRule{})
		s.enqueue(c.i)
		if work := HasWork(c.i, 0); work != c.work || len(s.Runner.jobsC) == 1 != c.work {
			t.Errorf("%s is work: %t", name, work)
		}
		if active := s.state.Sessions.Active(time.Now(), "1002"); active != c.containing {
			t.Errorf("%s contains: %t", name, active)
		}
	}
}

// A restriction is kept before Asterisk is asked, and ends when the attack does.
func TestRestrictionByARunner(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(RestrictRule{Networks: 3, Quiet: time.Minute})
		s.run(t)
		i := breakIn(incident.StepRestrict)
		i.Steps[0].Networks = []netip.Prefix{office}
		s.enqueue(i)
		synctest.Wait()
		if got := states(i) + " " + i.Steps[0].Detail; got != "restrict done restricted; until the attack is over" {
			t.Errorf("%s", got)
		}
		if s.holds["restriction 1002"] != "198.51.100.0/24" || s.state.Held("1002") != "limited to its known networks 198.51.100.0/24" {
			t.Errorf("kept %v, held %q", s.holds, s.state.Held("1002"))
		}
		again := breakIn(incident.StepRestrict)
		s.enqueue(again)
		synctest.Wait()
		if s := again.Steps[0]; s.State != incident.Failed || s.Detail != "limited to its known networks already" {
			t.Errorf("a second one: %+v", s)
		}
		time.Sleep(time.Minute - time.Second)
		synctest.Wait()
		if s.pbx.times("unrestrict 1002 198.51.100.0/24") != 0 {
			t.Error("ended before its time")
		}
		time.Sleep(time.Second + 2*unrestrictEvery)
		synctest.Wait()
		if s.pbx.times("unrestrict 1002 198.51.100.0/24") != 1 || len(s.holds) != 0 || s.state.Held("1002") != "" {
			t.Errorf("asked %s; kept %v", s.pbx.asked(), s.holds)
		}
	})
}

// What Asterisk did not take is cleared away, and not tried at every turn.
func TestRefusedRestriction(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(RestrictRule{Networks: 3, Quiet: time.Hour})
		s.run(t)
		s.pbx.fail("restrict", errors.New("read-only file system"))
		i := breakIn(incident.StepRestrict)
		i.Steps[0].Networks = []netip.Prefix{office}
		s.enqueue(i)
		synctest.Wait()
		if s := i.Steps[0]; s.State != incident.Failed || s.Detail != "read-only file system" {
			t.Errorf("%+v", s)
		}
		time.Sleep(2 * unrestrictEvery)
		synctest.Wait()
		if s.pbx.times("unrestrict 1002 198.51.100.0/24") != 1 || len(s.holds) != 0 {
			t.Errorf("asked %s; kept %v", s.pbx.asked(), s.holds)
		}
		if why := s.state.Restrictions.Objection(guessedFrom(time.Now(), 3), "1002", []netip.Prefix{office}, []netip.Prefix{office}); why != "an earlier attempt failed: read-only file system" {
			t.Errorf("tried again: %q", why)
		}
	})
}

// What could not be ended is never reported as ended: neither what is in force,
// which is tried again, nor what is given up after a day.
func TestRestrictionThatCannotBeEnded(t *testing.T) {
	for name, c := range map[string]struct {
		up   bool
		age  time.Duration
		says string
		kept bool
	}{
		"it is in force":                      {true, 2 * longestAttack, "will retry every minute", true},
		"it may be in force":                  {false, 0, "will retry every minute", true},
		"it may have been in force for a day": {false, 2 * longestAttack, "gave up", false},
	} {
		s := newSite(RestrictRule{})
		s.pbx.fail("unrestrict", errors.New("read-only file system"))
		s.holds["restriction 1002"] = "198.51.100.0/24"
		s.state.Restrictions.by["1002"] = &restriction{up: c.up, since: time.Now().Add(-c.age)}
		_, err := s.Runner.unrestrict(t.Context(), "1002")
		if err == nil || !strings.Contains(err.Error(), c.says) || !strings.Contains(err.Error(), "read-only") {
			t.Errorf("%s: %v", name, err)
		}
		if _, kept := s.state.Restrictions.Networks("1002"); kept != c.kept || len(s.holds) == 1 != c.kept {
			t.Errorf("%s: kept is %t, in the ledger %v", name, kept, s.holds)
		}
	}
}

// A worker that is asked to stop does not hold up the end.
func TestRunEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(RestrictRule{})
		s.up = 1 // whose Hangup never comes
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- s.Runner.Run(ctx) }()
		s.enqueue(compromised())
		synctest.Wait()
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}
