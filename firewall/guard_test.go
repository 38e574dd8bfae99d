package firewall

import (
	"bytes"
	"context"
	"errors"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"
)

// guarded is a Guard of a Memory that should hold one ban, with a scripted
// monitor and probe.
type guarded struct {
	*Guard
	table    *Memory
	changesC chan Author // what the monitor delivers
	monitor  error       // what it fails with, unless nil
	probes   []error     // results of the next probes; then they succeed
	refused  error       // what Reconcile fails with
	events   []GuardEvent
	log      bytes.Buffer
}

var thief = netip.MustParsePrefix("198.51.100.7/32")

func newGuarded(t *testing.T) *guarded {
	t.Helper()
	x := &guarded{table: NewMemory(Config{}), changesC: make(chan Author)}
	must(t, x.table.Ban(time.Now(), Ban{Prefix: thief}))
	x.Guard = NewGuard(GuardConfig{
		Table: x.table, Interval: time.Minute, Log: zerolog.New(&x.log),
		Reconcile: func(now time.Time) error {
			if x.refused != nil {
				return x.refused
			}
			return x.table.Reconcile(now, []Ban{{Prefix: thief}})
		},
		OnRepair: func(e GuardEvent) { x.events = append(x.events, e) },
	})
	x.Guard.monitor = func(ctx context.Context, changed func(Author)) error {
		if x.monitor != nil {
			return x.monitor
		}
		for {
			select {
			case by := <-x.changesC:
				changed(by)
			case <-ctx.Done():
				return nil
			}
		}
	}
	x.Guard.probe = func(Table) error {
		if len(x.probes) == 0 {
			return nil
		}
		err := x.probes[0]
		x.probes = x.probes[1:]
		return err
	}
	return x
}

// run runs a Guard in a bubble while do looks at it.
func run(t *testing.T, do func(*testing.T, *guarded)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		x := newGuarded(t)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- x.Run(ctx) }()
		synctest.Wait()
		do(t, x)
		cancel()
		must(t, <-done)
	})
}

// A check comes at the start, with every change by another program, after each
// interval and when the interval is changed.
func TestGuardChecks(t *testing.T) {
	run(t, func(t *testing.T, x *guarded) {
		after := func(what string, checks uint64) {
			t.Helper()
			synctest.Wait()
			if got := x.State(); got.Probes != checks || !got.Checked.Equal(time.Now()) || got.Trouble != nil {
				t.Errorf("after %s: %d checks, want %d; %+v", what, got.Probes, checks, got)
			}
		}
		after("the start", 1)
		x.changesC <- Author{PID: 7, Program: "nft"}
		after("a change", 2)
		time.Sleep(time.Minute)
		after("an interval", 3)
		x.SetInterval(time.Hour)
		after("another interval was set", 4)
		time.Sleep(59 * time.Minute)
		if got := x.State(); got.Probes != 4 || got.Interval != time.Hour {
			t.Errorf("before that is over: %+v", got)
		}
		time.Sleep(time.Minute)
		after("that interval", 5)
	})
}

// A lost table is restored as soon as somebody's change is heard of.
func TestGuardRepairs(t *testing.T) {
	run(t, func(t *testing.T, x *guarded) {
		x.table.Lose()
		x.changesC <- Author{PID: 7, Program: "nft"}
		synctest.Wait()
		if !x.table.Dropped(thief.Addr(), time.Now()) {
			t.Error("the ban is not in force again")
		}
		const want = "table inet tollwarden: missing, by nft (process 7)"
		if s := x.State(); s.Repairs != 1 || s.Last.String() != want || s.Trouble != nil || len(x.events) != 1 || x.events[0].String() != want {
			t.Errorf("%+v, events %v", s, x.events)
		}
		x.changesC <- Author{PID: 8, Program: "ufw"}
		synctest.Wait()
		if s := x.State(); s.Repairs != 1 {
			t.Errorf("a change that damages nothing led to a repair: %v", s.Last)
		}
	})
}

// A repair that fails counts as none, is tried again, and its error is logged
// once.
func TestGuardRepairFails(t *testing.T) {
	run(t, func(t *testing.T, x *guarded) {
		x.refused = errors.New("no buffer space")
		x.table.Lose()
		time.Sleep(3 * time.Minute)
		synctest.Wait()
		if s := x.State(); !errors.Is(s.Trouble, x.refused) || s.Repairs != 0 || len(x.events) != 0 {
			t.Errorf("%+v, events %v", s, x.events)
		}
		if n := strings.Count(x.log.String(), "is not intact"); n != 1 || strings.Contains(x.log.String(), "restored with") {
			t.Errorf("log: %s", &x.log)
		}
		x.refused = nil
		x.changesC <- Author{}
		synctest.Wait()
		if s := x.State(); s.Trouble != nil || s.Repairs != 1 || len(x.events) != 1 {
			t.Errorf("once it works: %+v, events %v", s, x.events)
		}
	})
}

// A probe that passes once may have met somebody else's Reconcile. If it passes
// again the table is rebuilt even though it looks intact.
func TestGuardProbes(t *testing.T) {
	for name, tc := range map[string]struct {
		probes  []error
		repairs uint64
		trouble error
	}{
		"drops":              {nil, 0, nil},
		"passes once":        {[]error{ErrPassed}, 0, nil},
		"passes twice":       {[]error{ErrPassed, ErrPassed}, 1, nil},
		"passes after all":   {[]error{ErrPassed, ErrPassed, ErrPassed}, 1, ErrPassed},
		"cannot be proven":   {[]error{ErrUnproven}, 0, ErrUnproven},
		"unproven, repeated": {[]error{ErrPassed, ErrUnproven}, 0, ErrUnproven},
	} {
		t.Run(name, func(t *testing.T) {
			run(t, func(t *testing.T, x *guarded) {
				x.probes = tc.probes
				rebuilt := x.table.rebuilds()
				x.changesC <- Author{}
				synctest.Wait()
				s := x.State()
				if s.Repairs != tc.repairs || !errors.Is(s.Trouble, tc.trouble) || (s.Trouble == nil) != (tc.trouble == nil) {
					t.Errorf("%+v", s)
				}
				if n := x.table.rebuilds() - rebuilt; n != int(tc.repairs) {
					t.Errorf("the table was rebuilt %d times", n)
				}
			})
		})
	}
}

// rebuilds counts how often the table was made.
func (m *Memory) rebuilds() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.model.renewed
}

// Without news of changes the checks go on, and listening is tried again.
func TestGuardWithoutMonitor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := newGuarded(t)
		x.monitor = errors.New("no such group")
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- x.Run(ctx) }()
		time.Sleep(2*time.Minute + time.Second)
		synctest.Wait()
		if n := strings.Count(x.log.String(), "no such group"); n != 3 || x.State().Probes != 3 {
			t.Errorf("%d tries to listen and %d checks in two minutes", n, x.State().Probes)
		}
		cancel()
		must(t, <-done)
	})
}

// In the kernel, whatever others do to either table is mended within moments.
func TestGuardInTheKernel(t *testing.T) {
	l := newLab(t)
	k := openKernel(t, l, Config{})
	w, _ := openWatch(t, l)
	must(t, k.Ban(time.Now(), Ban{Prefix: thief}))
	events := make(chan GuardEvent, 16)
	g := NewGuard(GuardConfig{
		Table: k, Watch: w, Interval: time.Hour, Log: zerolog.Nop(),
		Reconcile: func(now time.Time) error { return k.Reconcile(now, []Ban{{Prefix: thief}}) },
		OnRepair:  func(e GuardEvent) { events <- e },
	})
	g.monitor = func(ctx context.Context, changed func(Author)) error {
		return Monitor(ctx, Config{NetNS: l.pbx}, changed)
	}
	g.probe = func(table Table) (err error) {
		l.inside(t, l.pbx, func() error { err = Probe(table); return nil })
		return err
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- g.Run(ctx) }()
	defer func() { cancel(); must(t, <-done) }()
	for deadline := time.Now().Add(5 * time.Second); g.State().Checked.IsZero() && time.Now().Before(deadline); {
		time.Sleep(time.Millisecond)
	}
	for _, command := range []string{
		"flush ruleset", "flush set inet tollwarden hosts4", "delete element inet tollwarden hosts4 { 198.51.100.7 }",
		"insert rule inet tollwarden incoming accept", "delete table inet tollwarden_watch",
	} {
		if out := l.nft(t, strings.Fields(command)...); out != "" {
			t.Fatal(out)
		}
		select {
		case e := <-events:
			if e.By.Program != "nft" {
				t.Errorf("after %s: %v", command, e)
			}
		case <-time.After(5 * time.Second):
			t.Fatalf("after %s: no repair; %+v", command, g.State())
		}
		if l.arrives(t, thief.Addr()) {
			t.Errorf("after %s: a banned address gets through", command)
		}
		if found, err := w.Verify(); err != nil || len(found) > 0 {
			t.Errorf("after %s: %q, %v", command, found, err)
		}
	}
	l.nft(t, strings.Fields("add table inet early")...)
	l.nft(t, "add", "chain", "inet", "early", "first", "{ type filter hook prerouting priority -400 ; }")
	const chain = "chain first of table inet early (hook prerouting, priority -400)"
	for deadline := time.Now().Add(5 * time.Second); !slices.Contains(g.State().EarlierChains, chain); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("the earlier chain is not listed: %+v", g.State())
		}
	}
}
