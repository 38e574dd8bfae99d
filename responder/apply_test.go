package responder

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tollwarden/tollwarden/responder/calls"
)

// script is a PBX whose actions take time and are written down in order.
type script struct {
	PBX       // what is not in the script is not asked
	mu        sync.Mutex
	story     []string
	channels  []string // up now
	rotateErr error
	hangupErr error
}

func (s *script) tell(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.story = append(s.story, fmt.Sprintf(format, args...))
}

func (s *script) Hangup(_ context.Context, account string) ([]string, error) {
	s.mu.Lock()
	ended := s.channels
	s.channels = nil
	s.mu.Unlock()
	s.tell("hangup %s", account)
	return ended, s.hangupErr
}

func (s *script) Rotate(_ context.Context, account string) (string, error) {
	s.tell("rotate %s", account)
	time.Sleep(time.Second)
	s.mu.Lock()
	s.channels = append(s.channels, "PJSIP/"+account+"-000000ff") // slipped in meanwhile
	s.mu.Unlock()
	s.tell("rotated %s", account)
	return "in pjsip.conf", s.rotateErr
}

func (s *script) ExpireContacts(_ context.Context, account string) (string, error) {
	s.tell("expire %s", account)
	return "one thrown out, one stays", nil
}
func (s *script) Trusted(context.Context) ([]Protected, error)      { return nil, nil }
func (s *script) Contacts(context.Context) ([]Contact, error)       { return nil, nil }
func (s *script) Channels(context.Context) ([]calls.Channel, error) { return nil, nil }

// end is what an incident's steps had come to when the crew was done with it.
type end struct{ steps []string }

func (e *end) of(i *Incident) {
	for _, s := range i.Steps {
		e.steps = append(e.steps, string(s.Kind)+" "+string(s.State))
	}
}

func testCrew(s *script, e *end) (*crew, *Incident) {
	i := &Incident{Account: "1002", At: time.Now()}
	for _, kind := range []StepKind{StepBan, StepHangup, StepRotate, StepExpireContacts, StepNotify} {
		i.Steps = append(i.Steps, Step{Kind: kind, State: Intended})
	}
	i.Steps[0].State = Done
	var mu sync.Mutex
	var rotated time.Time
	seen := map[string]bool{}
	return &crew{
		pbx: s, hangUp: s.Hangup,
		report: func(i *Incident, n int, state State, detail string) {
			mu.Lock()
			defer mu.Unlock()
			i.Steps[n].State, i.Steps[n].Detail = state, detail
		},
		channels: func(string) (int, <-chan struct{}) { return 0, nil },
		rotatedSince: func(_ string, t time.Time) bool {
			mu.Lock()
			defer mu.Unlock()
			return rotated.After(t)
		},
		rotated: func(string) string {
			mu.Lock()
			defer mu.Unlock()
			rotated = time.Now()
			return "its phones that need the new secret were last seen at 198.51.100.10"
		},
		ended: func(_ string, channels []string) int {
			for _, c := range channels {
				seen[c] = true
			}
			return len(seen)
		},
		contained: func(string) {}, finished: e.of,
	}, i
}

// The hang-up does not wait for the rotation, the registrations go after it,
// calls that slipped in are swept; what is told after that can tell of all of it.
func TestContainmentInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, n := &script{channels: []string{"PJSIP/1002-00000001", "PJSIP/1002-00000002"}}, &end{}
		c, i := testCrew(s, n)
		c.contain(t.Context(), newJob(i))

		story := strings.Join(s.story, ", ")
		if story != "hangup 1002, rotate 1002, rotated 1002, expire 1002, hangup 1002" &&
			story != "rotate 1002, hangup 1002, rotated 1002, expire 1002, hangup 1002" {
			t.Errorf("it went: %s", story)
		}
		if d := i.Steps[1].Detail; !strings.HasPrefix(d, "3 channels ended") {
			t.Errorf("the hang-up says %q, want the channel that slipped in counted", d)
		}
		if d := i.Steps[3].Detail; d != "one thrown out, one stays" {
			t.Errorf("the registrations: %q, want what Asterisk's side says", d)
		}
		if told := strings.Join(n.steps, ", "); told != "ban done, hangup done, rotate done, expire-contacts done, notify intended" {
			t.Errorf("in the end: %s", told)
		}
	})
}

// One step's failure does not keep the others from being done.
func TestAFailedStepStopsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, n := &script{rotateErr: errors.New("no privilege config")}, &end{}
		c, i := testCrew(s, n)
		c.contain(t.Context(), newJob(i))
		want := []State{Done, Done, Failed, Done, Intended}
		for k, state := range want {
			if i.Steps[k].State != state {
				t.Errorf("%s is %s (%s), want %s", i.Steps[k].Kind, i.Steps[k].State, i.Steps[k].Detail, state)
			}
		}
		if i.Steps[2].Detail != "no privilege config" {
			t.Errorf("the failure says %q", i.Steps[2].Detail)
		}
	})
}

// However many incidents ask, the secret is changed once.
func TestOneRotationForManyIncidents(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, n := &script{}, &end{}
		c, first := testCrew(s, n)
		second, third := first.clone(), first.clone()
		var both sync.WaitGroup
		both.Go(func() { c.rotate(t.Context(), newJob(first)) })
		both.Go(func() { c.rotate(t.Context(), newJob(&second)) })
		both.Wait()
		c.rotate(t.Context(), newJob(&third)) // decided before the rotation, comes late
		if got := strings.Count(strings.Join(s.story, ","), "rotate 1002"); got != 1 {
			t.Errorf("rotated %d times", got)
		}
		if first.Steps[2].State != Done || second.Steps[2].State != Done || third.Steps[2].State != Skipped {
			t.Errorf("steps are %s, %s, %s", first.Steps[2].State, second.Steps[2].State, third.Steps[2].State)
		}
	})
}

// Asterisk says that the channels are gone, their Hangup events never come:
// the step waits for them a while and then says so.
func TestHangupWaitsForTheEvents(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, n := &script{channels: []string{"PJSIP/1002-00000001"}}, &end{}
		c, i := testCrew(s, n)
		var up atomic.Int32
		up.Store(1)
		changed := make(chan struct{})
		c.channels = func(string) (int, <-chan struct{}) { return int(up.Load()), changed }
		start := time.Now()
		c.hangup(t.Context(), newJob(i), "")
		if i.Steps[1].State != Failed || !strings.Contains(i.Steps[1].Detail, "1 still up by their events") || time.Since(start) != fallWithin+quietWithin {
			t.Errorf("after %s: %s, %q", time.Since(start), i.Steps[1].State, i.Steps[1].Detail)
		}

		var events sync.WaitGroup
		events.Go(func() {
			time.Sleep(50 * time.Millisecond)
			up.Store(0)
			close(changed)
		})
		_, i = testCrew(s, n)
		c.hangup(t.Context(), newJob(i), "")
		events.Wait()
		if i.Steps[1].State != Done {
			t.Errorf("with the last event: %s, %q", i.Steps[1].State, i.Steps[1].Detail)
		}
	})
}
