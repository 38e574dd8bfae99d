package test

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// What a person writes into the allow file counts after a reload, releases what
// it covers, and is never lost to a command; a mistake in it is refused and told.
func TestAllowFileIsReadAgain(t *testing.T) {
	t.Parallel()
	b := newBooth(t, "")
	at := []string{"--socket", b.socket()}
	with := func(args ...string) []string { return append(args, at...) }
	file := filepath.Join(b.data(), "allow")
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	allowed := func(address string) bool {
		return strings.Contains(b.nft("list", "set", "inet", "tollwarden", "allow4"), address)
	}
	b.start()
	if out := b.run(with("status")...); strings.Contains(out.out, "has changed") {
		t.Errorf("status without a file: %s", out.out)
	}

	b.must(with("ban", "192.0.2.66")...)
	write("192.0.2.66 # our office\n198.51.100.7\n")
	b.run(with("status")...).wants(t, "status after a change by hand", 0, file+" has changed since it was loaded")
	if allowed("192.0.2.66") {
		t.Error("in force before the reload")
	}
	b.run(with("reload")...).wants(t, "reload", 0, "in force")
	if !allowed("192.0.2.66") || !allowed("198.51.100.7") || b.dropped("192.0.2.66/32") {
		t.Errorf("after the reload: %s", b.nft("list", "table", "inet", "tollwarden"))
	}
	if out := b.run(with("status")...); strings.Contains(out.out, "has changed") {
		t.Errorf("status after the reload: %s", out.out)
	}

	write("192.0.2.66 # our office\n198.51.100.700\n")
	b.run(with("reload")...).wants(t, "reload with a mistake", 1, "refused, the old configuration stays in force", file+":2:", "198.51.100.700")
	b.run(with("status")...).wants(t, "status with a mistake", 0, file+" was refused, and what was loaded before stays in force", file+":2:")
	if !allowed("198.51.100.7") {
		t.Error("the old list is gone")
	}
	// Under stress an address is allowed all the same, and the mistake stays for
	// its author to mend.
	b.run(with("allow", "add", "203.0.113.9")...).wants(t, "allow add beside a mistake", 1, "in force, but only until the daemon's next start", file+":2:")
	if text, err := os.ReadFile(file); err != nil || !allowed("203.0.113.9") || !strings.Contains(string(text), "198.51.100.700") {
		t.Errorf("allow file: %q, %v", text, err)
	}

	// By the signal; and what is written by hand survives a command.
	write("198.51.100.8\n")
	if err := b.cmd.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	b.wait("the list of the file", func() bool { return allowed("198.51.100.8") && !allowed("192.0.2.66") && !allowed("203.0.113.9") })
	write("198.51.100.8\n# a new office\n198.51.100.77\n")
	b.run(with("allow", "add", "203.0.113.10", "--comment", "x")...).wants(t, "allow add after a change by hand", 0, "allowed 203.0.113.10")
	if text, err := os.ReadFile(file); err != nil || !strings.HasPrefix(string(text), "198.51.100.8\n# a new office\n198.51.100.77\n203.0.113.10 ") || !allowed("198.51.100.77") || !allowed("203.0.113.10") {
		t.Errorf("allow file: %q, %v", text, err)
	}
	// Half the internet is not allowed by mistake.
	b.run(with("allow", "add", "0.0.0.0/0")...).wants(t, "allowing everything", 1, "more of the internet than a /16", "--force")
	b.run(with("allow", "add", "8.0.0.0/15", "--force")...).wants(t, "allowing much by force", 0, "allowed 8.0.0.0/15")
	b.run(with("status")...).wants(t, "status of a wide allow list", 0, "WARNING: the allow list covers 1310")
	b.run(with("allow", "remove", "8.0.0.0/15")...).wants(t, "allow remove", 0, "no longer allowed")
	// What somebody took out by hand can be removed all the same.
	write("198.51.100.8\n")
	b.run(with("allow", "remove", "203.0.113.10")...).wants(t, "allow remove after the line is gone", 0, "no longer allowed")
	if text, err := os.ReadFile(file); err != nil || string(text) != "198.51.100.8\n" || allowed("203.0.113.10") {
		t.Errorf("allow file: %q, %v", text, err)
	}
}

// A daemon that could not read its allow file protects all the same, and says
// that nobody of it is spared until it can.
func TestAllowFileThatCannotBeRead(t *testing.T) {
	t.Parallel()
	b := newBooth(t, "")
	file := filepath.Join(b.data(), "allow")
	if err := os.MkdirAll(file, 0o700); err != nil { // to read it is an error, for root, too
		t.Fatal(err)
	}
	b.start()
	b.run("status", "--socket", b.socket()).wants(t, "status", 4, file+" could not be read, so none of it is in force", "the addresses in the allow file can be banned")
	b.run("allow", "add", "203.0.113.9", "--socket", b.socket()).wants(t, "allow add", 1, "in force, but only until the daemon's next start")
	b.run("status", "--socket", b.socket()).wants(t, "status after it", 4, "the addresses in the allow file can be banned")
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte("192.0.2.66\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	b.must("reload", "--socket", b.socket())
	if out := b.run("status", "--socket", b.socket()); strings.Contains(out.out, "can be banned") || strings.Contains(out.out, "could not be read") {
		t.Errorf("status after the reload: %s", out.out)
	}
}
