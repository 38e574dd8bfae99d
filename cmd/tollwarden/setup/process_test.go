package setup

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const dockerCgroup = "0::/system.slice/docker-4f5a1c2b3d4e5f60718293a4b5c6d7e8f90a1b2c3d4e5f60718293a4b5c6d7e8.scope\n"

// newProc is a /proc with one Asterisk that has its own root.
func newProc(t *testing.T, mnt, net, cgroup, mountinfo string) (proc, root string) {
	t.Helper()
	proc, root = t.TempDir(), t.TempDir()
	put(t, filepath.Join(proc, "77", "comm"), "asterisk\n")
	put(t, filepath.Join(proc, "77", "cgroup"), cgroup)
	put(t, filepath.Join(proc, "77", "mountinfo"), mountinfo)
	put(t, filepath.Join(proc, "78", "comm"), "bash\n")
	put(t, filepath.Join(root, usualFolder, "manager.conf"), "[general]\nenabled = yes\n")
	put(t, filepath.Join(root, "var/log/asterisk/messages"), "")
	for link, to := range map[string]string{
		"77/root": root, "77/ns/mnt": "mnt:[" + mnt + "]", "77/ns/net": "net:[" + net + "]", "self/ns/mnt": "mnt:[1]", "self/ns/net": "net:[1]",
	} {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(proc, link)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(to, filepath.Join(proc, link)); err != nil {
			t.Fatal(err)
		}
	}
	return proc, root
}

// An Asterisk in a container is found by its process. What is mounted from this machine is
// named as it is here; the rest is reached through the process and does not last.
func TestAsteriskInAContainer(t *testing.T) {
	here := t.TempDir()
	put(t, filepath.Join(here, "manager.conf"), "[general]\nenabled = yes\n")
	nowhere := filepath.Join(t.TempDir(), "asterisk")
	proc, root := newProc(t, "2", "1", dockerCgroup, "")
	p, ok := findProcess(proc, nowhere)
	if !ok || !p.inside || p.ownNet || p.container != "docker exec 4f5a1c2b3d4e" {
		t.Fatalf("%+v, %t", p, ok)
	}
	through := filepath.Join(proc, "77/root", usualFolder)
	if at, lasting := p.host(usualFolder); at != through || lasting {
		t.Errorf("%s, %t", at, lasting)
	}
	if at, lasting := p.host("/var/log/asterisk/none"); lasting {
		t.Errorf("a file that is not there: %s", at)
	}
	if _, ok := findProcess(proc, here); ok {
		t.Error("the container is taken for one with another folder")
	}

	// The folder of the container is one of this machine's.
	if err := os.RemoveAll(filepath.Join(root, usualFolder)); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(here, filepath.Join(root, usualFolder)); err != nil {
		t.Fatal(err)
	}
	put(t, filepath.Join(proc, "77", "mountinfo"), "20 1 0:30 / / rw - overlay overlay rw\n21 20 8:1 "+here+" "+usualFolder+" rw - ext4 /dev/sda1 rw\n")
	if at, lasting := p.host(usualFolder); at != here || !lasting {
		t.Errorf("%s, %t", at, lasting)
	}
	if at, lasting := p.host(usualFolder + "/manager.conf"); at != here+"/manager.conf" || !lasting {
		t.Errorf("%s, %t", at, lasting)
	}
	if q, ok := findProcess(proc, here); !ok || q.container != p.container {
		t.Errorf("by its folder here: %+v, %t", q, ok)
	}
}

// Below another root, but in no container, paths begin with that root.
func TestAsteriskBelowAnotherRoot(t *testing.T) {
	proc, root := newProc(t, "1", "1", "0::/user.slice\n", "")
	p, ok := findProcess(proc, filepath.Join(root, usualFolder))
	if !ok || p.inside || p.container != "" {
		t.Fatalf("%+v, %t", p, ok)
	}
	if at, lasting := p.host("/var/log/asterisk/messages"); at != filepath.Join(root, "var/log/asterisk/messages") || !lasting {
		t.Errorf("%s, %t", at, lasting)
	}
}

// Commands go into the container, and setup says what differs there.
func TestSetUpBesideAContainer(t *testing.T) {
	s, out := newSetup(t, "")
	proc, root := newProc(t, "2", "2", strings.ReplaceAll(dockerCgroup, "docker-", "libpod-"), "")
	manager := text(t, filepath.Join(s.Asterisk, "manager.conf"))
	put(t, filepath.Join(root, usualFolder, "manager.conf"), manager)
	put(t, filepath.Join(root, usualFolder, "logger.conf"), "[logfiles]\nmessages => notice,warning,security,error\n")
	m := &machine{}
	s.Asterisk, s.Proc, s.Run = filepath.Join(t.TempDir(), "asterisk"), proc, m.run
	if err := s.Go(t.Context()); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, want := range []string{
		"Asterisk runs in a container.", "podman exec 4f5a1c2b3d4e asterisk -rx", "asterisk.config_dir is set to that", "is lost when the container is made anew", "a network of its own",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("it does not say %q:\n%s", want, out)
		}
	}
	if !m.did("podman exec 4f5a1c2b3d4e asterisk -rx manager reload") {
		t.Errorf("ran %q", m.ran)
	}
	got := text(t, s.config())
	if !strings.Contains(got, `config_dir = "`+filepath.Join(proc, "77/root", usualFolder)+`"`) || !strings.Contains(got, `log = "`+filepath.Join(proc, "77/root/var/log/asterisk/messages")+`"`) {
		t.Errorf("the configuration: %s", got)
	}

	// It starts anew: its process is another one.
	if err := os.Rename(filepath.Join(proc, "77"), filepath.Join(proc, "99")); err != nil {
		t.Fatal(err)
	}
	if err := s.Go(t.Context()); err != nil || !strings.Contains(text(t, s.config()), filepath.Join(proc, "99/root", usualFolder)) {
		t.Errorf("anew: %v\n%s", err, text(t, s.config()))
	}
	if err := s.Undo(t.Context(), false); err != nil || text(t, filepath.Join(root, usualFolder, "manager.conf")) != manager {
		t.Errorf("undo: %v\n%s", err, out)
	}
}
