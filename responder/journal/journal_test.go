package journal

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"

	"github.com/tollwarden/tollwarden/responder/incident"
)

var noon = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

// paper is a ledger that writes down what it is given.
type paper struct {
	next  int64
	lines []string
}

func (p *paper) PutIncident(*incident.Incident) int64 {
	p.next++
	p.lines = append(p.lines, fmt.Sprint("incident ", p.next))
	return p.next
}

func (p *paper) ExtendIncident(i *incident.Incident, step int, more []incident.Evidence) {
	p.lines = append(p.lines, fmt.Sprintf("incident %d from step %d, %d observations", i.ID, step, len(more)))
}

func (p *paper) PutStepOf(id int64, s incident.Step) {
	p.lines = append(p.lines, fmt.Sprintf("%d.? %s %s %s: %s", id, s.Step, s.Target, s.State, s.Detail))
}

func (p *paper) PutStep(id int64, n int, _ time.Time, s incident.Step) {
	p.lines = append(p.lines, strings.TrimSpace(fmt.Sprintf("%d.%d %s %s: %s", id, n, s.Step, s.State, s.Detail)))
}

func (p *paper) story() string { return strings.Join(p.lines, "; ") }

// receiver writes down what is delivered.
type receiver struct{ got []*incident.Incident }

func (r *receiver) Deliver(i *incident.Incident, report func(incident.State, string)) {
	r.got = append(r.got, i)
	report(incident.Done, "delivered")
}

// fixture is a Journal with everything around it in memory.
type fixture struct {
	*Journal
	paper          *paper
	notifier, exec *receiver
	seen           []incident.Incident
}

func newFixture() *fixture {
	d := &fixture{paper: &paper{}, notifier: &receiver{}, exec: &receiver{}}
	d.Journal = New(Options{
		Ledger: d.paper, Log: zerolog.Nop(), Since: noon, Notifier: d.notifier, Exec: d.exec,
		Report: func(i *incident.Incident, n int, state incident.State, detail string) {
			d.Settle(noon.Add(time.Second), i, n, state, detail)
		},
		OnIncident: func(i incident.Incident) { d.seen = append(d.seen, i) },
	})
	return d
}

// waiting delivers what is queued.
func (d *fixture) waiting() (list []message) {
	for {
		select {
		case m := <-d.messagesC:
			list = append(list, m)
		default:
			return list
		}
	}
}

func open(kinds ...incident.StepKind) *incident.Incident {
	i := &incident.Incident{At: noon}
	for _, k := range kinds {
		i.Steps = append(i.Steps, incident.Step{Step: k, State: incident.Intended})
	}
	return i
}

// Somebody outside is informed of an incident when all that is done about it has
// its outcome, also that of the kernel and of those who end single calls; and
// after a while in any case.
func TestDeliveredWhenReady(t *testing.T) {
	d := newFixture()
	delivered := func(i *incident.Incident, ready bool) {
		t.Helper()
		list := d.waiting()
		if len(list) > 0 != ready || len(list) > 1 {
			t.Fatalf("delivered %d times, ready %t", len(list), ready)
		}
		if ready && list[0].incident.Steps[0].State != i.Steps[0].State {
			t.Errorf("delivered %+v", list[0].incident.Steps)
		}
	}
	i := open(incident.StepBan, incident.StepHangupCall, incident.StepNotify)
	d.Expect(noon, i, 0, true)
	d.Settle(noon, i, 0, incident.Done, "")
	d.Settle(noon, i, 1, incident.Failed, "")
	delivered(i, false) // workers deal with it
	d.Finished(noon, i)
	delivered(i, true)
	d.Finished(noon, i)
	delivered(i, false) // once is enough

	i = open(incident.StepBan, incident.StepHangupCall, incident.StepNotify)
	d.Expect(noon, i, 0, false)
	d.Settle(noon, i, 1, incident.Done, "")
	delivered(i, false)
	d.DeliverOverdue(noon.Add(outcomeWithin - time.Second))
	delivered(i, false)
	d.DeliverOverdue(noon.Add(outcomeWithin))
	delivered(i, true)
	d.Settle(noon, i, 0, incident.Done, "")
	delivered(i, false)
	if len(d.pending) > 0 {
		t.Errorf("%d wait for ever", len(d.pending))
	}
}

// An incident that only informs is delivered at once, to each receiver; what is
// for nobody waits for nothing.
func TestDeliveredAtOnce(t *testing.T) {
	d := newFixture()
	d.Expect(noon, open(incident.StepNotify, incident.StepExec), 0, false)
	list := d.waiting()
	if len(list) != 2 || list[0].to != Receiver(d.notifier) || list[1].to != Receiver(d.exec) {
		t.Errorf("delivered %+v", list)
	}
	d.Expect(noon, open(incident.StepBan), 0, true)
	skipped := open(incident.StepNotify)
	skipped.Steps[0].State = incident.Skipped
	d.Expect(noon, skipped, 0, false)
	d.Finished(noon, skipped)
	if len(d.waiting()) != 0 || len(d.pending) != 0 {
		t.Error("something is delivered to nobody")
	}
}

// A receiver gets an incident as it stood, and what it reports becomes the
// step's outcome.
func TestDeliver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newFixture()
		i := open(incident.StepBan, incident.StepNotify)
		d.Record(i)
		d.Expect(noon, i, 0, false)
		d.Settle(noon, i, 0, incident.Done, "until released")
		ctx, cancel := context.WithCancel(t.Context())
		go d.Run(ctx)
		synctest.Wait()
		cancel()
		synctest.Wait()
		if len(d.notifier.got) != 1 || d.notifier.got[0] == i || d.notifier.got[0].ID != 1 || d.notifier.got[0].Steps[0].Detail != "until released" {
			t.Fatalf("delivered %+v", d.notifier.got)
		}
		if s := d.notifier.got[0].Steps[1]; s.State != incident.Intended {
			t.Errorf("what was delivered has changed: %+v", s)
		}
		if s := i.Steps[1]; s.State != incident.Done || s.Detail != "delivered" || time.Duration(s.Took) != time.Second {
			t.Errorf("%+v", s)
		}
	})
}

// When receivers do not keep up, the step fails and says so; nothing waits.
func TestFullMessageQueue(t *testing.T) {
	d := newFixture()
	for range maxPending {
		d.Expect(noon, open(incident.StepNotify), 0, false)
	}
	i := open(incident.StepNotify)
	d.Expect(noon, i, 0, false)
	if s := i.Steps[0]; s.State != incident.Failed || s.Detail != "too many incidents are waiting for delivery" {
		t.Errorf("%+v", s)
	}
	if len(d.waiting()) != maxPending || len(d.pending) != 0 {
		t.Errorf("%d are pending", len(d.pending))
	}
}

// When too many wait for their outcome, they are delivered without it.
func TestTooManyPending(t *testing.T) {
	d := newFixture()
	for range maxPending {
		d.Expect(noon, open(incident.StepBan, incident.StepNotify), 0, false)
	}
	if len(d.waiting()) != 0 {
		t.Fatal("delivered without an outcome, with room")
	}
	d.Expect(noon, open(incident.StepBan, incident.StepNotify), 0, false)
	if list := d.waiting(); len(list) != 1 || list[0].incident.Steps[0].State != incident.Intended {
		t.Errorf("delivered %+v", list)
	}
}

// A new incident has its number before anything is said of it; steps that were
// decided already count, and everything is shown as it stands then.
func TestRecord(t *testing.T) {
	d := newFixture()
	i := open(incident.StepBan, incident.StepHangupCall, incident.StepNotify)
	i.Steps[1].State, i.Steps[1].Detail = incident.Failed, "too many calls to end at once"
	d.Record(i)
	d.Settle(noon.Add(time.Millisecond), i, 0, incident.Done, "until released")
	if i.ID != 1 || d.paper.story() != "incident 1; 1.0 ban done: until released" {
		t.Errorf("number %d, recorded %s", i.ID, d.paper.story())
	}
	if len(d.seen) != 2 || d.seen[0].ID != 1 || d.seen[0].Steps[0].State != incident.Intended || d.seen[1].Steps[0].State != incident.Done {
		t.Errorf("shown %+v", d.seen)
	}
	m := d.Meters()
	if len(m.Steps) != 2 || m.Steps[Outcome{incident.StepBan, incident.Done}] != 1 || m.Steps[Outcome{incident.StepHangupCall, incident.Failed}] != 1 {
		t.Errorf("counted %v", m.Steps)
	}
	if i.Steps[0].Took != incident.Elapsed(time.Millisecond) {
		t.Errorf("took %s", i.Steps[0].Took)
	}
}

// What is tried again is shown, and counts when it has an outcome.
func TestSettleWhileUnderWay(t *testing.T) {
	d := newFixture()
	i := open(incident.StepNotify)
	d.Record(i)
	d.Settle(noon, i, 0, incident.Intended, "mail: not yet")
	if len(d.Meters().Steps) != 0 || len(d.seen) != 2 || d.seen[1].Steps[0].Detail != "mail: not yet" {
		t.Errorf("counted %v, shown %+v", d.Meters().Steps, d.seen)
	}
}

// Whether the kernel took a ban, and how soon after the event.
func TestDropped(t *testing.T) {
	for name, c := range map[string]struct {
		at     time.Time
		err    error
		detail string
		timed  bool
	}{
		"taken":               {noon, nil, "until 2026-11-22 13:00:00 UTC", true},
		"refused":             {noon, errors.New("the table is lost"), "the table is lost; will retry every second", false},
		"learnt from a log":   {noon.Add(-time.Minute), nil, "until 2026-11-22 13:00:00 UTC", false},
		"refused, from a log": {noon.Add(-time.Minute), errors.New("no"), "no; will retry every second", false},
	} {
		d := newFixture()
		i := open(incident.StepBan)
		i.At, i.Steps[0].Ban.Until = c.at, noon.Add(time.Hour)
		d.Dropped(i.At.Add(300*time.Microsecond), i, 0, c.err)
		if s := i.Steps[0]; s.Detail != c.detail || s.State == incident.Done != (c.err == nil) {
			t.Errorf("%s: %+v", name, s)
		}
		m, want := d.Meters(), uint64(0)
		if c.timed {
			want = 1
		}
		if m.Drops[3] != want || m.DropTime != time.Duration(want)*300*time.Microsecond {
			t.Errorf("%s: timed %v, %s", name, m.Drops, m.DropTime)
		}
	}
}

func TestDropTimes(t *testing.T) {
	d := newFixture()
	for _, took := range []time.Duration{0, 50 * time.Microsecond, 51 * time.Microsecond, time.Millisecond, 5 * time.Second, time.Hour} {
		d.meters.dropped(took)
	}
	if got := fmt.Sprint(d.Meters().Drops); got != "[2 1 0 0 1 0 0 0 0 0 0 0 0 1 1]" {
		t.Errorf("%s", got)
	}
}

// A ban that proves right stays the same incident's step, which is found by the address
// if its number is unknown.
func TestPromoted(t *testing.T) {
	ban := incident.Ban{Prefix: netip.MustParsePrefix("192.0.2.66/32"), Since: noon, Until: noon.Add(time.Hour), Incident: 7, Step: 1}
	unknown := ban
	unknown.Step = incident.StepUnknown
	unlisted := ban
	unlisted.Step = incident.StepUnlisted
	for name, c := range map[string]struct {
		ban  incident.Ban
		err  error
		want string
	}{
		"taken":           {ban, nil, "7.1 ban done: until 2026-11-22 13:00:00 UTC: the address is confirmed"},
		"refused":         {ban, errors.New("no"), "7.1 ban failed: no; will retry every second"},
		"an unknown step": {unknown, nil, "7.? ban 192.0.2.66 done: until 2026-11-22 13:00:00 UTC: the address is confirmed"},
		"an unlisted ban": {unlisted, nil, ""},
	} {
		d := newFixture()
		d.Promoted(noon.Add(time.Second), c.ban, c.err)
		if got := d.paper.story(); got != c.want {
			t.Errorf("%s: recorded %q, want %q", name, got, c.want)
		}
	}
}

// What joins an incident is in the message that still waits, and makes no second one;
// what comes after the message needs a step of its own.
func TestJoined(t *testing.T) {
	d := newFixture()
	i := open(incident.StepHangupCall, incident.StepNotify)
	d.Record(i)
	d.Expect(noon, i, 0, false)
	if !d.Undelivered(i) {
		t.Fatal("it does not wait for its outcome")
	}
	i.Steps = append(i.Steps, incident.Step{Step: incident.StepRotate, State: incident.Intended, Began: noon.Add(time.Second)})
	d.Extend(i, 2, make([]incident.Evidence, 3))
	d.Expect(noon.Add(time.Second), i, 2, true)
	d.Settle(noon.Add(2*time.Second), i, 0, incident.Done, "ended")
	if len(d.waiting()) != 0 {
		t.Fatal("delivered before the password was changed")
	}
	d.Settle(noon.Add(3*time.Second), i, 2, incident.Done, "")
	d.Finished(noon.Add(3*time.Second), i)
	if list := d.waiting(); len(list) != 1 || len(list[0].incident.Steps) != 3 {
		t.Fatalf("delivered %+v", list)
	}
	if i.Steps[2].Took != incident.Elapsed(2*time.Second) {
		t.Errorf("the step took %s, from when it joined", i.Steps[2].Took)
	}
	i.Steps = append(i.Steps, incident.Step{Step: incident.StepNotify, State: incident.Intended, Began: noon.Add(time.Minute)})
	d.Extend(i, 3, nil)
	d.Expect(noon.Add(time.Minute), i, 3, false)
	if list := d.waiting(); len(list) != 1 || d.Undelivered(i) {
		t.Errorf("a second message: %+v", list)
	}
	if got := d.paper.story(); !strings.HasPrefix(got, "incident 1; incident 1 from step 2, 3 observations; ") {
		t.Errorf("recorded %s", got)
	}
}

// A ban that follows another one is in the step of the first.
func TestProlonged(t *testing.T) {
	ban := incident.Ban{Prefix: netip.MustParsePrefix("192.0.2.66/32"), Since: noon, Until: noon.Add(time.Hour), Incident: 7, Step: 1, Scope: incident.ScopeSIP, Repeat: 3}
	unlisted := ban
	unlisted.Step = incident.StepUnlisted
	for name, c := range map[string]struct {
		ban  incident.Ban
		err  error
		want string
	}{
		"taken":    {ban, nil, "7.1 ban done: until 2026-11-22 13:00:00 UTC (SIP and IAX2 over UDP only: the address may be spoofed; 3rd time)"},
		"refused":  {ban, errors.New("no"), "7.1 ban failed: no; will retry every second"},
		"unlisted": {unlisted, nil, ""},
	} {
		d := newFixture()
		d.Prolonged(noon.Add(time.Second), c.ban, c.err)
		if got := d.paper.story(); got != c.want {
			t.Errorf("%s: recorded %q, want %q", name, got, c.want)
		}
	}
}
