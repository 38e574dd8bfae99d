package ledger

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

	"github.com/tollwarden/tollwarden/ami/event"
	"github.com/tollwarden/tollwarden/responder/incident"
	"github.com/tollwarden/tollwarden/responder/score"
)

// moments are the states in which a read can find a change. The result must not
// depend on the state.
var moments = []struct {
	name string
	path func(t *testing.T) string
	// settle brings a ledger with queued changes into the state.
	settle func(t *testing.T, l *Ledger) *Ledger
}{
	{"queued", file, keep},
	{"flushed", file, flushed},
	{"reopened", file, reopen},
	{"queued in memory", func(*testing.T) string { return "" }, keep},
	{"in memory", func(*testing.T) string { return "" }, flushed},
}

func keep(_ *testing.T, l *Ledger) *Ledger { return l }

func flushed(t *testing.T, l *Ledger) *Ledger {
	t.Helper()
	flush(t, l)
	return l
}

// lock makes another program hold the file's write lock.
func lock(t *testing.T, l *Ledger) func() {
	conn := other(t, l.path, "BEGIN IMMEDIATE")
	return func() { say(t, conn, "ROLLBACK") }
}

// inEachMoment runs write against a fresh ledger and then read in each state.
func inEachMoment(t *testing.T, write, read func(t *testing.T, l *Ledger)) {
	for _, m := range moments {
		t.Run(m.name, func(t *testing.T) {
			t.Parallel()
			l := open(t, m.path(t))
			write(t, l)
			read(t, m.settle(t, l))
		})
	}
}

// Rotations say when passwords were changed, on which the grace period depends.
func TestRotations(t *testing.T) {
	at := func(m int) time.Time { return noon.Add(time.Duration(m) * time.Minute) }
	rotate := func(account string, state incident.State) incident.Step {
		return incident.Step{Step: incident.StepRotate, Target: account, State: state, Took: incident.Elapsed(time.Second)}
	}
	inEachMoment(t, func(_ *testing.T, l *Ledger) {
		l.PutIncident(&incident.Incident{At: at(-90), Steps: []incident.Step{rotate("1009", incident.Done)}})
		l.PutIncident(&incident.Incident{At: at(0), Steps: []incident.Step{rotate("1001", incident.Done), rotate("1002", incident.Failed), rotate("1003", incident.Done)}})
		hangup := incident.Step{Step: incident.StepHangup, Target: "1004", State: incident.Done}
		l.PutIncident(&incident.Incident{At: at(1), Steps: []incident.Step{rotate("1003", incident.Done), hangup}})
		l.PutAction(Action{At: at(2), Action: "rotate", Target: "1005"})
		l.PutAction(Action{At: at(2), Action: "rotate failed", Target: "1006"})
	}, func(t *testing.T, l *Ledger) {
		same(t, "rotations", must[map[string]time.Time](t)(l.Rotations(t.Context(), at(-60))), map[string]time.Time{
			"1001": at(0).Add(time.Second), "1003": at(1).Add(time.Second), "1005": at(2),
		})
	})
}

// A call is written when it begins and again when it ends.
func TestCallsOfAnIncident(t *testing.T) {
	call := func(n int, ended time.Time) incident.Call {
		return incident.Call{Channel: fmt.Sprintf("PJSIP/1002-%08x", n), Account: "1002", Dialled: "00881234567", Country: "GB", Began: noon.Add(time.Duration(n) * time.Second), Ended: ended}
	}
	inEachMoment(t, func(_ *testing.T, l *Ledger) {
		id := l.PutIncident(&incident.Incident{At: noon})
		other := l.PutIncident(&incident.Incident{At: noon})
		l.PutCall(id, call(2, time.Time{}))
		l.PutCall(id, call(1, time.Time{}))
		l.PutCall(other, call(3, time.Time{}))
		l.PutCall(id, call(1, noon.Add(time.Minute)))
	}, func(t *testing.T, l *Ledger) {
		same(t, "calls", must[incident.Incident](t)(l.Incident(t.Context(), 1)).Calls, []incident.Call{call(1, noon.Add(time.Minute)), call(2, time.Time{})})
	})
}

// What calls cost is summed up, whether they have ended or not.
func TestCostOfAnIncident(t *testing.T) {
	call := func(n int, amount int64, estimate bool) incident.Call {
		c := incident.Call{Channel: fmt.Sprintf("PJSIP/1002-%08x", n), Account: "1002", Dialled: "00881234567", Began: noon}
		if amount > 0 {
			c.Cost = incident.Cost{Amount: amount, Currency: "EUR", Estimate: estimate}
		}
		return c
	}
	inEachMoment(t, func(_ *testing.T, l *Ledger) {
		for n := range 3 {
			id := l.PutIncident(&incident.Incident{At: noon})
			for k := range n + 1 {
				l.PutCall(id, call(k, int64(n*k)*1_500_000, k == 2))
			}
		}
	}, func(t *testing.T, l *Ledger) {
		var costs []string
		for _, i := range must[[]incident.Incident](t)(l.Incidents(t.Context(), 0)) {
			costs = append(costs, i.Cost.String())
			same(t, "cost", must[incident.Incident](t)(l.Incident(t.Context(), i.ID)).Cost, i.Cost)
		}
		same(t, "costs", costs, []string{"9.00 EUR (an estimate at default rates)", "1.50 EUR", "0.00 "})
	})
}

// A read sees every change made before it, without a Flush.
func TestReadsSeeWhatIsQueued(t *testing.T) {
	l, err := Open(file(t), Options{linger: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	intended := []incident.Step{{State: incident.Intended}}
	evidence := func(signal score.Signal) []incident.Evidence {
		return []incident.Evidence{{Record: score.Record{At: noon, Signal: signal}}}
	}
	for n := range 3 {
		l.PutBan(guesser(n))
		l.PutPlace(Place{"1001", source(n), noon})
		l.PutIncident(&incident.Incident{At: noon, Steps: intended, Evidence: evidence(score.InvalidPassword)})
	}
	flush(t, l)

	l.PutPlace(Place{"1001", source(2), noon.Add(time.Hour)})
	same(t, "places", must[[]Place](t)(l.Places(t.Context(), noon)), []Place{
		{"1001", source(0), noon},
		{"1001", source(1), noon},
		{"1001", source(2), noon.Add(time.Hour)},
	})

	l.PutStep(1, 0, noon, incident.Step{State: incident.Done})
	l.PutIncident(&incident.Incident{ID: 2, At: noon, Evidence: evidence(score.SuccessfulAuth)})
	l.PutIncident(&incident.Incident{ID: 3, At: noon, Reason: "known better now"})
	same(t, "open steps", must[[]OpenStep](t)(l.OpenSteps(t.Context())), []OpenStep{{2, 0, noon, intended[0]}, {3, 0, noon, intended[0]}})
	same(t, "incidents", must[[]incident.Incident](t)(l.Incidents(t.Context(), 0)), []incident.Incident{
		{ID: 3, At: noon, Reason: "known better now", Steps: intended},
		{ID: 2, At: noon, Steps: intended},
		{ID: 1, At: noon, Steps: []incident.Step{{State: incident.Done}}},
	})
	same(t, "evidence", must[incident.Incident](t)(l.Incident(t.Context(), 2)).Evidence, append(evidence(score.InvalidPassword), evidence(score.SuccessfulAuth)...))

	l.DeleteBan(source(0), noon, "uid 0")
	longer := guesser(1)
	longer.Until = noon.Add(24 * time.Hour)
	l.PutBan(longer)
	same(t, "bans", inForce(t, l, noon), []incident.Ban{longer, guesser(2)})
}

func TestIncidents(t *testing.T) {
	ban := incident.Step{Step: incident.StepBan, Target: "192.0.2.7", State: incident.Intended}
	rotate := incident.Step{Step: incident.StepRotate, Target: "1002", State: incident.Intended}
	done := ban
	done.State, done.Took, done.Detail = incident.Done, incident.Elapsed(1500*time.Microsecond), "in the kernel"
	guess := incident.Evidence{Record: score.Record{
		At: noon.Add(-time.Second), Signal: score.InvalidPassword, Source: netip.MustParseAddr("192.0.2.7"), Port: 65535, Transport: event.UDP, Account: "1002", Session: "0x7f",
	}}
	success := incident.Evidence{Record: score.Record{At: noon, Signal: score.SuccessfulAuth, Source: netip.MustParseAddr("2001:db8::7"), Transport: event.TLS, Proof: score.Proven}}
	breakIn := incident.Incident{
		At: noon, Key: score.Key{Per: score.PerAccount, Account: "1002"}, Threshold: "break-in", Playbook: "compromise", Reason: "guessed",
		Mode: incident.Enforce, Account: "1002", Source: netip.MustParseAddr("192.0.2.7"),
	}
	second := incident.Incident{ID: 2, At: noon.Add(time.Minute), Key: score.Key{Per: score.PerSource, Prefix: prefix("192.0.2.7/32")}, Mode: incident.Observe}
	third := incident.Incident{ID: 3, At: noon.Add(2 * time.Minute), Key: score.Key{Per: score.PerNetwork, Prefix: prefix("2001:db8::/48")}}

	inEachMoment(t, func(t *testing.T, l *Ledger) {
		i := breakIn
		i.Steps, i.Evidence = []incident.Step{ban, rotate}, []incident.Evidence{guess}
		same(t, "first number", l.PutIncident(&i), int64(1))
		same(t, "number given", i.ID, int64(1))
		for n, given := range []incident.Incident{second, third} {
			given.ID = 0
			same(t, "number", l.PutIncident(&given), int64(n+2))
		}
		l.PutStep(1, 0, noon, done)
		i.Steps, i.Evidence = nil, []incident.Evidence{success}
		l.PutIncident(&i)
	}, func(t *testing.T, l *Ledger) {
		want := breakIn
		want.ID, want.Steps = 1, []incident.Step{done, rotate}
		list := must[[]incident.Incident](t)
		ctx := t.Context()
		same(t, "all", list(l.Incidents(ctx, 0)), []incident.Incident{third, second, want})
		same(t, "limit", list(l.Incidents(ctx, 1)), []incident.Incident{third})
		same(t, "open steps", must[[]OpenStep](t)(l.OpenSteps(ctx)), []OpenStep{{1, 1, noon, rotate}})

		want.Evidence = []incident.Evidence{guess, success}
		same(t, "one", must[incident.Incident](t)(l.Incident(ctx, 1)), want)
		if _, err := l.Incident(ctx, 99); !errors.Is(err, ErrNoIncident) {
			t.Errorf("incident 99: %v", err)
		}
		same(t, "next number", l.PutIncident(&incident.Incident{At: noon}), int64(4))
	})
}

// Changes that the caller makes to its incident afterwards do not reach the file.
func TestPutIncidentKeepsNothing(t *testing.T) {
	l := open(t, "")
	i := incident.Incident{At: noon, Steps: []incident.Step{{State: incident.Intended}}, Evidence: []incident.Evidence{{Raw: "as it was"}}}
	l.PutIncident(&i)
	i.Steps[0].State, i.Evidence[0].Raw = incident.Failed, "changed"
	got := must[incident.Incident](t)(l.Incident(t.Context(), 1))
	same(t, "step", got.Steps[0].State, incident.Intended)
	same(t, "evidence", got.Evidence[0].Raw, "as it was")
}

func TestEvidenceIsBounded(t *testing.T) {
	l := open(t, "")
	var rows []incident.Evidence
	for n := range 3 * maxEvidence {
		rows = append(rows, incident.Evidence{Record: score.Record{At: noon, Port: uint16(n)}})
	}
	id := l.PutIncident(&incident.Incident{At: noon, Evidence: rows})
	same(t, "the first and the newest", must[incident.Incident](t)(l.Incident(t.Context(), id)).Evidence, append(rows[:1:1], rows[2*maxEvidence+1:]...))
}

func TestPlaces(t *testing.T) {
	home, office := prefix("192.0.2.7/32"), prefix("198.51.100.0/32")
	inEachMoment(t, func(_ *testing.T, l *Ledger) {
		l.PutPlace(Place{"1001", home, noon.Add(-time.Hour)})
		l.PutPlace(Place{"1001", home, noon})
		l.PutPlace(Place{"1001", home, noon.Add(30 * time.Second)}) // too soon to be written
		l.PutPlace(Place{"1001", office, noon.Add(-24 * time.Hour)})
		l.PutPlace(Place{"1002", home, noon})
	}, func(t *testing.T, l *Ledger) {
		list := must[[]Place](t)
		same(t, "all", list(l.Places(t.Context(), time.Time{})), []Place{{"1001", home, noon}, {"1001", office, noon.Add(-24 * time.Hour)}, {"1002", home, noon}})
		same(t, "since noon", list(l.Places(t.Context(), noon)), []Place{{"1001", home, noon}, {"1002", home, noon}})
	})
}

func TestActions(t *testing.T) {
	unban := Action{noon, 1000, "unban", "192.0.2.7/32", "wrong person"}
	allow := Action{noon, -1, "allow add", "192.0.2.7/32", ""}
	inEachMoment(t, func(_ *testing.T, l *Ledger) {
		l.PutAction(Action{At: noon.Add(-time.Hour), Action: "ban"})
		l.PutAction(unban)
		l.PutAction(unban) // an action done twice has two rows
		l.PutAction(allow)
	}, func(t *testing.T, l *Ledger) {
		list := must[[]Action](t)
		same(t, "since noon", list(l.Actions(t.Context(), noon, 0)), []Action{allow, unban, unban})
		same(t, "the newest", list(l.Actions(t.Context(), time.Time{}, 1)), []Action{allow})
	})
}

// Many of the texts come from attackers.
func TestHostileText(t *testing.T) {
	for _, tt := range []struct{ name, in, want string }{
		{"quotes", `'); DROP TABLE bans; --`, `'); DROP TABLE bans; --`},
		{"NUL", "a\x00b", "a\x00b"},
		{"line breaks", "a\r\nb", "a\r\nb"},
		{"not UTF-8", "a\xff\xfeb", "a\uFFFDb"},
		{"long", strings.Repeat("x", 5000), strings.Repeat("x", maxText)},
		{"cut within a rune", strings.Repeat("x", maxText-1) + "é", strings.Repeat("x", maxText-1)},
		{"cut after a rune", strings.Repeat("x", maxText-2) + "éy", strings.Repeat("x", maxText-2) + "é"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inEachMoment(t, func(_ *testing.T, l *Ledger) {
				l.PutIncident(&incident.Incident{At: noon, Account: tt.in, Steps: []incident.Step{{Detail: tt.in}}, Evidence: []incident.Evidence{{Record: score.Record{At: noon, Session: tt.in}}}})
			}, func(t *testing.T, l *Ledger) {
				i := must[incident.Incident](t)(l.Incident(t.Context(), 1))
				same(t, "account", i.Account, tt.want)
				same(t, "detail", i.Steps[0].Detail, tt.want)
				same(t, "session", i.Evidence[0].Session, tt.want)
			})
		})
	}
}

func TestWhatIsNoRowIsRefused(t *testing.T) {
	l := open(t, "")
	l.PutBan(incident.Ban{Since: noon})
	l.DeleteBan(netip.Prefix{}, noon, "")
	l.AddOffence(netip.Prefix{}, noon)
	l.ForgetOffences(netip.Prefix{})
	l.PutPlace(Place{Account: "1001", LastSuccess: noon})
	same(t, "dropped", l.Health().Dropped, map[string]uint64{"ban": 2, "offence": 2, "place": 1})
	same(t, "bans", inForce(t, l, noon), nil)
}

func TestNumbersGoOn(t *testing.T) {
	l := open(t, file(t))
	for range 3 {
		l.PutIncident(&incident.Incident{At: noon})
	}
	l = reopen(t, l)
	same(t, "after a restart", l.PutIncident(&incident.Incident{At: noon}), int64(4))
	l.PutIncident(&incident.Incident{ID: 10, At: noon})
	same(t, "after one given by hand", l.PutIncident(&incident.Incident{At: noon}), int64(11))
	flush(t, l)
	say(t, other(t, l.path), "DELETE FROM incidents")
	l = reopen(t, l)
	same(t, "after all were pruned", l.PutIncident(&incident.Incident{At: noon}), int64(12))
}

func TestClose(t *testing.T) {
	l := open(t, file(t))
	l.PutBan(guesser(1))
	if err := errors.Join(l.Close(), l.Close()); err != nil {
		t.Fatal(err)
	}
	l.PutBan(guesser(2))
	same(t, "dropped", l.Health().Dropped, map[string]uint64{"ban": 1})
	if _, err := l.Bans(t.Context(), noon); err == nil {
		t.Error("a closed ledger could be read")
	}
	if err := l.Flush(t.Context()); err != nil {
		t.Errorf("flush with nothing queued: %v", err)
	}
	l = open(t, l.path)
	same(t, "missing", missing(t, l, guesser(1)), nil)
}

func TestModes(t *testing.T) {
	l := open(t, file(t))
	l.PutBan(guesser(1))
	flush(t, l)
	same(t, "directory", perm(t, l.path[:strings.LastIndex(l.path, "/")]), 0o700)
	for _, side := range []string{"", "-wal", "-shm"} {
		same(t, "ledger"+side, perm(t, l.path+side), 0o600)
	}
}

func TestOddPaths(t *testing.T) {
	for _, name := range []string{"a b", "a?mode=ro", "a#b", "a%20b", "ü"} {
		t.Run(name, func(t *testing.T) {
			path := t.TempDir() + "/" + name + ".db"
			l := open(t, path)
			l.PutBan(guesser(1))
			l = reopen(t, l)
			same(t, "missing", missing(t, l, guesser(1)), nil)
			perm(t, path) // it exists at the given path
		})
	}
}

// Concurrent use, to find data races and lost wake-ups.
func TestManyAtOnce(t *testing.T) {
	for _, path := range []string{"", file(t)} {
		t.Run(fmt.Sprintf("path %t", path != ""), func(t *testing.T) {
			l := open(t, path)
			const writers, each = 8, 60
			var all sync.WaitGroup
			for w := range writers {
				all.Go(func() {
					for n := range each {
						l.PutBan(guesser(w*each + n))
						id := l.PutIncident(&incident.Incident{At: noon, Steps: []incident.Step{{State: incident.Intended}}})
						l.PutStep(id, 0, noon, incident.Step{State: incident.Done})
						if n%10 == 0 { // little is pending, so that a slow machine writes it in time
							if err := l.Flush(t.Context()); err != nil {
								t.Error(err)
							}
							if _, err := l.Bans(t.Context(), noon); err != nil {
								t.Error(err)
							}
							if _, err := l.Incident(t.Context(), id); err != nil {
								t.Error(err)
							}
						}
					}
				})
			}
			all.Wait()
			flush(t, l)
			same(t, "bans", len(inForce(t, l, noon)), writers*each)
			same(t, "open steps", must[[]OpenStep](t)(l.OpenSteps(t.Context())), nil)
			same(t, "next number", l.PutIncident(&incident.Incident{At: noon}), int64(writers*each+1))
			if h := l.Health(); !h.OK() || len(h.Dropped) > 0 {
				t.Errorf("health: %+v", h)
			}
		})
	}
}

func TestFlushEndsWithItsContext(t *testing.T) {
	l := open(t, file(t))
	unlock := lock(t, l)
	l.PutBan(guesser(1))
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	err := l.Flush(ctx)
	if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "1 rows pending") {
		t.Errorf("flush of a locked file: %v", err)
	}
	unlock()
	flush(t, l)
}

// Tests of the daemon run in virtual time, with a ledger in memory.
func TestInVirtualTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, err := Open("", Options{})
		if err != nil {
			t.Fatal(err)
		}
		at := time.Now()
		b := guesser(1)
		b.Since, b.Until = at, at.Add(time.Hour)
		l.PutBan(b)
		time.Sleep(time.Second)
		same(t, "pending", l.Health().Pending, 0)
		same(t, "bans", inForce(t, l, time.Now()), []incident.Ban{b})
		time.Sleep(48 * time.Hour) // pruned many times meanwhile
		same(t, "bans", inForce(t, l, time.Now()), nil)
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
	})
}

// The raw text of an observation is returned byte for byte; of very long evidence
// the newest is kept.
func TestRawEvidence(t *testing.T) {
	l := open(t, file(t))
	const raw = "Event: X\r\n\x00\xff\x1b[31m\r\n"
	i := incident.Incident{At: noon, Evidence: []incident.Evidence{{Raw: incident.Raw(strings.Repeat("a", maxRaw))}, {Raw: raw}, {}}}
	id := l.PutIncident(&i)
	check := func() {
		t.Helper()
		got := must[incident.Incident](t)(l.Incident(t.Context(), id)).Evidence
		if len(got) != 3 || got[0].Raw != "" || got[1].Raw != raw || got[2].Raw != "" {
			t.Errorf("%.300v", got)
		}
	}
	check() // queued, perhaps
	if err := l.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	check()
	if i.Evidence[0].Raw == "" {
		t.Error("the caller's evidence was changed")
	}
}

// An earlier release recorded the step under another name.
func TestStepsOfEarlierReleases(t *testing.T) {
	inEachMoment(t, func(t *testing.T, l *Ledger) {
		l.PutIncident(&incident.Incident{At: noon, Steps: []incident.Step{{Step: "expire-contacts", Target: "1002", State: incident.Intended}}})
	}, func(t *testing.T, l *Ledger) {
		open, err := l.OpenSteps(t.Context())
		if err != nil || len(open) != 1 || open[0].Step.Step != incident.StepRemoveRegistrations {
			t.Errorf("open steps: %+v, %v", open, err)
		}
		recorded, err := l.Incident(t.Context(), open[0].Incident)
		if err != nil || len(recorded.Steps) != 1 || recorded.Steps[0].Step != incident.StepRemoveRegistrations {
			t.Errorf("recorded: %+v, %v", recorded.Steps, err)
		}
	})
}
