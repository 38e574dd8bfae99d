package test

import (
	"context"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net/mail"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tollwarden/tollwarden/test/lab"
)

// walk is what a new user does: from a package to a mail about a break-in, on a fresh Debian
// whose Asterisk runs as its own user, and off again.
type walk struct {
	*warden
	began time.Time
	spent time.Duration // so far, without what attackers and the test itself need
}

// step does one thing that the user does or waits for, and prints how long it took.
func (w *walk) step(what string, do func()) {
	w.t.Helper()
	w.began = time.Now()
	do()
	took := time.Since(w.began)
	w.spent += took
	w.t.Logf("%-32s %6.2fs", what, took.Seconds())
}

// in runs a program of the fresh root that has to succeed.
func (w *walk) in(args ...string) string {
	w.t.Helper()
	out, err := w.try(args...)
	if err != nil {
		w.t.Fatalf("%s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return out
}

func (w *walk) try(args ...string) (string, error) {
	cmd := w.lab.Inside(w.t.Context(), args[0], args[1:]...)
	cmd.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive", "LC_ALL=C")
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// read is a file of the root.
func (w *walk) read(name string) string {
	w.t.Helper()
	text, err := os.ReadFile(w.lab.Path(name))
	if err != nil {
		w.t.Fatal(err)
	}
	return string(text)
}

// debianPackage builds the package as `make packages` does, and returns its path.
func debianPackage(t *testing.T) string {
	t.Helper()
	out := t.TempDir()
	cmd := exec.CommandContext(t.Context(), "sh", "../packaging/release.sh", out)
	cmd.Env = append(os.Environ(), "VERSION=1.2.3", "ARCHES="+runtime.GOARCH, "SOURCE_DATE_EPOCH=1764500000")
	if text, err := cmd.CombinedOutput(); err != nil {
		if strings.Contains(string(text), "nfpm") && strings.Contains(string(text), "dial tcp") {
			t.Skipf("needs nfpm from the module proxy: %s", text)
		}
		t.Fatalf("build the package: %v: %s", err, text)
	}
	found, err := filepath.Glob(filepath.Join(out, "*.deb"))
	if err != nil || len(found) != 1 {
		t.Fatalf("the packages: %v, %v", found, err)
	}
	return found[0]
}

// freshPBX is a PBX as Debian installs it: stock files for the manager interface and the log,
// which belong to Asterisk's own user, and extensions.
func freshPBX(t *testing.T) *walk {
	t.Helper()
	files := map[string]string{}
	if root, err := lab.Root(t.Context(), lab.Asterisk22, nil); err == nil {
		for _, name := range []string{"manager.conf", "logger.conf", "asterisk.conf"} {
			text, err := os.ReadFile(filepath.Join(root, "etc/asterisk", name))
			if err != nil {
				t.Fatal(err)
			}
			files[name] = strings.Replace(string(text), "\n[options]\n", "\n[options]\nrunuser = asterisk\nrungroup = asterisk\n", 1)
		}
	}
	l := lab.New(t, lab.Options{Files: files})
	if err := l.Stop(); err != nil {
		t.Fatal(err)
	}
	owned := []string{l.Path("/"), "chown", "-R", "asterisk:asterisk", "/etc/asterisk", "/var/lib/asterisk", "/var/log/asterisk", "/var/spool/asterisk", "/run/asterisk"}
	if out, err := command(t, "chroot", owned...); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if err := l.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	w := &walk{warden: &warden{t: t, lab: l, log: &lab.Journal{}}}
	w.in("mount", "-t", "proc", "proc", "/proc")
	return w
}

// start does what systemd does with the packaged unit: its folders, its user, its
// capabilities. The daemon's command is the one that setup names.
func (w *walk) start() {
	w.t.Helper()
	// systemd-tmpfiles of this machine does not find the root's users in an ACL.
	uid := strings.TrimSpace(w.in("id", "-u", "tollwarden"))
	tmpfiles := exec.CommandContext(w.t.Context(), "systemd-tmpfiles", "--root="+w.lab.Path("/"), "--create", "-")
	tmpfiles.Stdin = strings.NewReader(strings.ReplaceAll(w.read("/usr/lib/tmpfiles.d/tollwarden.conf"), "user:tollwarden:", "user:"+uid+":"))
	if out, err := tmpfiles.CombinedOutput(); err != nil || len(out) > 0 {
		w.t.Fatalf("systemd-tmpfiles: %v: %s", err, out)
	}
	w.in("install", "-d", "-o", "tollwarden", "-g", "tollwarden", "-m", "0750", "/run/tollwarden")
	w.in("install", "-d", "-o", "tollwarden", "-g", "tollwarden", "-m", "0700", "/var/lib/tollwarden")
	w.cmd = w.lab.Inside(context.Background(), "nice", "-n", "-10", "setpriv", "--reuid", "tollwarden", "--regid", "tollwarden", "--init-groups",
		"--bounding-set", "-all,+net_admin,+chown", "--inh-caps", "-all,+net_admin,+chown", "--ambient-caps", "+net_admin,+chown", "--no-new-privs",
		"tollwarden", "run", "-c", "/etc/tollwarden/tollwarden.toml")
	w.cmd.Stdout, w.cmd.Stderr = w.log, w.log
	if err := w.cmd.Start(); err != nil {
		w.t.Fatal(err)
	}
	w.done = make(chan error, 1)
	go func(cmd *exec.Cmd, done chan error) { done <- cmd.Wait() }(w.cmd, w.done)
	w.t.Cleanup(func() {
		w.stop(syscall.SIGTERM)
		if w.t.Failed() {
			w.t.Logf("the daemon's log:\n%s", w.log)
		}
	})
}

const walkAnswers = `
country     = "GB"
mail_to     = ["ops@example.org"]
mail_server = "127.0.0.1:25"
mail_from   = "pbx@example.org"
log         = "add"
mode        = "protect"
`

// From the package to a break-in that is contained and a mail that says so, in far less than
// five minutes; then off again, without a trace but the records. Nothing is as root that is
// not so with the packaged unit.
func TestFiveMinuteWalk(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("systemd-tmpfiles"); err != nil {
		t.Skip("needs systemd-tmpfiles (apt-get install systemd)")
	}
	w := freshPBX(t)
	deb := debianPackage(t)
	text, err := os.ReadFile(deb)
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{"tollwarden.deb": string(text), "answers.toml": walkAnswers} {
		if err := os.WriteFile(w.lab.Path("/root/"+name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	listener, err := w.lab.PBX.ListenTCP(netip.MustParseAddrPort("127.0.0.1:25"))
	if err != nil {
		t.Fatal(err)
	}
	box := postboxAt(t, listener)
	register(t, addPhone(t, addHost(t, w.lab, "office", "198.51.100.10"), "1001"))
	before := w.asterisk()

	w.step("package installed", func() { w.in("dpkg", "-i", "/root/tollwarden.deb") })
	w.step("set up", func() {
		if out := w.in("tollwarden", "setup", "--answers", "/root/answers.toml"); !strings.Contains(out, "Start it with: tollwarden run -c /etc/tollwarden/tollwarden.toml") {
			t.Fatalf("setup does not say how to start:\n%s", out)
		}
	})
	w.step("an attack would be stopped", func() {
		w.start()
		w.wait("the daemon", 10*time.Second, func() bool { _, err := w.try("tollwarden", "bans"); return err == nil })
		if out := w.in("tollwarden", "setup", "--prove"); !strings.Contains(out, "YOU ARE PROTECTED") {
			t.Fatalf("the proof:\n%s", out)
		}
		t.Logf("status:\n%s", w.in("tollwarden", "status")) // exits with 0
	})
	w.step("a guesser is stopped", func() {
		g := lab.Guesser{Host: addHost(t, w.lab, "guesser", guesserAddress), Account: "1001", Rate: 100, Most: 100}
		if _, err := g.Run(t.Context()); err != nil {
			t.Fatal(err)
		}
		w.wait("the ban", 5*time.Second, func() bool { return w.dropped(guesserAddress + "/32") })
	})

	thief, err := addHost(t, w.lab, "thief", "203.0.113.99").Phone("1002", "", lab.PhoneOptions{Transport: "tcp"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = thief.Close() })
	w.signal(syscall.SIGSTOP) // or it would be stopped after three guesses
	breakIn(t, thief)
	if _, err := thief.Call(soon(t), "0023222123456"); err != nil {
		t.Fatalf("the thief's call: %v", err)
	}
	w.step("a break-in is contained", func() {
		w.signal(syscall.SIGCONT)
		w.wait("the thief dropped", 5*time.Second, func() bool { return w.dropped("203.0.113.99/32") })
		w.wait("the calls hung up", 10*time.Second, func() bool { return w.channels("1002") == 0 })
		w.wait("the registration removed", 10*time.Second, func() bool { return !w.hasContact("1002") })
		w.wait("the password changed", 10*time.Second, func() bool { return !strings.Contains(w.read("/etc/asterisk/pjsip.conf"), lab.Passwords["1002"]) })
	})
	w.step("the mail is read", func() {
		w.wait("the mail", 10*time.Second, func() bool { return findLetter(t, box, "1002") != nil })
		w.follow(findLetter(t, box, "1002"))
	})
	t.Logf("%-32s %6.2fs", "machine time in all", w.spent.Seconds())
	if w.spent > time.Minute {
		t.Errorf("the walk takes %s of machine time; a person has five minutes", w.spent)
	}

	w.step("purged while the daemon runs", func() { t.Log(w.in("dpkg", "-P", "tollwarden")) })
	w.untouched(before)
}

// asterisk is Asterisk's configuration but for the extensions, whose passwords change for good.
func (w *walk) asterisk() map[string]string {
	w.t.Helper()
	texts := map[string]string{}
	for _, pattern := range []string{"*.conf", "manager.d/*"} {
		list, err := filepath.Glob(filepath.Join(w.lab.Path("/etc/asterisk"), pattern))
		if err != nil {
			w.t.Fatal(err)
		}
		for _, path := range list {
			if name := strings.TrimPrefix(path, w.lab.Path("/etc/asterisk")+"/"); name != "pjsip.conf" {
				texts[name] = w.read("/etc/asterisk/" + name)
			}
		}
	}
	return texts
}

// untouched checks that nothing is left of the package and its setup.
func (w *walk) untouched(before map[string]string) {
	w.t.Helper()
	if d := cmp.Diff(before, w.asterisk()); d != "" {
		w.t.Errorf("after the purge, Asterisk's files differ:\n%s", d)
	}
	if users, err := w.lab.CLI(w.t.Context(), "manager show users"); err != nil || strings.Contains(users, "tollwarden") {
		w.t.Errorf("after the purge, Asterisk still has the manager user: %v\n%s", err, users)
	}
	select {
	case <-w.done:
		w.cmd = nil
	case <-time.After(10 * time.Second):
		w.t.Error("after the purge, the daemon still runs")
	}
	if tables, err := w.lab.PBX.Command(w.t.Context(), "nft", "list", "tables").CombinedOutput(); err != nil || strings.Contains(string(tables), "tollwarden") {
		w.t.Errorf("after the purge, the kernel has tables: %v\n%s", err, tables)
	}
	for _, name := range []string{"/etc/tollwarden", "/usr/sbin/tollwarden", "/run/tollwarden.sock"} {
		if _, err := os.Lstat(w.lab.Path(name)); err == nil {
			w.t.Errorf("after the purge there is %s", name)
		}
	}
}

// letter is a mail as a person reads it.
type letter struct{ subject, text, html string }

// findLetter is the first mail whose subject names something.
func findLetter(t *testing.T, box *postbox, what string) *letter {
	t.Helper()
	for _, raw := range box.raw() {
		m, err := mail.ReadMessage(strings.NewReader(raw))
		if err != nil {
			t.Fatalf("a mail that is none: %v\n%s", err, raw)
		}
		subject, err := new(mime.WordDecoder).DecodeHeader(m.Header.Get("Subject"))
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(subject, what) {
			continue
		}
		return &letter{subject: subject, text: part(t, m, "text/plain"), html: part(t, m, "text/html")}
	}
	return nil
}

// part is the body of a mail of one type; "" without one.
func part(t *testing.T, m *mail.Message, kind string) string {
	t.Helper()
	_, params, err := mime.ParseMediaType(m.Header.Get("Content-Type"))
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(m.Body)
	if err != nil {
		t.Fatal(err)
	}
	m.Body = strings.NewReader(string(body))
	return partIn(t, string(body), params["boundary"], kind)
}

// partIn looks for a part of a type in a body, and in the parts that have parts.
func partIn(t *testing.T, body, boundary, kind string) string {
	t.Helper()
	for r := multipart.NewReader(strings.NewReader(body), boundary); ; {
		p, err := r.NextPart()
		if err != nil {
			return ""
		}
		of, params, err := mime.ParseMediaType(p.Header.Get("Content-Type"))
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(p)
		if err != nil {
			t.Fatal(err)
		}
		switch {
		case of == kind && p.Header.Get("Content-Transfer-Encoding") == "quoted-printable":
			text, err = io.ReadAll(quotedprintable.NewReader(strings.NewReader(string(text))))
			if err != nil {
				t.Fatal(err)
			}
			return string(text)
		case of == kind:
			return string(text)
		case strings.HasPrefix(of, "multipart/"):
			if found := partIn(t, string(text), params["boundary"], kind); found != "" {
				return found
			}
		}
	}
}

// follow reads the mail about 1002 and does what it says.
func (w *walk) follow(m *letter) {
	t := w.t
	t.Helper()
	t.Logf("the mail: %s\n%s", m.subject, m.text)
	if !strings.HasPrefix(m.subject, "STOPPED") && !strings.HasPrefix(m.subject, "ACT NOW") {
		t.Errorf("the subject is %q", m.subject)
	}
	for name, text := range map[string]string{"text": m.text, "HTML": m.html} {
		for _, want := range []string{"1002", "203.0.113.99", "tollwarden secret 1002"} {
			if !strings.Contains(text, want) {
				t.Errorf("the %s of the mail lacks %q:\n%s", name, want, text)
			}
		}
	}
	secret := strings.TrimSpace(w.stdout("tollwarden", "secret", "1002"))
	phone := addPhone(t, addHost(t, w.lab, "workshop", "198.51.100.12"), "1002")
	if err := phone.Register(soon(t)); err == nil {
		t.Error("the stolen password still works")
	}
	phone.SetPassword(secret)
	register(t, phone)
	if out := w.in("tollwarden", "incidents"); !strings.Contains(out, "1002") {
		t.Errorf("the incidents:\n%s", out)
	}
}

// stdout is what a program of the root prints, without its remarks.
func (w *walk) stdout(args ...string) string {
	w.t.Helper()
	out, err := w.lab.Inside(w.t.Context(), args[0], args[1:]...).Output()
	if err != nil {
		w.t.Fatalf("%s: %v", fmt.Sprint(args), err)
	}
	return string(out)
}
