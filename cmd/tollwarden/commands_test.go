package main

import (
	"cmp"
	"context"
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tollwarden/tollwarden/responder/control"
	"github.com/tollwarden/tollwarden/responder/incident"
	"github.com/tollwarden/tollwarden/responder/score"
)

// fakeDaemon answers with the same values every time and keeps the last order.
type fakeDaemon struct {
	health string
	order  any
	uid    bool // the order came with a user
	pause  *control.Pause
	mode   string // "" is enforce
	// breakIns are those that nobody has dealt with, and acted the accounts of those acted on.
	breakIns []control.BreakIn
	acted    []string
	reload   func() error // nil: it succeeds
}

func (f *fakeDaemon) Orders() []control.Order {
	return []control.Order{{Account: "1006", Order: "rotate", State: "gave up", Reason: "the old password was back again", Since: time.Now(), Incident: 41, Repairs: 3}}
}
func (f *fakeDaemon) Spending() control.Spending { return control.Spending{} }
func (f *fakeDaemon) Teach(context.Context, uint32, control.History) (control.Changed, error) {
	return control.Changed{}, nil
}

func (f *fakeDaemon) Status() control.Status {
	gap := &control.Gap{From: goldenAt, To: goldenAt.Add(time.Minute)}
	return control.Status{
		Health: f.health, Pause: f.pause, Mode: cmp.Or(f.mode, "enforce"), Version: "v1\x1b", Since: goldenAt,
		Checks:   []control.Check{{Name: "events", OK: true, Detail: "listening"}, {Name: "kernel", Detail: "gone"}},
		Asterisk: control.Asterisk{Events: 5, Gaps: 1, LastGap: gap}, Counters: map[string]uint64{"incidents": 2, "verdicts": 0},
		Firewall: control.Firewall{Bans: 4, NetworksClosed: 2, FlowsBlocked: 1, Throttled: 2, Closed: []incident.PartialBlock{
			{Kind: incident.ClosedAddress, Address: netip.MustParsePrefix("203.0.113.7/32"), Connection: true, Phones: 12, Until: goldenAt},
		}},
		Config: &control.File{File: "/etc/t.toml", Loaded: goldenAt, Changed: true, Warnings: []string{"rename it"}},
		Allow:  control.File{File: "/var/allow", Refused: "a mistake"},
	}
}
func (f *fakeDaemon) Bans() []incident.Ban             { return goldenBans() }
func (f *fakeDaemon) Partial() []incident.PartialBlock { return goldenPartial() }
func (f *fakeDaemon) Incidents(limit int) ([]incident.Incident, error) {
	if limit < 50 {
		return []incident.Incident{goldenLive()}, nil
	}
	return []incident.Incident{goldenLive()}, control.Incomplete("3 rows are not on the disk yet")
}

func (f *fakeDaemon) Incident(id int64) (incident.Incident, error) {
	if id != 41 {
		return incident.Incident{}, control.Refusal("there is no such incident")
	}
	return goldenLive(), nil
}

func (f *fakeDaemon) changed(uid uint32, o any) (control.Changed, error) {
	f.order, f.uid = o, uid == uint32(os.Getuid())
	return control.Changed{Message: "done so"}, nil
}

func (f *fakeDaemon) Ban(uid uint32, o control.BanOrder) (control.Changed, error) {
	return f.changed(uid, o)
}

func (f *fakeDaemon) Unban(uid uint32, o control.UnbanOrder) (control.Changed, error) {
	return f.changed(uid, o)
}

func (f *fakeDaemon) Allow(uid uint32, o control.AllowOrder) (control.Changed, error) {
	return f.changed(uid, o)
}

func (f *fakeDaemon) Prove(context.Context, uint32) (control.Proof, error) {
	return control.Proof{}, nil
}

func (f *fakeDaemon) Reload(uid uint32) (control.Changed, error) {
	if f.reload != nil {
		if err := f.reload(); err != nil {
			return control.Changed{}, control.Refusal(err.Error())
		}
	}
	return f.changed(uid, "reload")
}

func (f *fakeDaemon) Pause(uid uint32, o control.PauseOrder) (control.Paused, error) {
	f.order, f.uid = o, uid == uint32(os.Getuid())
	return control.Paused{Message: "done so"}, nil
}

// Resume says that two extensions wait.
func (f *fakeDaemon) Resume(uid uint32) (control.Paused, error) {
	f.order, f.uid = "resume", uid == uint32(os.Getuid())
	return control.Paused{Message: "done so", Waiting: []control.Waiting{
		{Account: "1006", Steps: []string{"rotate", "remove-registrations"}}, {Account: "1007", Steps: []string{"remove-registrations"}},
	}}, nil
}

func (f *fakeDaemon) AllowList() []control.Allowed {
	return []control.Allowed{{Prefix: netip.MustParsePrefix("198.51.100.0/24"), Origin: control.FromFile, Reason: "our office"}}
}

func (f *fakeDaemon) Scores(kind string, _ int) ([]control.ScoreStatus, error) {
	if kind == "network" {
		return nil, control.Refusal("no network is counted")
	}
	bans := goldenBans()
	return []control.ScoreStatus{{
		Key: score.Key{Per: score.PerAccount, Account: "1002"}, Share: 0.66, Crossed: true, Trust: "known", Held: "locked", Channels: 2, Rotated: &goldenAt, Last: &goldenAt, Ban: &bans[1], Partial: goldenPartial(),
		Scores: []control.Score{{Threshold: "a", Points: 1, Score: 4, Within: "1h"}, {Threshold: "b", Points: 2, Score: 3, Within: "1d", Counts: "wrong passwords"}},
	}}, nil
}
func (f *fakeDaemon) Accounts() []string { return []string{"1001", "10 02; rm"} }
func (f *fakeDaemon) account(uid uint32, what string, o control.AccountOrder) (control.AccountDone, error) {
	switch o.Account {
	case "1011": // a typo
		return control.AccountDone{}, control.Refusal("refused: no such extension: 1011")
	case "1021":
		return control.AccountDone{}, control.Refusal("Asterisk is down")
	}
	f.order, f.uid = what+" "+o.Account, uid == uint32(os.Getuid())
	if o.Expire {
		f.order = what + " and remove " + o.Account
	}
	return control.AccountDone{Account: o.Account, Message: "done so\nand so"}, nil
}

func (f *fakeDaemon) Rotate(_ context.Context, uid uint32, o control.AccountOrder) (control.AccountDone, error) {
	return f.account(uid, "rotate", o)
}

func (f *fakeDaemon) Lock(_ context.Context, uid uint32, o control.AccountOrder) (control.AccountDone, error) {
	return f.account(uid, "lock", o)
}

func (f *fakeDaemon) Trust(uid uint32, o control.TrustOrder) (control.AccountDone, error) {
	return f.account(uid, "trust "+o.Address.String()+" for", control.AccountOrder{Account: o.Account})
}

func (f *fakeDaemon) Compromise(uid uint32, o control.AccountOrder) (control.AccountDone, error) {
	return f.account(uid, "compromise", o)
}

func (f *fakeDaemon) BreakIns() []control.BreakIn { return f.breakIns }

func (f *fakeDaemon) ActOn(uid uint32, o control.AccountOrder) (control.AccountDone, error) {
	f.acted = append(f.acted, o.Account)
	return control.AccountDone{Account: o.Account, Message: o.Account + ": being contained"}, nil
}

func (f *fakeDaemon) Unlock(_ context.Context, uid uint32, o control.AccountOrder) (control.AccountDone, error) {
	return f.account(uid, "unlock", o)
}

func (f *fakeDaemon) Hangup(_ context.Context, uid uint32, o control.AccountOrder) (control.AccountDone, error) {
	return f.account(uid, "hangup", o)
}

// What is watched comes at once and then ends.
func (f *fakeDaemon) WatchBans() (<-chan control.BanChange, func()) {
	c := make(chan control.BanChange, 2)
	c <- control.BanChange{At: goldenAt, Change: incident.Released, Ban: goldenBans()[1]}
	c <- control.BanChange{At: goldenAt, Change: incident.Blocked, Partial: goldenPartial()[0]}
	close(c)
	return c, func() {}
}

func (f *fakeDaemon) WatchIncidents() (<-chan incident.Incident, func()) {
	c := make(chan incident.Incident, 2)
	i := goldenLive()
	c <- i
	i.Steps = append([]incident.Step{}, i.Steps...)
	i.Steps[2].State, i.Steps[2].Detail = incident.Done, "webhook"
	c <- i
	close(c)
	return c, func() {}
}

// serve runs a fake daemon and returns its socket.
func serve(t *testing.T, f *fakeDaemon) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "tw") // a socket's path must be short
	if err != nil {
		t.Fatal(err)
	}
	s, err := control.Listen(filepath.Join(dir, "s"), f)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- s.Serve(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := errors.Join(<-served, os.RemoveAll(dir)); err != nil {
			t.Error(err)
		}
	})
	return filepath.Join(dir, "s")
}

// tollwarden runs a command line; the output is that of both streams.
func tollwarden(t *testing.T, args ...string) (code int, output string) {
	t.Helper()
	var out, stderr strings.Builder
	code = execute(t.Context(), args, &out, &stderr)
	return code, out.String() + stderr.String()
}

// Each command prints what the daemon answers and passes on what was ordered.
func TestCommandsAskTheDaemon(t *testing.T) {
	f := &fakeDaemon{health: control.Healthy}
	socket := serve(t, f)
	for _, tt := range []struct {
		line string
		code int
		want []string
	}{
		{"status", 0, []string{"An attack would be stopped now.\nok · mode enforce", "kernel  NOT OK  gone\nevents  ok", "bans in force: 4 (2 networks closed for SIP and IAX2 over UDP) · single phones blocked: 1 · addresses throttled or closed: 2 · packets", "203.0.113.7 is closed to new connections over TCP, TLS and WebSocket until ", "12 phones keep theirs: find what guesses there; `tollwarden unban 203.0.113.7` opens it", "last gap: no events arrived from", "/etc/t.toml has changed", "/etc/t.toml: rename it", "/var/allow could not be read"}},
		{"status --verbose", 0, []string{"events read: 5 · gaps: 1", "incidents: 2"}},
		{"status --json", 0, []string{`"mode": "enforce"`}},
		{"bans", 0, []string{"SIP and IAX2 over UDP  -        may be spoofed, 2nd time in a row", "everything             -        1st time", "192.0.2.66", "released by hand", "3 points of 3 within 1h", "198.51.100.20:59271  2026-", "one phone's flow ", "2001:db8::/64        2026-", "throttled  ", `the phone of extension "1004": 3 points`}},
		{"bans --json", 0, []string{`"192.0.2.66/32"`, `"kind": "flow"`, `"flow": "198.51.100.20:59271"`, `"address": "2001:db8::/64"`}},
		{"bans --watch", 1, []string{"192.0.2.66", "released  198.51.100.0/24  until it is released  by hand", `blocked  198.51.100.20:59271  one phone's flow, until 2026-`, "the daemon ended the watch"}},
		{"bans --watch --json", 1, []string{`"change":"released","ban":{`, `"change":"blocked","partial":{"kind":"flow"`}},
		{"orders", 0, []string{"1006       new password  gave up", "41", "the old password was back again"}},
		{"orders --json", 0, []string{`"state": "gave up"`, `"repairs": 3`}},
		{"incidents", 0, []string{"41", "extension 1002", "banned, ending calls failed", "the answer is incomplete: 3 rows"}},
		{"incidents --watch", 1, []string{"incident 41  extension 1002  break-in", "message operator  done"}},
		{"incidents --watch --json", 1, []string{`"id":41`}},
		{"incident 41", 0, []string{"Break-in on extension 1002"}},
		{"incident 41 --language de", 0, []string{"Einbruch in Nebenstelle 1002"}},
		{"incident 41 --language xx", 2, []string{"want de or en"}},
		{"incident 41 --html", 0, []string{"<!doctype html>"}},
		{"incident 41 --html=page.html", 2, []string{"--html takes no value: `tollwarden incident --help` explains it"}},
		{"incident 41 --annex", 0, []string{"InvalidPassword"}},
		{"incident 41 --json", 0, []string{`"id": 41`}},
		{"incident 42", 1, []string{"there is no such incident"}},
		{"incident none", 2, []string{"want the number"}},
		{"sources", 0, []string{"2 of 3 wrong passwords  1d", "one phone's flow (198.51.100.20:59271) blocked until 2026-", "throttled until 2026-", "limit reached, known, locked, 2 calls up, password changed"}},
		{"addresses --verbose", 0, []string{"66%", "  b  "}},
		{"extensions", 0, []string{"EXTENSION", "2 of 3 wrong passwords"}},
		{"sources --networks", 1, []string{"no network is counted"}},
		{"accounts --json", 0, []string{`"share": 0.66`}},
		{"allow list", 0, []string{"198.51.100.0/24", "our office"}},
		{"allow list --json", 0, []string{`"origin": "file"`}},
		{"reload", 0, []string{"done so"}},
		{"rotate 1002 --json", 0, []string{`"account": "1002"`}},
		{"ban nonsense", 2, []string{"want an address"}},
		{"pause soon", 2, []string{"want a duration above zero, such as"}},
		{"pause 2d", 2, []string{"at most 24h"}},
		{"pause", 2, []string{"usage: tollwarden pause DURATION (`tollwarden pause --help` explains it)"}},
		{"resume --waiting", 1, []string{"done so", "1007: only its registrations wait"}},
		{"ban 192.0.2.1 --for soon", 2, []string{"--for"}},
		{"unban", 2, []string{"give an address"}},
		{"nothing", 2, []string{"there is no command \"nothing\""}},
		{"rotate 1011", 1, []string{"tollwarden: no extension 1011; did you mean 1001?"}},
		{"rotate 1021", 1, []string{"tollwarden: Asterisk is down; no extension 1021 is known: did you mean 1001?"}},
		{"hangup 1010", 0, []string{"done so", "no extension 1010 is known; did you mean 1001?"}},
		{"stauts", 2, []string{"did you mean `tollwarden status`?"}},
		{"allow ad", 2, []string{"did you mean `tollwarden allow add`?"}},
		{"rotate 1002 --expir", 2, []string{"there is no option --expir; did you mean --expire?"}},
		{"rotate", 2, []string{"usage: tollwarden rotate EXTENSION (`tollwarden rotate --help` explains it)"}},
	} {
		code, got := tollwarden(t, append(strings.Fields(tt.line), "--socket", socket)...)
		if tt.code == 2 { // wrong usage comes first
			code, got = tollwarden(t, strings.Fields(tt.line)...)
		}
		for _, want := range tt.want {
			if code != tt.code || !strings.Contains(got, want) {
				t.Errorf("%s: exit code %d, want %d and %q in\n%s", tt.line, code, tt.code, want, got)
			}
		}
		if strings.Contains(got, "\x1b") {
			t.Errorf("%s: it prints an escape sequence: %q", tt.line, got)
		}
	}
	f.pause = &control.Pause{Until: goldenAt, By: "root", Reason: "phones move"}
	for _, command := range []string{"status", "incidents"} {
		if _, got := tollwarden(t, command, "--socket", socket); !strings.HasPrefix(got, "PAUSED until ") || !strings.Contains(got, "by root: phones move\n") {
			t.Errorf("%s during a pause:\n%s", command, got)
		}
	}
	f.health = control.Starting
	if code, got := tollwarden(t, "status", "--socket", socket); code != 0 || !strings.Contains(got, "starting · mode") {
		t.Errorf("starting: exit code %d, %s", code, got)
	}
	f.health = control.Degraded
	if code, _ := tollwarden(t, "status", "--socket", socket); code != exitDegraded {
		t.Errorf("degraded: exit code %d", code)
	}
	if code, got := tollwarden(t, "status", "--socket", socket+"-"); code != exitNotRunning {
		t.Errorf("without a daemon: exit code %d, %s", code, got)
	}
}

// Orders arrive as they were given, with the user who gave them.
func TestOrdersArrive(t *testing.T) {
	f := &fakeDaemon{}
	socket := serve(t, f)
	prefix := netip.MustParsePrefix("192.0.2.66/32")
	for line, want := range map[string]any{
		"unban 192.0.2.66 --forgive":            control.UnbanOrder{Prefix: prefix, Forgive: true},
		"unban 198.51.100.20:59271":             control.UnbanOrder{Flow: netip.MustParseAddrPort("198.51.100.20:59271")},
		"unban [2001:db8::1]:5060":              control.UnbanOrder{Flow: netip.MustParseAddrPort("[2001:db8::1]:5060")},
		"unban [::ffff:192.0.2.1]:5060":         control.UnbanOrder{Flow: netip.MustParseAddrPort("192.0.2.1:5060")},
		"unban --all":                           control.UnbanOrder{All: true},
		"allow add 192.0.2.66 --comment office": control.AllowOrder{Prefix: prefix, Comment: "office"},
		"allow remove 192.0.2.66 --json":        control.AllowOrder{Prefix: prefix, Remove: true},
		"rotate 1002":                           "rotate 1002",
		"rotate 1002 --expire":                  "rotate and remove 1002",
		"hangup 1002":                           "hangup 1002",
		"lock 1002":                             "lock 1002",
		"unlock 1002":                           "unlock 1002",
		"pause 1h --reason phones":              control.PauseOrder{For: "1h", Reason: "phones"},
		"resume":                                "resume",
		"trust 1002 192.0.2.1":                  "trust 192.0.2.1 for 1002",
		"compromise 1002":                       "compromise 1002",
	} {
		code, got := tollwarden(t, append(strings.Fields(line), "--socket", socket)...)
		if code != 0 || f.order != want || !f.uid || !strings.Contains(got, "done so") {
			t.Errorf("%s: exit code %d, the daemon got %+v, want %+v; it prints %s", line, code, f.order, want, got)
		}
	}
	for line, want := range map[string]string{"ban 192.0.2.66 --for 1h --force": "1h", "ban 192.0.2.66 --forever": "forever"} {
		if code, got := tollwarden(t, append(strings.Fields(line), "--socket", socket)...); code != 0 {
			t.Errorf("%s: %s", line, got)
		}
		if o, ok := f.order.(control.BanOrder); !ok || o.Prefix != prefix || o.For != want || o.Reason != "by hand" {
			t.Errorf("%s: the daemon got %+v", line, f.order)
		}
	}
}

// A shell completes what the daemon knows, and nothing that it could take for a
// command.
func TestCompletion(t *testing.T) {
	socket := serve(t, &fakeDaemon{})
	for line, want := range map[string]string{
		"unban":        "192.0.2.66\t3 points",
		"allow remove": "198.51.100.0/24\tour office",
		"rotate":       "1001\n",
		"pause":        "30m\n",
		"incident":     "41\tbreak-in, 1002",
	} {
		_, got := tollwarden(t, append(append([]string{"__complete"}, strings.Fields(line)...), "--socket", socket, "")...)
		if !strings.Contains(got, want) || strings.Contains(got, "rm") {
			t.Errorf("%s: %q, want %q", line, got, want)
		}
	}
}

// What needs no daemon.
func TestCommandsAlone(t *testing.T) {
	dir := t.TempDir()
	if code, got := tollwarden(t, "version"); code != 0 || !strings.HasPrefix(got, "tollwarden ") {
		t.Errorf("version: %s", got)
	}
	if code, got := tollwarden(t, "allow"); code != 0 || !strings.Contains(got, "allow [command]") {
		t.Errorf("allow: %s", got)
	}
	if code, got := tollwarden(t, "check", "--reference"); code != 0 || !strings.Contains(got, "[asterisk]") {
		t.Errorf("check --reference: %s", got)
	}
	if code, got := tollwarden(t, "check", "-c", filepath.Join(dir, "none")); code != 1 || !strings.Contains(got, "none") {
		t.Errorf("check without a file: %d %s", code, got)
	}
	if code, got := tollwarden(t, "run", "-c", filepath.Join(dir, "none")); code != 1 || strings.Count(got, "\n") != 1 {
		t.Errorf("run without a file: %d %s", code, got)
	}
	if code, got := tollwarden(t, "import", "fail2ban", "--bantime", "soon"); code != 2 || !strings.Contains(got, "--bantime") {
		t.Errorf("import: %d %s", code, got)
	}
	if code, got := tollwarden(t, "man", dir); code != 0 {
		t.Errorf("man: %s", got)
	}
	pages, err := filepath.Glob(filepath.Join(dir, "*.1"))
	if err != nil || len(pages) < 20 {
		t.Errorf("manual pages: %v, %v", pages, err)
	}
	page, err := os.ReadFile(filepath.Join(dir, "tollwarden-ban.1"))
	if err != nil || !strings.Contains(string(page), ".SH OPTIONS") || !strings.Contains(string(page), `\-\-forever`) {
		t.Errorf("the page of ban: %s, %v", page, err)
	}
}
