package responder_test

import (
	"context"
	"database/sql"
	"errors"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/tollwarden/tollwarden/ami/event"
	"github.com/tollwarden/tollwarden/responder"
	"github.com/tollwarden/tollwarden/responder/bans"
	"github.com/tollwarden/tollwarden/responder/incident"
	"github.com/tollwarden/tollwarden/responder/judge"
	"github.com/tollwarden/tollwarden/responder/ledger"
	"github.com/tollwarden/tollwarden/responder/places"
	"github.com/tollwarden/tollwarden/responder/score"
)

var (
	villain  = netip.MustParsePrefix("192.0.2.66/32")
	villains = netip.MustParsePrefix("192.0.2.0/24")
)

// actions are what the ledger says that people did, oldest first.
func (h *harness) actions(t *testing.T) []string {
	t.Helper()
	list, err := h.ledger.Actions(t.Context(), time.Time{}, 0)
	if err != nil {
		t.Fatal(err)
	}
	var words []string
	for _, a := range list {
		words = append(words, strings.TrimSpace(a.Action+" "+a.Target+" "+a.Detail))
	}
	slices.Reverse(words)
	return words
}

// Whoever is allowed is let through at once, whatever banned them, and nothing
// bans them from then on.
func TestAllowTakesEffectAtOnce(t *testing.T) {
	now := time.Now()
	h := newHarnessAt(t, now, guessing(3))
	h.hear(t, now, []byte(proven(failures("1002", "192.0.2.66", 3)+failures("1002", "203.0.113.9", 3))))
	h.settled(t)
	if got := h.kernel.dropped(); len(got) != 2 {
		t.Fatalf("dropped: %v", got)
	}
	released, err := h.Allow([]netip.Prefix{villains})
	if err != nil || len(released) != 1 || released[0].Prefix != villain {
		t.Errorf("released %+v, %v", released, err)
	}
	if got := h.kernel.dropped(); !slices.Equal(got, []string{"203.0.113.9/32"}) {
		t.Errorf("dropped: %v", got)
	}
	h.hear(t, now.Add(time.Minute), []byte(proven(failures("1002", "192.0.2.66", 9))))
	h.settled(t)
	if got := h.kernel.dropped(); !slices.Equal(got, []string{"203.0.113.9/32"}) {
		t.Errorf("dropped after it was allowed: %v", got)
	}
	for prefix, want := range map[netip.Prefix]bool{villain: false, netip.MustParsePrefix("203.0.113.9/32"): true} {
		list, err := h.ledger.Bans(t.Context(), now)
		kept := slices.ContainsFunc(list, func(b incident.Ban) bool { return b.Prefix == prefix })
		if err != nil || kept != want {
			t.Errorf("the ledger keeps %s: %t, %v", prefix, kept, err)
		}
	}
	if _, err := h.Allow(nil); err != nil {
		t.Fatal(err)
	}
	h.hear(t, now.Add(2*time.Hour), []byte(proven(failures("1002", "192.0.2.66", 3))))
	h.settled(t)
	if got := h.kernel.dropped(); len(got) != 2 {
		t.Errorf("dropped once it was no longer allowed: %v", got)
	}
}

// A release keeps the rung of the ladder; forgiveness begins it anew.
func TestForgiveness(t *testing.T) {
	now := time.Now()
	h := newHarnessAt(t, now, guessing(3))
	offend := func(at time.Time) int {
		h.hear(t, at, []byte(proven(failures("1002", "192.0.2.66", 3))))
		h.settled(t)
		for _, b := range h.Bans.List(at) {
			if b.Prefix == villain {
				return b.Offence
			}
		}
		return 0
	}
	if n := offend(now); n != 1 {
		t.Fatalf("offence %d", n)
	}
	if r, err := h.Bans.Unban(villain, false, 7); err != nil || r.Forgiven != 0 {
		t.Fatalf("forgiven %d, %v", r.Forgiven, err)
	}
	if n := offend(now.Add(time.Minute)); n != 2 {
		t.Errorf("after a release it was offence %d, want 2", n)
	}
	if r, err := h.Bans.Unban(villain, true, 7); err != nil || r.Forgiven != 2 || len(r.Bans) != 1 {
		t.Errorf("released %v, forgiven %d, %v", r.Bans, r.Forgiven, err)
	}
	if n := offend(now.Add(2 * time.Minute)); n != 1 {
		t.Errorf("after forgiveness it was offence %d, want 1", n)
	}
	if kept, err := h.ledger.Offences(t.Context(), time.Time{}); err != nil || len(kept) != 1 || kept[0].Prefix != villain || kept[0].Number != 1 {
		t.Errorf("the ledger counts %+v, %v", kept, err)
	}
	// A network forgives all in it, banned or not.
	if _, err := h.Bans.Unban(villain, false, 7); err != nil {
		t.Fatal(err)
	}
	if r, err := h.Bans.Unban(villains, true, 7); err != nil || r.Forgiven != 1 {
		t.Errorf("forgiven %d, %v", r.Forgiven, err)
	}
	if _, err := h.Bans.Unban(villains, false, 7); !errors.Is(err, incident.ErrRefused) {
		t.Errorf("what is not banned is released: %v", err)
	}
	want := []string{"unban 192.0.2.66", "unban 192.0.2.66 2 earlier bans forgotten", "unban 192.0.2.66", "unban 192.0.2.0/24 1 earlier ban forgotten"}
	if got := h.actions(t); !slices.Equal(got, want) {
		t.Errorf("recorded %q, want %q", got, want)
	}
}

// Release of all is one order.
func TestUnbanAll(t *testing.T) {
	now := time.Now()
	h := newHarnessAt(t, now, guessing(3))
	h.hear(t, now, []byte(proven(failures("1002", "192.0.2.66", 3)+failures("1002", "203.0.113.9", 3))))
	h.settled(t)
	r, err := h.Bans.UnbanAll(true, 0)
	if err != nil || len(r.Bans) != 2 || r.Forgiven != 2 || len(h.kernel.dropped()) != 0 || len(h.Bans.List(now)) != 0 {
		t.Errorf("released %v, forgiven %d, %v; dropped %v", r.Bans, r.Forgiven, err, h.kernel.dropped())
	}
	if got := h.actions(t); !slices.Equal(got, []string{"unban all 2 bans"}) {
		t.Errorf("recorded %q", got)
	}
}

func TestOrdersOnAccounts(t *testing.T) {
	h := newHarness(t, guessing(3))
	ctx := t.Context()
	if detail, err := h.Accounts.Rotate(ctx, "1002", 7); err != nil || detail != "changed; no IP address of its phones is known" {
		t.Errorf("rotate: %q, %v", detail, err)
	}
	if _, err := h.Accounts.Hangup(ctx, "1002", 7); err != nil {
		t.Error(err)
	}
	if detail, err := h.Accounts.RemoveRegistrations(ctx, "1002", 7); err != nil || detail != "none removed" {
		t.Errorf("expire: %q, %v", detail, err)
	}
	for _, account := range []string{"", "AMI/admin"} {
		if _, err := h.Accounts.Rotate(ctx, account, 7); !errors.Is(err, incident.ErrRefused) {
			t.Errorf("rotate %q: %v", account, err)
		}
	}
	want := []string{"rotate 1002 changed; no IP address of its phones is known", "hangup 1002", "remove-registrations 1002 none removed"}
	if got := h.actions(t); !slices.Equal(got, want) {
		t.Errorf("recorded %q, want %q", got, want)
	}
	p := guessing(3)
	p.Observe = true
	observing := newHarness(t, p)
	if _, err := observing.Accounts.Hangup(ctx, "1002", 7); err != nil {
		t.Errorf("a person asks in mode observe: %v", err)
	}
	if _, err := observing.Bans.Ban(netip.MustParsePrefix("192.0.2.66/32"), time.Time{}, "", false, 7); err != nil || observing.Bans.Count() != 1 {
		t.Errorf("a person bans in mode observe: %v, %d bans", err, observing.Bans.Count())
	}
}

func TestStandings(t *testing.T) {
	h := newHarness(t, guessing(10))
	h.hear(t, noon, []byte(failures("1002", "192.0.2.66", 7)+failures("1003", "203.0.113.9", 2)))
	list := h.Scores(noon.Add(time.Second), score.PerSource, 10)
	if len(list) != 2 || list[0].Key.String() != "192.0.2.66" || list[0].Share() != 0.7 || list[0].Ban != nil {
		t.Fatalf("standings: %+v", list)
	}
	if _, err := h.Bans.Ban(villains, time.Time{}, "", false, 0); err != nil {
		t.Fatal(err)
	}
	if _, err := h.Allow([]netip.Prefix{netip.MustParsePrefix("203.0.113.9/32")}); err != nil {
		t.Fatal(err)
	}
	list = h.Scores(noon.Add(time.Second), score.PerSource, 10)
	if len(list) != 2 || list[0].Ban == nil || list[0].Ban.Prefix != villains || list[1].Why != "on the allow list" {
		t.Errorf("standings: %+v", list)
	}
	if n := len(h.Scores(noon.Add(time.Second), score.PerSource, 1)); n != 1 {
		t.Errorf("asked for one, got %d", n)
	}
	h.pbx.contacts = []places.Contact{{Account: "1001", Source: netip.MustParseAddr("198.51.100.10")}}
	if err := h.Resync(t.Context(), time.Now()); err != nil {
		t.Fatal(err)
	}
	if got := h.AccountNames(noon); !slices.Equal(got, []string{"1001"}) && !slices.Equal(got, []string{"1001", "1002", "1003"}) {
		t.Errorf("accounts: %v", got)
	}
	if got := h.Protected(); len(got) != 1 || got[0].Why != "registered contact of 1001" {
		t.Errorf("protected: %v", got)
	}
}

// again is a responder over the same ledger, kernel and PBX, as after a crash.
func (h *harness) again(t *testing.T, now time.Time, p judge.Policy) *responder.Engine {
	t.Helper()
	return h.over(t, now, p, h.kernel)
}

// over is again with another kernel.
func (h *harness) over(t *testing.T, now time.Time, p judge.Policy, kernel bans.Firewall) *responder.Engine {
	t.Helper()
	r, err := responder.New(t.Context(), now, p, responder.Parts{Firewall: kernel, Calls: h.pbx, Accounts: h.pbx, Inventory: h.pbx, Ledger: h.ledger, Log: zerolog.Nop()})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- r.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return r
}

// What a crash left open of a fresh incident is carried out; of an old one it is
// reported, and of a ban that is in force it is done.
func TestUnfinishedStepsAfterACrash(t *testing.T) {
	for name, tc := range map[string]struct {
		after time.Duration
		mode  bool
		want  string
		asked int
	}{
		"a moment later":  {time.Minute, false, "ban done, hangup done, rotate done, remove-registrations done", 1},
		"the next day":    {24 * time.Hour, false, "ban done, hangup failed, rotate failed, remove-registrations failed", 0},
		"in mode observe": {time.Minute, true, "ban done, hangup failed, rotate failed, remove-registrations failed", 0},
		"within the hour": {59 * time.Minute, false, "ban done, hangup done, rotate done, remove-registrations done", 1},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHarness(t, guessing(3))
			now := time.Now()
			h.ledger.PutBan(incident.Ban{Prefix: villain, Since: now})
			steps := []incident.Step{{Step: "ban", Target: "192.0.2.66", State: "intended"}}
			for _, kind := range []incident.StepKind{"hangup", "rotate", "remove-registrations"} {
				steps = append(steps, incident.Step{Step: kind, Target: "1002", State: "intended"})
			}
			id := h.ledger.PutIncident(&incident.Incident{
				At: now.Add(-tc.after), Key: score.Key{Per: score.PerAccount, Account: "1002"}, Account: "1002",
				Source: villain.Addr(), Threshold: "break-in", Steps: steps,
				Evidence: []incident.Evidence{{Record: score.Record{At: now, Signal: score.InvalidPassword, Transport: event.UDP}}},
			})
			p := guessing(3)
			p.Observe = tc.mode
			h.again(t, now, p)
			h.settled(t)
			i, err := h.ledger.Incident(t.Context(), id)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, s := range i.Steps {
				got = append(got, string(s.Step)+" "+string(s.State))
			}
			if g := strings.Join(got, ", "); g != tc.want {
				t.Errorf("steps: %s, want %s", g, tc.want)
			}
			if n := h.pbx.times("rotate 1002"); n != tc.asked {
				t.Errorf("rotated %d times, want %d", n, tc.asked)
			}
		})
	}
}

// Somebody is told of what a restart found untold for as long as that is tried
// without one; nothing else is done so late.
func TestToldAfterARestart(t *testing.T) {
	for after, want := range map[time.Duration]string{
		59 * time.Minute: "rotate done, notify intended", 23 * time.Hour: "rotate failed, notify intended", 25 * time.Hour: "rotate failed, notify failed",
	} {
		h := newHarness(t, guessing(3))
		now, pager := time.Now(), &outside{}
		id := h.ledger.PutIncident(&incident.Incident{
			At: now.Add(-after), Key: score.Key{Per: score.PerAccount, Account: "1002"}, Account: "1002", Threshold: "break-in",
			Steps: []incident.Step{{Step: "rotate", Target: "1002", State: "intended"}, {Step: "notify", Target: "operator", State: "intended"}},
		})
		r, err := responder.New(t.Context(), now, guessing(3), responder.Parts{Firewall: h.kernel, Calls: h.pbx, Accounts: h.pbx, Inventory: h.pbx, Notifier: pager, Ledger: h.ledger, Log: zerolog.Nop()})
		if err != nil {
			t.Fatal(err)
		}
		again := &harness{Engine: r, kernel: h.kernel, pbx: h.pbx, ledger: h.ledger}
		again.run(t)
		if after < 24*time.Hour {
			pager.answer(t, incident.Intended, "mail: not yet")
		}
		row, err := h.ledger.Incident(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		if got := text(row.Steps[0]) + ", " + text(row.Steps[1]); got != want {
			t.Errorf("after %s: %s, want %s", after, got, want)
		}
	}
}

// A disk that takes nothing keeps no unfinished step from being carried out.
func TestUnfinishedStepsOnAFullDisk(t *testing.T) {
	t.Parallel() // it mostly waits for the disk
	path := filepath.Join(t.TempDir(), "ledger.db")
	l, err := ledger.Open(path, ledger.Options{})
	if err != nil {
		t.Fatal(err)
	}
	h := &harness{kernel: &memoryFirewall{bans: map[netip.Prefix]incident.Ban{}}, pbx: &exchange{asked: map[string]int{}}, ledger: l}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	now := time.Now()
	for _, account := range []string{"1001", "1002"} {
		l.PutIncident(&incident.Incident{
			At: now, Key: score.Key{Per: score.PerAccount, Account: account}, Account: account, Threshold: "break-in",
			Steps: []incident.Step{{Step: incident.StepRestrict, Target: account, State: incident.Intended}, {Step: incident.StepRotate, Target: account, State: incident.Intended}},
		})
	}
	if err := l.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	other, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	conn, err := other.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := conn.ExecContext(t.Context(), "BEGIN IMMEDIATE"); err != nil { // after which nobody else can write
		t.Fatal(err)
	}
	l.PutBan(incident.Ban{Prefix: villain, Since: now}) // waits for the disk
	h.again(t, now, guessing(3))
	h.wait(t, "both passwords to be changed", func() bool { return h.pbx.times("rotate 1001") == 1 && h.pbx.times("rotate 1002") == 1 })
	if _, err := conn.ExecContext(t.Context(), "ROLLBACK"); err != nil {
		t.Fatal(err)
	}
}

// text is a step with its state.
func text(s incident.Step) string { return string(s.Step) + " " + string(s.State) }

// The owner's phone has the old secret still, after a restart of the daemon as
// before it.
func TestGraceOutlivesARestart(t *testing.T) {
	h := newHarness(t, guessing(3))
	now := time.Now()
	h.ledger.PutPlace(ledger.Place{Account: "1002", Prefix: netip.MustParsePrefix("198.51.100.10/32"), LastSuccess: now})
	h.ledger.PutIncident(&incident.Incident{At: now, Steps: []incident.Step{{Step: "rotate", Target: "1002", State: "done"}}})
	p := guessing(3)
	p.Known = 30 * 24 * time.Hour
	r := h.again(t, now, p)
	h.Engine = r
	h.hear(t, now.Add(time.Minute), []byte(failures("1002", "198.51.100.10", 5)+failures("1002", "192.0.2.66", 3)))
	h.settled(t)
	if got := h.kernel.dropped(); !slices.Equal(got, []string{"192.0.2.66/32"}) {
		t.Errorf("dropped: %v", got)
	}
	if n := r.Counters().GracePeriod; n != 5 {
		t.Errorf("graced %d failures, want 5", n)
	}
}
