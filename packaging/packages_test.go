package packaging

import (
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"testing"
)

// The life of both packages on one machine: installed, configured, upgraded,
// removed. Nothing is left but what is kept on purpose.
func TestPackages(t *testing.T) {
	t.Parallel()
	old, next := release(t, "..", "1.2.3", runtime.GOARCH), release(t, "..", "1.2.4", runtime.GOARCH)
	for name, c := range map[string]struct {
		install, upgrade, remove, purge func(r root)
		units                           string
	}{
		"deb": {
			install: func(r root) {
				r.in("dpkg", "-i", r.bring(old, "tollwarden_1.2.3_*.deb"))
				if out := r.in("dpkg", "--verify", "tollwarden"); out != "" {
					t.Errorf("dpkg --verify: %s", out)
				}
			},
			upgrade: func(r root) { r.in("dpkg", "-i", r.bring(next, "tollwarden_1.2.4_*.deb")) },
			remove:  func(r root) { r.in("dpkg", "-r", "tollwarden") },
			purge:   func(r root) { r.in("dpkg", "-P", "tollwarden") },
			units:   "lib/systemd/system",
		},
		"rpm": {
			install: func(r root) {
				r.rpm("--initdb")
				r.rpm("-i", "--nodeps", r.path(r.bring(old, "tollwarden-1.2.3-*.rpm")))
				if out := r.rpm("-V", "--nodeps", "tollwarden"); out != "" {
					t.Errorf("rpm -V: %s", out)
				}
			},
			upgrade: func(r root) { r.rpm("-U", "--nodeps", r.path(r.bring(next, "tollwarden-1.2.4-*.rpm"))) },
			remove:  func(r root) { r.rpm("-e", "tollwarden") },
			units:   "usr/lib/systemd/system",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if name == "rpm" {
				if _, err := exec.LookPath("rpm"); err != nil {
					t.Skip("needs rpm (apt-get install rpm)")
				}
			}
			r := newRoot(t)
			const manager = "etc/asterisk/manager.conf"
			r.write(manager, "[general]\n")
			before := r.listing()
			c.install(r)
			r.installed("1.2.3", c.units)
			const config, evidence = "etc/tollwarden/tollwarden.toml", "var/lib/tollwarden/ledger.db"
			r.write(config, "# mine\n")
			r.write(evidence, "rows")
			c.upgrade(r)
			r.installed("1.2.4", c.units)
			if r.read(config) != "# mine\n" || r.read(evidence) != "rows" {
				t.Error("the upgrade changed the configuration or the ledger")
			}
			r.write(manager, "[general]\n[tollwarden]\nsecret = x\n")
			r.write("etc/tollwarden/setup.json", `{"entries": [{"what": "user [tollwarden]", "path": "/`+manager+`", "section": "tollwarden"}]}`)
			c.remove(r)
			if got := r.read(manager); got != "[general]\n" {
				t.Errorf("a removal leaves the manager user: %s", got)
			}
			if r.exists("usr/sbin/tollwarden") || !r.exists(config) || !r.exists(evidence) {
				t.Error("a removal takes the program, and keeps the configuration and the ledger")
			}
			if c.purge == nil {
				return
			}
			c.purge(r)
			var left []string
			for path, mode := range r.listing() {
				if _, was := before[path]; !was {
					left = append(left, path+" "+mode.String())
				}
			}
			slices.Sort(left)
			if want := []string{"var/lib/tollwarden drwxr-xr-x", "var/lib/tollwarden/ledger.db -rw-------"}; !slices.Equal(left, want) {
				t.Errorf("after the purge there is\n%s\nwant only the evidence, which is kept on purpose", strings.Join(left, "\n"))
			}
			// Its user goes with the last of its files.
			if err := os.RemoveAll(r.path("var/lib/tollwarden")); err != nil {
				t.Fatal(err)
			}
			c.install(r)
			c.remove(r)
			c.purge(r)
			if out, err := r.run("chroot", r.dir, "getent", "passwd", "tollwarden"); err == nil {
				t.Errorf("after the purge there is a user: %s", out)
			}
		})
	}
}

// rpm runs the host's rpm on the root, with a package database of its own. Debian
// wants to be told that this is meant.
func (r root) rpm(args ...string) string {
	r.t.Helper()
	if args[0] != "--initdb" {
		args = append([]string{"--force-debian"}, args...)
	}
	return r.must(append([]string{"rpm", "--root", r.dir}, args...)...)
}
