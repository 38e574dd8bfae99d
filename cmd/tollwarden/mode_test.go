package main

import (
	"encoding/json"
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/tollwarden/tollwarden/responder/control"
	"github.com/tollwarden/tollwarden/responder/incident"
)

// A command rewrites the mode line alone, keeps the file's owner and mode, and has the daemon
// reload it; if that is refused, the file is as before.
func TestSwitchMode(t *testing.T) {
	const rest = "[asterisk]\nusername = \"t\"\nsecret_file = \"/only/the/daemon/reads/it\"\n"
	for name, tt := range map[string]struct {
		command, text string
		reload        error
		running       bool
		code          int
		want          string // the file afterwards; "" is as before
		says          string
	}{
		"begin to stop attacks":   {"enforce", "# mine\nmode = \"observe\"   # for now\n" + rest, nil, true, 0, "# mine\nmode = \"enforce\"   # for now\n" + rest, "enforcing: attacks are stopped from now on"},
		"only watch":              {"observe", "mode = \"enforce\"\n" + rest, nil, true, 0, "mode = \"observe\"\n" + rest, "OBSERVING: attacks are reported, but not stopped"},
		"without a mode line":     {"observe", rest, nil, true, 0, "mode = \"observe\"\n" + rest, "OBSERVING"},
		"the daemon refuses":      {"enforce", "mode = \"observe\"\n" + rest, errors.New("only a restart can change data"), true, 1, "", "the mode is as before: only a restart can change data"},
		"an error in the file":    {"enforce", "mode = \"observe\"\n" + rest + "[bans]\nladdr = 1\n", nil, true, 1, "", ":6: bans.laddr: unknown key: did you mean bans.ladder?"},
		"no daemon runs":          {"enforce", "mode = \"observe\"\n" + rest, nil, false, 3, "mode = \"enforce\"\n" + rest, "in force from the next start"},
		"the same mode as before": {"enforce", "mode = \"enforce\"\n" + rest, nil, true, 0, "", "enforcing"},
	} {
		t.Run(name, func(t *testing.T) {
			socket := filepath.Join(t.TempDir(), "none")
			if tt.running {
				socket = serve(t, &fakeDaemon{health: control.Healthy, mode: tt.command, reload: func() error { return tt.reload }})
			}
			real, link := filepath.Join(t.TempDir(), "t.toml"), filepath.Join(t.TempDir(), "link.toml")
			if err := errors.Join(os.WriteFile(real, []byte(tt.text), 0o640), os.Chmod(real, 0o640), os.Symlink(real, link)); err != nil {
				t.Fatal(err)
			}
			if os.Getuid() == 0 {
				if err := os.Chown(real, 7, 8); err != nil {
					t.Fatal(err)
				}
			}
			code, says := tollwarden(t, tt.command, "-c", link, "--socket", socket)
			if code != tt.code || !strings.Contains(says, tt.says) {
				t.Errorf("code %d, want %d: %s", code, tt.code, says)
			}
			text, err := os.ReadFile(real)
			if want := tt.want; err != nil || string(text) != want && (want != "" || string(text) != tt.text) {
				t.Errorf("the file is %q, want %q (%v)", text, want, err)
			}
			info, err := os.Lstat(real)
			if err != nil || info.Mode() != 0o640 {
				t.Errorf("its mode is %v, %v", info.Mode(), err)
			}
			if owner := info.Sys().(*syscall.Stat_t); os.Getuid() == 0 && (owner.Uid != 7 || owner.Gid != 8) {
				t.Errorf("its owner is %d:%d", owner.Uid, owner.Gid)
			}
			if left, _ := filepath.Glob(filepath.Join(filepath.Dir(real), ".*")); len(left) > 0 {
				t.Errorf("left behind: %v", left)
			}
		})
	}
}

// Nobody is told that attacks are stopped while they are not: when the daemon reads another file,
// in a pause, and when something is missing.
func TestEnforceSaysWhatHolds(t *testing.T) {
	for name, tt := range map[string]struct {
		f    *fakeDaemon
		code int
		says string
	}{
		"the daemon reads another file": {&fakeDaemon{health: control.Healthy, mode: "observe"}, 1, "the daemon is still in mode observe: it reads /etc/t.toml; change that one with -c"},
		"in a pause":                    {&fakeDaemon{health: control.Healthy, pause: &control.Pause{}}, 0, "mode enforce, but paused: attacks are not stopped until `tollwarden resume`"},
		"something is missing":          {&fakeDaemon{health: control.Degraded}, 0, "AN ATTACK MIGHT NOT BE STOPPED NOW"},
	} {
		const text = "mode = \"observe\"\n[asterisk]\nusername = \"t\"\nsecret = \"s\"\n"
		file := filepath.Join(t.TempDir(), "t.toml")
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		code, says := tollwarden(t, "enforce", "-c", file, "--socket", serve(t, tt.f))
		if code != tt.code || !strings.Contains(says, tt.says) || strings.Contains(says, "attacks are stopped from now on") {
			t.Errorf("%s: code %d, want %d: %s", name, code, tt.code, says)
		}
		if after, err := os.ReadFile(file); err != nil || code != 0 && string(after) != text {
			t.Errorf("%s: the file is %q, %v", name, after, err)
		}
	}
}

// The break-ins that were seen while observing are listed, and acted on if a person says so.
func TestEnforceActsOnBreakIns(t *testing.T) {
	list := []control.BreakIn{
		{Account: "1002", Name: "Front desk", At: goldenAt, Addresses: []netip.Prefix{netip.MustParsePrefix("192.0.2.66/32")}, Calls: 3, Incident: 12},
		{Account: "1003", At: goldenAt},
		{Account: "1004", At: goldenAt},
	}
	for name, tt := range map[string]struct {
		list    []control.BreakIn
		args    string
		answers string
		acted   string
		says    string
	}{
		"none":                    {},
		"each is asked about":     {list, "", "y\nn\ny\n", "1002 1004", "1002 Front desk: somebody else has used it, last seen 2026-11-22 03:04:05, from 192.0.2.66, 3 calls up NOW (incident 12)"},
		"all of them":             {list, "", "a\n", "1002 1003 1004", "act on 1002 now? [y]es, [n]o, [a]ll, [q]uit: "},
		"no more":                 {list, "", "y\nq\n", "1002", "1002: being contained"},
		"nobody answers":          {list, "", "", "", "3 break-ins that nobody has dealt with"},
		"without being asked":     {list, "--act", "", "1002 1003 1004", "1004: being contained"},
		"an answer is not a word": {list, "", "what?\n\n\n", "", "act on 1004"},
	} {
		f := &fakeDaemon{health: control.Healthy, breakIns: tt.list}
		file := filepath.Join(t.TempDir(), "t.toml")
		if err := os.WriteFile(file, []byte("[asterisk]\nusername = \"t\"\nsecret = \"s\"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		var out, stderr strings.Builder
		root := newRoot()
		root.SetOut(&out)
		root.SetErr(&stderr)
		root.SetIn(strings.NewReader(tt.answers))
		root.SetArgs(append([]string{"enforce", "-c", file, "--socket", serve(t, f)}, strings.Fields(tt.args)...))
		if err := root.ExecuteContext(t.Context()); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if got := strings.Join(f.acted, " "); got != tt.acted || !strings.Contains(out.String(), tt.says) {
			t.Errorf("%s: acted on %q, want %q; said %s", name, got, tt.acted, out.String())
		}
	}
	// Without a terminal, as from cron, nothing is asked and nothing done.
	null, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	if isTerminal(null) {
		t.Error("/dev/null answers questions")
	}
}

// status says so first, and exits with a code of its own; a fault comes before it.
func TestStatusWhileObserving(t *testing.T) {
	for health, code := range map[string]int{control.Healthy: 5, control.Starting: 5, control.Degraded: 4} {
		got, says := tollwarden(t, "status", "--socket", serve(t, &fakeDaemon{health: health, mode: "observe"}))
		if got != code || !strings.HasPrefix(says, "OBSERVING: attacks are reported, but not stopped; `tollwarden enforce` begins to stop them\n") {
			t.Errorf("%s: code %d, want %d: %s", health, got, code, says)
		}
	}
}

// What mode observe has not blocked is not listed as blocked.
func TestBansWhileObserving(t *testing.T) {
	ban := goldenBans()[0]
	ban.Observed = true
	if got := dropped(ban); got != "would be blocked: "+ban.Scope.Words() {
		t.Errorf("%q", got)
	}
	text, err := json.Marshal(ban)
	var back incident.Ban
	if err = errors.Join(err, json.Unmarshal(text, &back)); err != nil || !back.Observed {
		t.Errorf("%s, %v", text, err)
	}
}
