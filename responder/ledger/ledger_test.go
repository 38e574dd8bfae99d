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
)

// moments are the states a change can be found in. What is read back must not
// depend on it.
var moments = []struct {
	name string
	path func(t *testing.T) string
	// settle brings the ledger that has just been written to into the state.
	settle func(t *testing.T, l *Ledger) *Ledger
	// hold, if any, keeps the file from being written; it returns the release.
	hold func(t *testing.T, l *Ledger) func()
}{
	{"queued", file, keep, lock},
	{"flushed", file, flushed, nil},
	{"reopened", file, reopen, nil},
	{"in memory", func(*testing.T) string { return "" }, flushed, nil},
}

func keep(_ *testing.T, l *Ledger) *Ledger { return l }

func flushed(t *testing.T, l *Ledger) *Ledger {
	t.Helper()
	flush(t, l)
	return l
}

// lock has another program hold the file's write lock.
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
			if m.hold != nil {
				defer m.hold(t, l)()
			}
			write(t, l)
			read(t, m.settle(t, l))
		})
	}
}

func TestBans(t *testing.T) {
	hand := Ban{Prefix: prefix("2001:db8:7::/64"), Since: noon, Reason: "by hand", Origin: "operator", Scope: "sip"}
	over := Ban{Prefix: prefix("203.0.113.0/24"), Since: noon.Add(-time.Hour), Until: noon.Add(-time.Minute), Reason: "scan", Origin: "scan", Offence: 2, Incident: 7, Scope: "all"}
	inEachMoment(t, func(_ *testing.T, l *Ledger) {
		unmasked := hand
		unmasked.Prefix = netip.PrefixFrom(hand.Prefix.Addr().Next(), 64)
		l.PutBan(unmasked)
		l.PutBan(over)
		l.PutBan(guesser(1))
	}, func(t *testing.T, l *Ledger) {
		same(t, "in force", must[[]Ban](t)(l.Bans(t.Context(), noon)), []Ban{guesser(1), hand})
		same(t, "in force when all but forever ran out", must[[]Ban](t)(l.Bans(t.Context(), noon.Add(time.Hour))), []Ban{hand})
		same(t, "history", history(t, l), []Ban{guesser(1), hand, over})
	})
}

// Who changed which secret last is what a phone's failures are judged by.
func TestRotations(t *testing.T) {
	at := func(m int) time.Time { return noon.Add(time.Duration(m) * time.Minute) }
	step := func(n int, account, state string, begun int) Step {
		return Step{N: n, Step: "rotate", Target: account, State: state, StartedAt: at(begun), Took: time.Second}
	}
	inEachMoment(t, func(_ *testing.T, l *Ledger) {
		l.PutIncident(Incident{At: at(-90), Steps: []Step{step(0, "1009", StepDone, -90)}})
		l.PutIncident(Incident{At: at(0), Steps: []Step{step(0, "1001", StepDone, 0), step(1, "1002", StepFailed, 0), step(2, "1003", StepDone, 0)}})
		l.PutIncident(Incident{At: at(1), Steps: []Step{step(0, "1003", StepDone, 1), {N: 1, Step: "hangup", Target: "1004", State: StepDone, StartedAt: at(1)}}})
		l.PutAction(Action{At: at(2), Action: "rotate", Target: "1005"})
		l.PutAction(Action{At: at(2), Action: "rotate failed", Target: "1006"})
	}, func(t *testing.T, l *Ledger) {
		same(t, "rotations", must[map[string]time.Time](t)(l.Rotations(t.Context(), at(-60))), map[string]time.Time{
			"1001": at(0).Add(time.Second), "1003": at(1).Add(time.Second), "1005": at(2),
		})
	})
}

// A call is written when it is heard of and again when it ends.
func TestCallsOfAnIncident(t *testing.T) {
	call := func(n int, ended time.Time) Call {
		return Call{Channel: fmt.Sprintf("PJSIP/1002-%08x", n), Account: "1002", Dialled: "00881234567", Country: "GB", Began: noon.Add(time.Duration(n) * time.Second), Ended: ended}
	}
	inEachMoment(t, func(_ *testing.T, l *Ledger) {
		id := l.PutIncident(Incident{At: noon})
		other := l.PutIncident(Incident{At: noon})
		l.PutCall(id, call(2, time.Time{}))
		l.PutCall(id, call(1, time.Time{}))
		l.PutCall(other, call(3, time.Time{}))
		l.PutCall(id, call(1, noon.Add(time.Minute)))
	}, func(t *testing.T, l *Ledger) {
		same(t, "calls", must[Incident](t)(l.Incident(t.Context(), 1)).Calls, []Call{call(1, noon.Add(time.Minute)), call(2, time.Time{})})
	})
}

func TestBanEpisodes(t *testing.T) {
	at := func(m int) time.Time { return noon.Add(time.Duration(m) * time.Minute) }
	ban := func(since, until int) Ban {
		b := guesser(1)
		b.Since, b.Until = at(since), at(until)
		return b
	}
	ended := func(b Ban, m int, by string) Ban {
		b.ReleasedAt, b.ReleasedBy = at(m), by
		return b
	}
	put := func(b Ban) func(*Ledger) { return func(l *Ledger) { l.PutBan(b) } }
	del := func(m int, by string) func(*Ledger) {
		return func(l *Ledger) { l.DeleteBan(source(1), at(m), by) }
	}
	for _, tt := range []struct {
		name    string
		do      []func(*Ledger)
		inForce []Ban // after five minutes
		history []Ban
	}{
		{"refreshed", []func(*Ledger){put(ban(0, 60)), put(ban(0, 90))}, []Ban{ban(0, 90)}, []Ban{ban(0, 90)}},
		{"released", []func(*Ledger){put(ban(0, 60)), del(2, "uid 0")}, nil, []Ban{ended(ban(0, 60), 2, "uid 0")}},
		{"released twice", []func(*Ledger){put(ban(0, 60)), del(2, "uid 0"), del(3, "uid 7")}, nil, []Ban{ended(ban(0, 60), 2, "uid 0")}},
		{"released and banned again", []func(*Ledger){put(ban(0, 60)), del(2, "uid 0"), put(ban(3, 60))}, []Ban{ban(3, 60)}, []Ban{ban(3, 60), ended(ban(0, 60), 2, "uid 0")}},
		{"the same put again after its release", []func(*Ledger){put(ban(0, 60)), del(2, "uid 0"), put(ban(0, 60))}, []Ban{ban(0, 60)}, []Ban{ban(0, 60)}},
		{"banned again before it ran out", []func(*Ledger){put(ban(0, 60)), put(ban(4, 90))}, []Ban{ban(4, 90)}, []Ban{ban(4, 90), ended(ban(0, 60), 4, "replaced")}},
		{"banned again after it ran out", []func(*Ledger){put(ban(0, 2)), put(ban(4, 90))}, []Ban{ban(4, 90)}, []Ban{ban(4, 90), ban(0, 2)}},
		{"released after it ran out", []func(*Ledger){put(ban(0, 2)), del(3, "uid 0")}, nil, []Ban{ban(0, 2)}},
		{"released though never banned", []func(*Ledger){del(3, "uid 0")}, nil, nil},
		{"the clock was set back", []func(*Ledger){put(ban(4, 60)), put(ban(1, 30))}, []Ban{ban(1, 30)}, []Ban{ended(ban(4, 60), 1, "replaced"), ban(1, 30)}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inEachMoment(t, func(_ *testing.T, l *Ledger) {
				for _, do := range tt.do {
					do(l)
				}
			}, func(t *testing.T, l *Ledger) {
				same(t, "in force", must[[]Ban](t)(l.Bans(t.Context(), at(5))), tt.inForce)
				same(t, "history", history(t, l), tt.history)
			})
		})
	}
}

// What is in the file and what is queued make one picture.
func TestQueuedOverFile(t *testing.T) {
	l := open(t, file(t))
	for n := range 3 {
		l.PutBan(guesser(n))
		l.AddOffence(source(n), noon)
		l.PutPlace(Place{"1001", source(n), noon})
		l.PutIncident(Incident{At: noon, Steps: []Step{{N: 1, State: StepIntended}}, Evidence: []Evidence{{At: noon, Signal: "A"}}})
	}
	flush(t, l)
	defer lock(t, l)()

	l.DeleteBan(source(0), noon, "uid 0")
	longer := guesser(1)
	longer.Until = noon.Add(24 * time.Hour)
	l.PutBan(longer)
	same(t, "bans", must[[]Ban](t)(l.Bans(t.Context(), noon)), []Ban{longer, guesser(2)})

	l.PutPlace(Place{"1001", source(2), noon.Add(time.Hour)})
	same(t, "places", must[[]Place](t)(l.Places(t.Context(), noon)), []Place{
		{"1001", source(0), noon},
		{"1001", source(1), noon},
		{"1001", source(2), noon.Add(time.Hour)},
	})

	l.PutStep(Step{Incident: 1, N: 1, State: StepDone})
	l.PutIncident(Incident{ID: 2, At: noon, Evidence: []Evidence{{At: noon, Signal: "B"}}})
	l.PutIncident(Incident{ID: 3, At: noon, Reason: "known better now"})
	same(t, "open steps", must[[]Step](t)(l.OpenSteps(t.Context())), []Step{{Incident: 2, N: 1, State: StepIntended}, {Incident: 3, N: 1, State: StepIntended}})
	same(t, "incidents", must[[]Incident](t)(l.Incidents(t.Context(), 0)), []Incident{
		{ID: 3, At: noon, Reason: "known better now", Steps: []Step{{Incident: 3, N: 1, State: StepIntended}}},
		{ID: 2, At: noon, Steps: []Step{{Incident: 2, N: 1, State: StepIntended}}},
		{ID: 1, At: noon, Steps: []Step{{Incident: 1, N: 1, State: StepDone}}},
	})
	same(t, "evidence", must[Incident](t)(l.Incident(t.Context(), 2)).Evidence, []Evidence{{At: noon, Signal: "A"}, {At: noon, Signal: "B"}})
}

func TestOffences(t *testing.T) {
	l := open(t, file(t))
	l.AddOffence(prefix("192.0.2.7/32"), noon.Add(-48*time.Hour))
	l.AddOffence(prefix("192.0.2.7/32"), noon)
	l.AddOffence(prefix("192.0.2.7/32"), noon) // the same
	l.AddOffence(prefix("2001:db8::1/64"), noon.Add(time.Second))
	l.AddOffence(prefix("192.0.2.8/32"), noon)
	l.ForgetOffences(prefix("192.0.2.8/32"))
	later := Record{prefix("2001:db8::/64"), 1, noon.Add(time.Second)}
	same(t, "all", records(t, l, time.Time{}), []Record{{prefix("192.0.2.7/32"), 2, noon}, later})
	same(t, "at noon and later", records(t, l, noon), []Record{{prefix("192.0.2.7/32"), 1, noon}, later})
	same(t, "after noon", records(t, l, noon.Add(time.Millisecond)), []Record{later})
}

func TestIncidents(t *testing.T) {
	ban := Step{N: 1, Step: "ban", Target: "192.0.2.7/32", State: StepIntended, StartedAt: noon}
	rotate := Step{N: 2, Step: "rotate", Target: "1002", State: StepIntended}
	guess := Evidence{At: noon.Add(-time.Second), Signal: "InvalidPassword", Source: netip.MustParseAddr("192.0.2.7"), Port: 65535, Transport: "UDP", Proof: "claimed", Account: "1002", Session: "0x7f"}
	success := Evidence{At: noon, Signal: "SuccessfulAuth", Source: netip.MustParseAddr("2001:db8::7"), Transport: "TLS", Proof: "proven"}
	breakIn := Incident{At: noon, KeyKind: "account", KeyValue: "1002", Threshold: "break-in", Playbook: "compromise", Reason: "guessed", Mode: "enforce", Account: "1002", Source: netip.MustParseAddr("192.0.2.7")}

	inEachMoment(t, func(t *testing.T, l *Ledger) {
		i := breakIn
		i.Steps, i.Evidence = []Step{ban, rotate}, []Evidence{guess}
		same(t, "first number", l.PutIncident(i), int64(1))
		same(t, "second number", l.PutIncident(Incident{At: noon.Add(time.Minute), Mode: "observe"}), int64(2))
		same(t, "third number", l.PutIncident(Incident{At: noon.Add(2 * time.Minute)}), int64(3))
		done := ban
		done.Incident, done.State, done.Took, done.Detail = 1, StepDone, 1500*time.Microsecond, "in the kernel"
		l.PutStep(done)
		i.ID, i.Steps, i.Evidence = 1, nil, []Evidence{success}
		l.PutIncident(i)
	}, func(t *testing.T, l *Ledger) {
		want := breakIn
		want.ID = 1
		done, open := ban, rotate
		done.Incident, done.State, done.Took, done.Detail = 1, StepDone, 1500*time.Microsecond, "in the kernel"
		open.Incident = 1
		want.Steps = []Step{done, open}
		second, third := Incident{ID: 2, At: noon.Add(time.Minute), Mode: "observe"}, Incident{ID: 3, At: noon.Add(2 * time.Minute)}

		list := must[[]Incident](t)
		ctx := t.Context()
		same(t, "all", list(l.Incidents(ctx, 0)), []Incident{third, second, want})
		same(t, "limit", list(l.Incidents(ctx, 1)), []Incident{third})
		same(t, "open steps", must[[]Step](t)(l.OpenSteps(ctx)), []Step{open})

		want.Evidence = []Evidence{guess, success}
		same(t, "one", must[Incident](t)(l.Incident(ctx, 1)), want)
		if _, err := l.Incident(ctx, 99); !errors.Is(err, ErrNoIncident) {
			t.Errorf("incident 99: %v", err)
		}
		same(t, "next number", l.PutIncident(Incident{At: noon}), int64(4))
	})
}

func TestEvidenceIsBounded(t *testing.T) {
	l := open(t, "")
	var rows []Evidence
	for n := range 3 * maxEvidence {
		rows = append(rows, Evidence{At: noon, Port: uint16(n)})
	}
	id := l.PutIncident(Incident{At: noon, Evidence: rows})
	same(t, "the newest", must[Incident](t)(l.Incident(t.Context(), id)).Evidence, rows[2*maxEvidence:])
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
		l.PutAction(unban) // twice done is two rows
		l.PutAction(allow)
	}, func(t *testing.T, l *Ledger) {
		list := must[[]Action](t)
		same(t, "since noon", list(l.Actions(t.Context(), noon, 0)), []Action{allow, unban, unban})
		same(t, "the newest", list(l.Actions(t.Context(), time.Time{}, 1)), []Action{allow})
	})
}

// Strangers choose the names that are written.
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
				l.PutIncident(Incident{At: noon, Account: tt.in, Steps: []Step{{N: 1, Detail: tt.in}}, Evidence: []Evidence{{At: noon, Session: tt.in}}})
			}, func(t *testing.T, l *Ledger) {
				i := must[Incident](t)(l.Incident(t.Context(), 1))
				same(t, "account", i.Account, tt.want)
				same(t, "detail", i.Steps[0].Detail, tt.want)
				same(t, "session", i.Evidence[0].Session, tt.want)
			})
		})
	}
}

func TestWhatIsNoRowIsRefused(t *testing.T) {
	l := open(t, "")
	l.PutBan(Ban{Since: noon})
	l.DeleteBan(netip.Prefix{}, noon, "")
	l.AddOffence(netip.Prefix{}, noon)
	l.ForgetOffences(netip.Prefix{})
	l.PutPlace(Place{Account: "1001", LastSuccess: noon})
	same(t, "dropped", l.Health().Dropped, map[string]uint64{"ban": 2, "offence": 2, "place": 1})
	same(t, "bans", must[[]Ban](t)(l.Bans(t.Context(), noon)), nil)
}

func TestNumbersGoOn(t *testing.T) {
	l := open(t, file(t))
	for range 3 {
		l.PutIncident(Incident{At: noon})
	}
	l = reopen(t, l)
	same(t, "after a restart", l.PutIncident(Incident{At: noon}), int64(4))
	l.PutIncident(Incident{ID: 10, At: noon})
	same(t, "after one given by hand", l.PutIncident(Incident{At: noon}), int64(11))
	flush(t, l)
	say(t, other(t, l.path), "DELETE FROM incidents")
	l = reopen(t, l)
	same(t, "after all were pruned", l.PutIncident(Incident{At: noon}), int64(12))
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
			perm(t, path) // it is where it was said to be
		})
	}
}

// Everything at once, for the race detector and for lost wake-ups.
func TestManyAtOnce(t *testing.T) {
	for _, path := range []string{"", file(t)} {
		t.Run(fmt.Sprintf("path %t", path != ""), func(t *testing.T) {
			l := open(t, path)
			const writers, each = 8, 200
			var all sync.WaitGroup
			for w := range writers {
				all.Go(func() {
					for n := range each {
						l.PutBan(guesser(w*each + n))
						id := l.PutIncident(Incident{At: noon, Steps: []Step{{N: 1, State: StepIntended}}})
						l.PutStep(Step{Incident: id, N: 1, State: StepDone})
						if n%50 == 0 {
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
			same(t, "bans", len(must[[]Ban](t)(l.Bans(t.Context(), noon))), writers*each)
			same(t, "open steps", must[[]Step](t)(l.OpenSteps(t.Context())), nil)
			same(t, "next number", l.PutIncident(Incident{At: noon}), int64(writers*each+1))
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
	if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "1 rows wait") {
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
		same(t, "bans", must[[]Ban](t)(l.Bans(t.Context(), time.Now())), []Ban{b})
		time.Sleep(48 * time.Hour) // pruned many times meanwhile
		same(t, "bans", must[[]Ban](t)(l.Bans(t.Context(), time.Now())), nil)
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
	})
}

// What an observation was read from comes back byte by byte; of very long
// evidence the newest does.
func TestRawEvidence(t *testing.T) {
	l := open(t, file(t))
	raw := "Event: X\r\n\x00\xff\x1b[31m\r\n"
	i := Incident{At: noon, Evidence: []Evidence{{At: noon, Raw: strings.Repeat("a", maxRaw)}, {At: noon, Raw: raw}, {At: noon}}}
	id := l.PutIncident(i)
	check := func() {
		t.Helper()
		got := must[Incident](t)(l.Incident(t.Context(), id)).Evidence
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
