package test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// What is in force on one host is in force on another that a backup was brought to,
// from the daemon's start: bans, a changed password, a lock and the allow list. A ban
// that ran out on the way is not put back.
func TestBackupMovesToAnotherHost(t *testing.T) {
	t.Parallel()
	b := newBooth(t, "")
	fresh := b.pbx.File("pjsip.conf")
	b.start()
	at := []string{"--socket", b.socket()}
	for _, line := range []string{
		"ban 203.0.113.0/24 --for 1h", "ban 203.0.114.9 --for 3s", "ban 2001:db8:7::/48 --forever",
		"rotate 1001", "lock 1002", "allow add 198.51.100.64/26 --comment office",
	} {
		b.must(append(strings.Fields(line), at...)...)
	}
	out := time.Now().Add(3100 * time.Millisecond) // the short one has run out then
	secret, locked := b.pbx.Secret("1001"), b.pbx.File("pjsip.conf")
	file := filepath.Join(t.TempDir(), "a.backup")
	b.run("backup", "-c", b.config(), "--secrets", file).wants(t, "backup", 0, "2 orders in force", "WARNING: it holds passwords in plain text")
	if info, err := os.Stat(file); err != nil || info.Mode() != 0o600 {
		t.Errorf("the backup has mode %v, %v", info.Mode(), err)
	}
	b.run("restore", "-c", b.config(), "--force", file).wants(t, "restore beside the daemon", 1, "a daemon is running", "systemctl stop tollwarden")
	b.stop(syscall.SIGTERM)

	// The new host: nothing of ours, and Asterisk as it was before.
	b.nft("delete", "table", "inet", "tollwarden")
	if err := errors.Join(os.RemoveAll(b.data()), os.Remove(b.config()), b.pbx.SetFile("pjsip.conf", fresh)); err != nil {
		t.Fatal(err)
	}
	time.Sleep(time.Until(out))
	b.run("restore", "-c", b.config(), "--dry-run", file).wants(t, "restore --dry-run", 0, "backup of", "the backup is complete; nothing was written")
	if _, err := os.Stat(b.config()); !errors.Is(err, os.ErrNotExist) {
		t.Error("a dry run wrote the configuration")
	}
	b.run("restore", "-c", b.config(), file).wants(t, "restore", 0, "1 ban ran out and will not be put back", "wrote "+b.config(), "manager.conf has no user [tollwarden]", "next: tollwarden check")
	b.run("restore", "-c", b.config(), file).wants(t, "restore again", 1, "there is an installation already", "--force")
	b.start()
	if !b.dropped("203.0.113.0/24") || !b.dropped("2001:db8:7::/48") || b.dropped("203.0.114.9/32") {
		t.Errorf("the kernel does not have the bans in force:\n%s", b.must(append([]string{"bans"}, at...)...))
	}
	b.wait("the changed password and the lock to be put back", func() bool {
		return b.pbx.Secret("1001") == secret && b.pbx.File("pjsip.conf") == locked
	})
	b.run(append([]string{"allow", "list"}, at...)...).wants(t, "allow list", 0, "198.51.100.64/26", "office")
}

// A person's data is counted, exported and deleted; a running daemon would write it
// again, so it has to be stopped.
func TestForgetAPerson(t *testing.T) {
	t.Parallel()
	b := newBooth(t, "")
	b.start()
	b.pbx.Raw("security", guesses("1002", "203.0.113.6", 3))
	b.pbx.Raw("security", guesses("1001", "203.0.113.7", 3))
	b.wait("both incidents", func() bool {
		list, err := b.client().Incidents(t.Context(), 10)
		return err == nil && len(list) == 2
	})
	b.must("unban", "--all", "--socket", b.socket())
	b.run("forget", "203.0.113.7", "-c", b.config()).wants(t, "forget", 0, "about 203.0.113.7: 1 ban", "1 incident", "nothing was deleted")
	export := b.must("forget", "203.0.113.7", "-c", b.config(), "--json")
	if !strings.Contains(export, `"table":"evidence"`) || !strings.Contains(export, "203.0.113.7") {
		t.Errorf("the export is %s", export)
	}
	b.run("forget", "203.0.113.7", "-c", b.config(), "--yes").wants(t, "forget beside the daemon", 1, "stop it first")
	b.stop(syscall.SIGTERM)
	b.run("forget", "203.0.113.7", "-c", b.config(), "--yes").wants(t, "forget --yes", 0, "deleted: 1 ban, 1 incident", "not reached: backups")
	for _, side := range []string{"", "-wal"} {
		text, err := os.ReadFile(filepath.Join(b.data(), "ledger.db"+side))
		if err == nil && strings.Contains(string(text), "203.0.113.7") {
			t.Errorf("ledger.db%s still has the address", side)
		}
	}
	b.start()
	if list := objects(t, b.must("incidents", "--json", "--socket", b.socket())); len(list) != 1 || list[0]["source"] != "203.0.113.6" {
		t.Errorf("the other incident is %v", list)
	}
}
