package control_test

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/tollwarden/tollwarden/responder/control"
	"github.com/tollwarden/tollwarden/responder/incident"
	"github.com/tollwarden/tollwarden/responder/score"
)

// fakeDaemon records the orders it gets.
type fakeDaemon struct {
	bans  []incident.Ban
	uid   uint32
	ended atomic.Int32 // watches that were ended
}

func (b *fakeDaemon) Status() control.Status {
	return control.Status{Health: control.Healthy, Checks: []control.Check{{Name: "asterisk", OK: true}}}
}

func (b *fakeDaemon) Teach(context.Context, uint32, control.History) (control.Changed, error) {
	return control.Changed{}, nil
}

func (b *fakeDaemon) Orders() []control.Order { return nil }

func (b *fakeDaemon) Spending() control.Spending { return control.Spending{Currency: "EUR"} }

func (b *fakeDaemon) Bans() []incident.Ban { return b.bans }
func (b *fakeDaemon) Incidents(limit int) ([]incident.Incident, error) {
	return make([]incident.Incident, limit), nil
}

func (b *fakeDaemon) Incident(id int64) (incident.Incident, error) {
	if id == 6 {
		return incident.Incident{ID: id, Reason: "guessing"}, control.Incomplete("3 rows are\nmissing: the disk is full")
	}
	if id != 7 {
		return incident.Incident{}, control.Refusal("no such incident")
	}
	return incident.Incident{ID: id, Reason: "guessing"}, nil
}

func (b *fakeDaemon) Ban(uid uint32, o control.BanOrder) (control.Changed, error) {
	if o.Prefix.Contains(netip.MustParseAddr("127.0.0.1")) && !o.Force {
		return control.Changed{}, control.Refusal("127.0.0.1 is on the allow list")
	}
	b.uid = uid
	ban := incident.Ban{Prefix: o.Prefix, Reason: o.Reason}
	b.bans = append(b.bans, ban)
	return control.Changed{Bans: []incident.Ban{ban}, Message: "banned"}, nil
}

func (b *fakeDaemon) Unban(uint32, control.UnbanOrder) (control.Changed, error) {
	return control.Changed{}, errors.New("the kernel refuses")
}

func (b *fakeDaemon) Allow(_ uint32, o control.AllowOrder) (control.Changed, error) {
	return control.Changed{Allowed: []control.Allowed{{Prefix: o.Prefix, Reason: o.Comment}}}, nil
}

func (b *fakeDaemon) AllowList() []control.Allowed {
	return []control.Allowed{{Origin: control.FromConfig}, {Origin: control.Learned}}
}

func (b *fakeDaemon) Scores(kind string, limit int) ([]control.ScoreStatus, error) {
	return []control.ScoreStatus{{Key: score.Key{Per: score.PerAccount, Account: kind}, Share: float64(limit)}}, nil
}

func (b *fakeDaemon) Accounts() []string { return []string{"1001", "1002"} }

func (b *fakeDaemon) Partial() []incident.PartialBlock { return nil }

func (b *fakeDaemon) Rotate(_ context.Context, uid uint32, o control.AccountOrder) (control.AccountDone, error) {
	b.uid = uid
	return control.AccountDone{Account: o.Account, Message: "changed"}, nil
}

func (b *fakeDaemon) Lock(_ context.Context, uid uint32, o control.AccountOrder) (control.AccountDone, error) {
	b.uid = uid
	return control.AccountDone{Account: o.Account, Message: "locked"}, nil
}

func (b *fakeDaemon) Trust(uid uint32, o control.TrustOrder) (control.AccountDone, error) {
	b.uid = uid
	return control.AccountDone{Account: o.Account, Message: "trusted " + o.Address.String()}, nil
}

func (b *fakeDaemon) Compromise(uid uint32, o control.AccountOrder) (control.AccountDone, error) {
	b.uid = uid
	return control.AccountDone{Account: o.Account, Message: "compromised"}, nil
}

func (b *fakeDaemon) BreakIns() []control.BreakIn {
	return []control.BreakIn{{Account: "1002", Calls: 3, Addresses: []netip.Prefix{netip.MustParsePrefix("192.0.2.66/32")}}}
}

func (b *fakeDaemon) ActOn(uid uint32, o control.AccountOrder) (control.AccountDone, error) {
	b.uid = uid
	return control.AccountDone{Account: o.Account, Message: "contained"}, nil
}

func (b *fakeDaemon) Unlock(_ context.Context, uid uint32, o control.AccountOrder) (control.AccountDone, error) {
	b.uid = uid
	return control.AccountDone{Account: o.Account, Message: "unlocked"}, nil
}

func (b *fakeDaemon) Hangup(_ context.Context, _ uint32, o control.AccountOrder) (control.AccountDone, error) {
	return control.AccountDone{Account: o.Account, Channels: []string{"PJSIP/1002-00000001"}}, nil
}

func (b *fakeDaemon) WatchBans() (<-chan control.BanChange, func()) {
	c := make(chan control.BanChange, 2)
	c <- control.BanChange{Change: "banned"}
	c <- control.BanChange{Change: "released"}
	return c, func() { b.ended.Add(1) }
}

func (b *fakeDaemon) WatchIncidents() (<-chan incident.Incident, func()) {
	c := make(chan incident.Incident, 1)
	c <- incident.Incident{ID: 7}
	close(c) // this watcher fell behind
	return c, func() { b.ended.Add(1) }
}

func (b *fakeDaemon) Pause(uid uint32, o control.PauseOrder) (control.Paused, error) {
	b.uid = uid
	return control.Paused{Pause: &control.Pause{Reason: o.Reason + " for " + o.For}}, nil
}

func (b *fakeDaemon) Resume(uid uint32) (control.Paused, error) {
	b.uid = uid
	return control.Paused{Waiting: []control.Waiting{{Account: "1006"}}}, nil
}

func (b *fakeDaemon) Prove(context.Context, uint32) (control.Proof, error) {
	return control.Proof{User: "made-up", Seen: true}, nil
}

func (b *fakeDaemon) Reload(uid uint32) (control.Changed, error) {
	b.uid = uid
	return control.Changed{Message: "in force"}, nil
}

func start(t *testing.T, d control.Daemon) (path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "s")
	s, err := control.Listen(path, d)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Serve(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return path
}

func TestCommandsReachTheDaemon(t *testing.T) {
	d := &fakeDaemon{uid: 1}
	path := start(t, d)
	c, ctx := control.Dial(path), t.Context()

	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("socket mode %v, %v; want 0600", info.Mode(), err)
	}
	if s, err := c.Status(ctx); err != nil || s.Health != control.Healthy || !s.Checks[0].OK {
		t.Errorf("status = %+v, %v", s, err)
	}
	prefix := netip.MustParsePrefix("192.0.2.66/32")
	if ch, err := c.Ban(ctx, control.BanOrder{Prefix: prefix, For: "1h", Reason: "by hand"}); err != nil || ch.Message != "banned" {
		t.Errorf("ban = %+v, %v", ch, err)
	}
	if d.uid != uint32(os.Getuid()) {
		t.Errorf("the daemon got uid %d, want %d", d.uid, os.Getuid())
	}
	d.uid = 1
	if p, err := c.Prove(ctx); err != nil || !p.Seen || p.User != "made-up" {
		t.Errorf("prove: %+v, %v", p, err)
	}
	if ch, err := c.Reload(ctx); err != nil || ch.Message != "in force" || d.uid != uint32(os.Getuid()) {
		t.Errorf("reload = %+v, %v", ch, err)
	}
	bans, err := c.Bans(ctx)
	want := []incident.Ban{{Prefix: prefix, Reason: "by hand", Scope: incident.ScopeAll}}
	if err != nil || !cmp.Equal(want, bans, cmpopts.EquateComparable(incident.Ban{})) {
		t.Errorf("bans = %+v, %v", bans, err)
	}
	if list, err := c.Incidents(ctx, 3); err != nil || len(list) != 3 {
		t.Errorf("incidents = %v, %v", list, err)
	}
	if i, err := c.Incident(ctx, 7); err != nil || i.Reason != "guessing" {
		t.Errorf("incident = %+v, %v", i, err)
	}
	var incomplete control.Incomplete
	if i, err := c.Incident(ctx, 6); !errors.As(err, &incomplete) || err.Error() != "3 rows are missing: the disk is full" || i.Reason != "guessing" {
		t.Errorf("an incomplete incident = %+v, %v", i, err)
	}
}

func TestOrdersReachTheDaemon(t *testing.T) {
	d := &fakeDaemon{uid: 1}
	c, ctx := control.Dial(start(t, d)), t.Context()
	prefix := netip.MustParsePrefix("192.0.2.0/24")
	if ch, err := c.Allow(ctx, control.AllowOrder{Prefix: prefix, Comment: "office"}); err != nil || ch.Allowed[0].Prefix != prefix || ch.Allowed[0].Reason != "office" {
		t.Errorf("allow = %+v, %v", ch, err)
	}
	if list, err := c.AllowList(ctx); err != nil || len(list) != 2 {
		t.Errorf("allow list = %+v, %v", list, err)
	}
	if list, err := c.Scores(ctx, "account", 5); err != nil || list[0].Key.Account != "account" || list[0].Share != 5 {
		t.Errorf("standings = %+v, %v", list, err)
	}
	if names, err := c.Accounts(ctx); err != nil || len(names) != 2 {
		t.Errorf("accounts = %v, %v", names, err)
	}
	if done, err := c.Rotate(ctx, control.AccountOrder{Account: "1002"}); err != nil || done.Account != "1002" || d.uid != uint32(os.Getuid()) {
		t.Errorf("rotate = %+v, %v, by uid %d", done, err, d.uid)
	}
	d.uid = 1
	if done, err := c.Pause(ctx, control.PauseOrder{For: "1h", Reason: "phones"}); err != nil || done.Pause.Reason != "phones for 1h" || d.uid != uint32(os.Getuid()) {
		t.Errorf("pause = %+v, %v, by uid %d", done, err, d.uid)
	}
	d.uid = 1
	if done, err := c.Resume(ctx); err != nil || len(done.Waiting) != 1 || d.uid != uint32(os.Getuid()) {
		t.Errorf("resume = %+v, %v, by uid %d", done, err, d.uid)
	}
	if done, err := c.Lock(ctx, control.AccountOrder{Account: "1002"}); err != nil || done.Message != "locked" {
		t.Errorf("lock = %+v, %v", done, err)
	}
	if done, err := c.Trust(ctx, control.TrustOrder{Account: "1002", Address: netip.MustParseAddr("192.0.2.1")}); err != nil || done.Message != "trusted 192.0.2.1" {
		t.Errorf("trust = %+v, %v", done, err)
	}
	if done, err := c.Compromise(ctx, control.AccountOrder{Account: "1002"}); err != nil || done.Message != "compromised" {
		t.Errorf("compromise = %+v, %v", done, err)
	}
	if list, err := c.BreakIns(ctx); err != nil || len(list) != 1 || list[0].Calls != 3 {
		t.Errorf("break-ins = %+v, %v", list, err)
	}
	if done, err := c.ActOn(ctx, control.AccountOrder{Account: "1002"}); err != nil || done.Message != "contained" {
		t.Errorf("act on = %+v, %v", done, err)
	}
	if done, err := c.Unlock(ctx, control.AccountOrder{Account: "1002"}); err != nil || done.Message != "unlocked" {
		t.Errorf("unlock = %+v, %v", done, err)
	}
	if done, err := c.Hangup(ctx, control.AccountOrder{Account: "1002"}); err != nil || len(done.Channels) != 1 {
		t.Errorf("hangup = %+v, %v", done, err)
	}
}

// A watch reports each change, and ends when the caller or the daemon ends it or
// when the watcher falls behind.
func TestWatches(t *testing.T) {
	d := &fakeDaemon{}
	c := control.Dial(start(t, d))
	ctx, stop := context.WithCancel(t.Context())
	var seen []string
	err := c.WatchBans(ctx, func(change control.BanChange) error {
		if seen = append(seen, string(change.Change)); len(seen) == 2 {
			stop()
		}
		return nil
	})
	if err != nil || strings.Join(seen, " ") != "banned released" {
		t.Errorf("saw %v, %v", seen, err)
	}
	err = c.WatchIncidents(t.Context(), func(incident.Incident) error { return nil })
	if !errors.Is(err, control.ErrEnded) {
		t.Errorf("a watcher that fell behind gets %v", err)
	}
	for end := time.Now().Add(10 * time.Second); d.ended.Load() < 2; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("the daemon keeps watches that nobody reads")
		}
	}
}

// Open watches do not delay the daemon's shutdown.
func TestWatchersDoNotDelayShutdown(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	s, err := control.Listen(path, &fakeDaemon{})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	served, watched := make(chan error, 1), make(chan error, 1)
	go func() { served <- s.Serve(ctx) }()
	go func() {
		watched <- control.Dial(path).WatchBans(t.Context(), func(control.BanChange) error { stop(); return nil })
	}()
	if err := <-watched; !errors.Is(err, control.ErrEnded) {
		t.Errorf("the watcher gets %v", err)
	}
	if err := <-served; err != nil {
		t.Error(err)
	}
}

// The daemon's error messages reach the caller unchanged.
func TestErrorsReachThePerson(t *testing.T) {
	c, ctx := control.Dial(start(t, &fakeDaemon{})), t.Context()
	for want, ask := range map[string]func() error{
		"no such incident": func() error { _, err := c.Incident(ctx, 8); return err },
		"127.0.0.1 is on the allow list": func() error {
			_, err := c.Ban(ctx, control.BanOrder{Prefix: netip.MustParsePrefix("127.0.0.0/8")})
			return err
		},
		"the kernel refuses":            func() error { _, err := c.Unban(ctx, control.UnbanOrder{All: true}); return err },
		"limit: want a positive number": func() error { _, err := c.Incidents(ctx, 0); return err },
	} {
		if err := ask(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}

func TestNobodyThere(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	if _, err := control.Dial(path).Status(t.Context()); !errors.Is(err, control.ErrNotRunning) {
		t.Errorf("no socket: %v", err)
	}
	// A socket whose daemon was killed.
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	l.(*net.UnixListener).SetUnlinkOnClose(false)
	_ = l.Close()
	if _, err := control.Dial(path).Status(t.Context()); !errors.Is(err, control.ErrNotRunning) {
		t.Errorf("dead socket: %v", err)
	}
	if err := control.Dial(path).Stop(t.Context()); !errors.Is(err, control.ErrNotRunning) {
		t.Errorf("stop: %v", err)
	}
	s, err := control.Listen(path, &fakeDaemon{})
	if err != nil {
		t.Fatalf("a dead daemon's socket blocks the new one: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Serve(ctx); err != nil {
		t.Error(err)
	}
}

func TestSocketInUse(t *testing.T) {
	path := start(t, &fakeDaemon{})
	if _, err := control.Listen(path, &fakeDaemon{}); err == nil || !strings.Contains(err.Error(), "already answers") {
		t.Errorf("a second daemon on the same socket: %v", err)
	}
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink("socket", link); err != nil {
		t.Fatal(err)
	}
	s, err := control.Listen(link, &fakeDaemon{})
	if err != nil {
		t.Fatalf("a link to a socket that does not exist yet: %v", err)
	}
	if info, err := os.Lstat(filepath.Join(filepath.Dir(link), "socket")); err != nil || info.Mode().Type() != os.ModeSocket {
		t.Errorf("the socket is not where the link points: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Serve(ctx); err != nil {
		t.Error(err)
	}
	file := filepath.Join(t.TempDir(), "precious")
	if err := os.WriteFile(file, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := control.Listen(file, &fakeDaemon{}); err == nil || !strings.Contains(err.Error(), "not a socket") {
		t.Errorf("a file in the way: %v", err)
	}
	if data, err := os.ReadFile(file); err != nil || string(data) != "x" {
		t.Error("the file in the way was touched")
	}
}
