package packaging

import (
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/tollwarden/tollwarden/test/lab"
)

// root is a fresh Debian 12 in which packages are installed.
type root struct {
	t   *testing.T
	dir string
}

func newRoot(t *testing.T) root {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root: a Debian to install into")
	}
	lower, err := lab.Debian(t.Context(), nil)
	if err != nil {
		t.Skipf("needs a root of Debian 12: %v", err)
	}
	dir, remove, err := lab.Layer(lower, t.TempDir())
	t.Cleanup(func() {
		if err := remove(); err != nil {
			t.Error(err)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	r := root{t, dir}
	r.write("etc/asterisk/manager.conf", "[general]\nenabled = yes\n")
	r.must("chroot", dir, "groupadd", "--system", "asterisk")
	return r
}

// run runs a program in namespaces of its own, so that no script reaches this
// machine's kernel tables or processes.
func (r root) run(args ...string) (string, error) {
	r.t.Helper()
	cmd := exec.CommandContext(r.t.Context(), "unshare", append([]string{"--net", "--mount", "--pid", "--fork", "--kill-child", "--"}, args...)...)
	cmd.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive", "LC_ALL=C")
	out, err := cmd.CombinedOutput()
	return string(out), err
}

func (r root) must(args ...string) string {
	r.t.Helper()
	out, err := r.run(args...)
	if err != nil {
		r.t.Fatalf("%s: %v: %s", strings.Join(args, " "), err, out)
	}
	return out
}

// in runs a program of the root that has to succeed.
func (r root) in(args ...string) string {
	r.t.Helper()
	return r.must(append([]string{"chroot", r.dir}, args...)...)
}

func (r root) path(name string) string { return filepath.Join(r.dir, name) }

func (r root) write(name, text string) {
	r.t.Helper()
	if err := os.MkdirAll(filepath.Dir(r.path(name)), 0o755); err != nil {
		r.t.Fatal(err)
	}
	if err := os.WriteFile(r.path(name), []byte(text), 0o600); err != nil {
		r.t.Fatal(err)
	}
}

func (r root) read(name string) string {
	text, err := os.ReadFile(r.path(name))
	if err != nil {
		return err.Error()
	}
	return string(text)
}

func (r root) exists(name string) bool {
	_, err := os.Lstat(r.path(name))
	return err == nil
}

// bring copies a package into the root's /tmp and returns its path there.
func (r root) bring(dir, pattern string) string {
	r.t.Helper()
	found, err := filepath.Glob(filepath.Join(dir, pattern))
	if err != nil || len(found) != 1 {
		r.t.Fatalf("%s: %v, %v", pattern, found, err)
	}
	text, err := os.ReadFile(found[0])
	if err != nil {
		r.t.Fatal(err)
	}
	name := "tmp/" + filepath.Base(found[0])
	r.write(name, string(text))
	return "/" + name
}

// listing names every file of the root with its mode, but for what package
// managers keep for themselves.
func (r root) listing() map[string]fs.FileMode {
	r.t.Helper()
	found := map[string]fs.FileMode{}
	err := fs.WalkDir(os.DirFS(r.dir), ".", func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		for _, skip := range []string{"tmp", "proc", "sys", "dev", "var/lib/dpkg", "var/lib/rpm", "var/log", "var/cache"} {
			if path == skip {
				return fs.SkipDir
			}
		}
		if strings.HasSuffix(path, "-") && strings.HasPrefix(path, "etc/") || path == "etc/.pwd.lock" {
			return nil // what useradd keeps of before
		}
		info, err := e.Info()
		if err == nil {
			found[path] = info.Mode()
		}
		return err
	})
	if err != nil {
		r.t.Fatal(err)
	}
	return found
}

// installed checks what both packages bring.
func (r root) installed(version string, units string) {
	r.t.Helper()
	if got := r.in("/usr/sbin/tollwarden", "--version"); got != "tollwarden "+version+"\n" {
		r.t.Errorf("the package's program is %q, want %s", got, version)
	}
	for name, want := range map[string]fs.FileMode{
		"usr/sbin/tollwarden":                                 0o755,
		"etc/tollwarden":                                      fs.ModeDir | 0o755,
		units + "/tollwarden.service":                         0o644,
		units + "/tollwarden-hook.socket":                     0o644,
		units + "/tollwarden-hook@.service":                   0o644,
		"usr/lib/tmpfiles.d/tollwarden.conf":                  0o644,
		"usr/share/man/man1/tollwarden.1":                     0o644,
		"usr/share/man/man1/tollwarden-status.1":              0o644,
		"usr/share/doc/tollwarden/README.md":                  0o644,
		"usr/share/doc/tollwarden/reference.toml":             0o644,
		"usr/share/doc/tollwarden/docs/privacy.md":            0o644,
		"usr/share/doc/tollwarden/docs/upgrading.md":          0o644,
		"usr/share/bash-completion/completions/tollwarden":    0o644,
		"usr/share/doc/tollwarden/examples/rotate-postgresql": 0o755,
	} {
		info, err := os.Stat(r.path(name))
		if err != nil || info.Mode() != want {
			r.t.Errorf("%s: %v, want mode %v", name, err, want)
			if err == nil {
				r.t.Errorf("%s has mode %v", name, info.Mode())
			}
			continue
		}
		if got := strconv.FormatInt(info.ModTime().Unix(), 10); !info.IsDir() && got != epoch {
			r.t.Errorf("%s is of %s, not of the commit", name, got)
		}
		if owner := r.in("stat", "-c", "%U:%G", "/"+name); owner != "root:root\n" {
			r.t.Errorf("%s belongs to %s", name, owner)
		}
	}
	if got := r.in("getent", "passwd", "tollwarden"); !strings.HasSuffix(got, ":/var/lib/tollwarden:/usr/sbin/nologin\n") {
		r.t.Errorf("user: %q", got)
	}
	if got := r.in("id", "-nG", "tollwarden"); got != "tollwarden asterisk\n" {
		r.t.Errorf("groups: %q", got)
	}
	for _, unit := range []string{"tollwarden.service", "tollwarden-hook.socket"} {
		if _, err := exec.LookPath("systemd-analyze"); err != nil {
			r.t.Log("systemd-analyze is missing: the units are not verified")
			break
		}
		out, err := r.run("systemd-analyze", "verify", "--man=no", "--root="+r.dir, "/"+units+"/"+unit)
		for line := range strings.Lines(out) {
			if strings.Contains(line, "tollwarden") && !strings.Contains(line, "not found") {
				r.t.Errorf("systemd-analyze verify %s: %v: %s", unit, err, line)
			}
		}
	}
}
