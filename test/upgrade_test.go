package test

import (
	"compress/gzip"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// oldState puts what the program of commit 63c866e left (testdata/upgrade) in the
// places of a booth, and returns the old configuration's text.
func (b *booth) oldState() string {
	b.t.Helper()
	const dir = "testdata/upgrade"
	read := func(name string) string {
		b.t.Helper()
		text, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			b.t.Fatal(err)
		}
		return string(text)
	}
	write := func(path, text string) {
		b.t.Helper()
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			b.t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			b.t.Fatal(err)
		}
	}
	packed, err := gzip.NewReader(strings.NewReader(read("ledger.db.gz")))
	if err != nil {
		b.t.Fatal(err)
	}
	ledger, err := io.ReadAll(packed)
	if err != nil {
		b.t.Fatal(err)
	}
	write(filepath.Join(b.data(), "ledger.db"), string(ledger))
	write(filepath.Join(b.data(), "allow"), read("allow"))
	write(filepath.Join(b.data(), "secrets"), read("secrets"))
	if err := b.pbx.SetFile("pjsip.conf", read("pjsip.conf")); err != nil {
		b.t.Fatal(err)
	}
	if out, err := exec.Command("nft", "-f", filepath.Join(dir, "table.nft")).CombinedOutput(); err != nil {
		b.t.Fatalf("the old table: %v: %s", err, out)
	}
	text := strings.NewReplacer("@DATA@", b.data(), "@SOCKET@", b.socket(), "@ADDRESS@", b.pbx.Address(), "@ASTERISK@", b.dir).Replace(read("tollwarden.toml"))
	write(b.config(), text)
	return text
}

// The daemon starts with what the version of commit 63c866e left: its configuration
// as it is, its bans without a gap, its incidents, its lock and its allow list.
func TestUpgradeFromTheFirstPackage(t *testing.T) {
	t.Parallel()
	b := newBooth(t, "")
	text := b.oldState()
	bans := []string{"203.0.113.5/32", "203.0.113.6/32", "192.0.2.66/32", "2001:db8:66::/48"}
	for _, p := range bans {
		if !b.dropped(p) {
			t.Fatalf("the old table lacks %s", p)
		}
	}
	b.launch()
	b.wait("the daemon to listen to the PBX", func() bool {
		if gap := b.undropped(bans); gap != "" {
			t.Fatalf("during the start, the kernel did not drop %s", gap)
		}
		s, err := b.client().Status(t.Context())
		return err == nil && s.Asterisk.ConnectedSince != nil
	})
	b.connected()
	at := []string{"--socket", b.socket()}
	for _, p := range bans {
		if !b.dropped(p) {
			t.Errorf("after the upgrade, %s is not dropped", p)
		}
	}
	if got, err := os.ReadFile(b.config()); err != nil || string(got) != text {
		t.Errorf("the configuration was changed: %v\n%s", err, got)
	}
	incidents := objects(t, b.must(append([]string{"incidents", "--json"}, at...)...))
	var thresholds []any
	for _, i := range incidents {
		thresholds = append(thresholds, i["threshold"])
	}
	if want := []any{"break-in", "password guessing", "password guessing"}; !slices.Equal(thresholds, want) {
		t.Errorf("the old incidents are %v, want %v", thresholds, want)
	}
	b.run(append([]string{"incident", "3"}, at...)...).wants(t, "an old incident", 0, "1002", "203.0.113.6")
	b.run(append([]string{"allow", "list"}, at...)...).wants(t, "allow list", 0, "198.51.100.64/26", "198.51.100.128/25")
	b.wait("the old lock to be an order", func() bool {
		return strings.Contains(b.must(append([]string{"orders"}, at...)...), "1001")
	})
	// Old names still work, and are said.
	status := b.must(append([]string{"status", "--json"}, at...)...)
	var s struct {
		Config struct{ Warnings []string }
	}
	if err := json.Unmarshal([]byte(status), &s); err != nil {
		t.Fatal(err)
	}
	for _, old := range []string{"bans.claimed", "restrict.claimed", "notify.at_once", "health.kernel"} {
		if !strings.Contains(strings.Join(s.Config.Warnings, "\n"), old) {
			t.Errorf("status does not warn of %s: %q", old, s.Config.Warnings)
		}
	}
	b.must(append([]string{"unlock", "1001"}, at...)...)
	if conf := b.pbx.File("pjsip.conf"); strings.Contains(conf, "tollwarden-locked") {
		t.Errorf("a lock of the old version cannot be undone:\n%s", conf)
	}
}

// undropped is the first of the prefixes that the kernel does not have; "" if it has
// all of them.
func (b *booth) undropped(prefixes []string) string {
	b.t.Helper()
	table := b.nft("list", "table", "inet", "tollwarden")
	for _, p := range prefixes {
		if !strings.Contains(table, strings.TrimSuffix(p, "/32")) {
			return p
		}
	}
	return ""
}
