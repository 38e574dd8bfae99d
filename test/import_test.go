package test

import (
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	_ "modernc.org/sqlite" // to make fail2ban's database
)

// fail2banDB makes a database as fail2ban 0.11 and later keep it.
func fail2banDB(t *testing.T, path string) {
	t.Helper()
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	statements := []string{
		"CREATE TABLE fail2banDb(version INTEGER)", "INSERT INTO fail2banDb VALUES (4)",
		"CREATE TABLE bips(ip TEXT NOT NULL, jail TEXT NOT NULL, timeofban INTEGER NOT NULL, bantime INTEGER NOT NULL, bancount INTEGER NOT NULL default 1, data JSON, PRIMARY KEY(ip, jail))",
	}
	now := time.Now().Unix()
	for _, b := range []struct {
		ip, jail    string
		since, last int64
	}{
		{"203.0.113.7", "asterisk", now - 600, 3600},
		{"203.0.113.7", "recidive", now - 600, 604800}, // the longer one counts
		{"203.0.113.8", "asterisk", now - 7200, 3600},  // over
		{"203.0.113.9", "asterisk", now - 7200, -1},
		{"2001:db8::9", "asterisk", now - 10, 3600},
		{"198.51.100.20", "asterisk", now - 10, 3600}, // allowed by ignoreip meanwhile
		{"a-name.example", "asterisk", now - 10, 3600},
		{"203.0.113.10", "sshd", now - 10, 3600},
	} {
		statements = append(statements, fmt.Sprintf("INSERT INTO bips(ip, jail, timeofban, bantime) VALUES ('%s', '%s', %d, %d)", b.ip, b.jail, b.since, b.last))
	}
	for _, s := range statements {
		if _, err := db.Exec(s); err != nil {
			t.Fatal(err)
		}
	}
}

const jailLocal = `# a comment
[DEFAULT]
ignoreip = 127.0.0.1/8 ::1, 198.51.100.0/24 # the office
           192.0.2.40
           %(other)s carrier.example
bantime = 1h
[sshd]
ignoreip = 8.8.8.8
[asterisk]
enabled  = true
ignoreip = 192.0.2.41
`

// A switch from fail2ban loses nothing: its bans with the times they have left,
// and its exceptions, by a running daemon and without one.
func TestImportFail2ban(t *testing.T) {
	t.Parallel()
	for name, running := range map[string]bool{"a running daemon": true, "no daemon": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBooth(t, "")
			db, jails := filepath.Join(b.dir, "fail2ban.sqlite3"), filepath.Join(b.dir, "jail.local")
			fail2banDB(t, db)
			if err := os.WriteFile(jails, []byte(jailLocal), 0o600); err != nil {
				t.Fatal(err)
			}
			if running {
				b.start()
			}
			const daemons = 12345 // the user of a packaged daemon, who owns its folder
			if !running {
				if err := errors.Join(os.Mkdir(b.data(), 0o700), os.Chown(b.data(), daemons, daemons)); err != nil {
					t.Fatal(err)
				}
			}
			order := []string{"import", "fail2ban", "--db", db, "--ignoreip", jails, "--socket", b.socket(), "-c", b.config(), "--jail", "asterisk,recidive"}
			b.run(append(order, "--dry-run")...).wants(t, "dry run", 0, "would be imported")
			if running && b.dropped("203.0.113.7/32") {
				t.Fatal("a dry run banned")
			}
			var did struct {
				Bans    []struct{ Prefix netip.Prefix }
				Allowed []string
				Skipped []struct{ What, Why string }
				Offline bool
			}
			if err := json.Unmarshal([]byte(b.must(append(order, "--json")...)), &did); err != nil {
				t.Fatal(err)
			}
			if len(did.Bans) != 3 || len(did.Allowed) != 4 || len(did.Skipped) != 3 || did.Offline == running {
				t.Errorf("took over %+v", did)
			}
			if !running {
				for _, name := range []string{"allow", "ledger.db"} {
					info, err := os.Stat(filepath.Join(b.data(), name))
					if err != nil {
						t.Fatal(err)
					}
					if uid := info.Sys().(*syscall.Stat_t).Uid; uid != daemons {
						t.Errorf("%s is of user %d: the daemon cannot read it", name, uid)
					}
				}
				b.start()
			}
			for prefix, want := range map[string]bool{
				"203.0.113.7/32": true, "203.0.113.8/32": false, "203.0.113.9/32": true, "2001:db8::/64": false,
				"198.51.100.20/32": false, "203.0.113.10/32": false,
			} {
				if got := b.dropped(prefix); got != want {
					t.Errorf("%s dropped: %v, want %v\n%s", prefix, got, want, b.nft("list", "table", "inet", "tollwarden"))
				}
			}
			if !strings.Contains(b.nft("list", "table", "inet", "tollwarden"), "2001:db8::9") {
				t.Error("the kernel has no ban of the IPv6 address")
			}
			for _, ban := range objects(t, b.must("bans", "--json", "--socket", b.socket())) {
				until, _ := ban["until"].(string)
				end, err := time.Parse(time.RFC3339, until)
				left := time.Until(end).Round(time.Hour)
				switch ban["prefix"] {
				case "203.0.113.9/32":
					if ban["until"] != nil {
						t.Errorf("a permanent ban ends %v", until)
					}
				case "203.0.113.7/32":
					if err != nil || left != 7*24*time.Hour {
						t.Errorf("recidive's ban has %s left", left)
					}
				default:
					if err != nil || left != time.Hour {
						t.Errorf("%v has %s left", ban["prefix"], left)
					}
				}
			}
			if list := b.must("allow", "list", "--socket", b.socket()); !strings.Contains(list, "192.0.2.41") || !strings.Contains(list, "fail2ban ignoreip") || strings.Contains(list, "8.8.8.8") {
				t.Errorf("allow list:\n%s", list)
			}
			b.run(order...).wants(t, "once more", 0, "3 bans and 0 allowed ranges imported")
			b.run("import", "fail2ban", "--db", "/nowhere", "--socket", b.socket()).wants(t, "no database", 1, "/nowhere is not there")
			b.run("import", "fail2ban", "--db", jails, "--socket", b.socket()).wants(t, "another file", 1, "not a database")
			b.stop(syscall.SIGTERM)
		})
	}
}

// A replay on the command line: text, JSON, observations and wrong usage.
func TestReplayOnTheCommandLine(t *testing.T) {
	t.Parallel()
	path, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	const transcript = "../ami/testdata/fraud-asterisk22-pjsip.txt"
	damaged := filepath.Join(t.TempDir(), "messages")
	if err := os.WriteFile(damaged, []byte("[2026-11-22 00:26:26] NOTICE[1] manager.c: 203.0.113.7 failed to authenticate as 'a\x1b[31m'\nhalf a l\x07ine\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := command(t, path, "replay", transcript, damaged)
	if err != nil || !strings.Contains(out, "password guessing") || !strings.Contains(out, "line 2: not a line of Asterisk's logger: half a l") || strings.ContainsAny(out, "\x07\x1b") {
		t.Errorf("%v: %q", err, out)
	}
	out, err = command(t, path, "replay", "--json", transcript)
	var result struct {
		Bans      []map[string]any
		Incidents []map[string]any
		Accounts  []map[string]any
		Files     []map[string]any
	}
	if uerr := json.Unmarshal([]byte(out), &result); err != nil || uerr != nil || len(result.Bans) != 1 || len(result.Incidents) == 0 || len(result.Accounts) != 1 || len(result.Files) != 1 {
		t.Errorf("%v, %v: %s", err, uerr, out)
	}
	out, err = command(t, path, "replay", "--html", transcript, damaged)
	if err != nil || !strings.HasPrefix(out, "<!doctype html>") || !strings.Contains(out, "password guessing") || strings.ContainsAny(out, "\x07\x1b") {
		t.Errorf("%v: %s", err, out)
	}
	out, err = command(t, path, "replay", "--observations", transcript)
	lines := strings.Split(strings.TrimSpace(out), "\n")
	var first map[string]any
	if uerr := json.Unmarshal([]byte(lines[0]), &first); err != nil || uerr != nil || keysOf(t, first) != "account at kind proof sensor session source" || len(lines) != 23 {
		t.Errorf("%v, %v: %d observations, %s", err, uerr, len(lines), lines[0])
	}
	for _, wrong := range [][]string{{"replay"}, {"replay", "--json", "--html", transcript}, {"replay", "--zone", "Nowhere/At", transcript}} {
		if out, err := command(t, path, wrong...); err == nil {
			t.Errorf("%v: %s", wrong, out)
		}
	}
	if out, err := command(t, path, "replay", "/nowhere"); err == nil || !strings.Contains(out, "no such file") {
		t.Errorf("%v: %s", err, out)
	}
}
