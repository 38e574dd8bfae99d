package pbx

import (
	"os"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// The packaged unit gives the daemon CAP_CHOWN and the right to make files in
// Asterisk's folder, and nothing else: that must be enough to change a file of
// Asterisk's user.
func TestChownIsPrivilegeEnough(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("gives a file to another user: needs root")
	}
	path := filepath.Join(t.TempDir(), "pjsip.conf")
	if err := os.WriteFile(path, []byte("old"), 0o640); err != nil {
		t.Fatal(err)
	}
	if err := os.Chown(path, 12345, 12346); err != nil {
		t.Fatal(err)
	}
	files := &tree{}
	was := &confFile{path: path, text: []byte("old")}
	names := make(chan string)
	go func() {
		runtime.LockOSThread() // and never given back
		hdr := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
		data := [2]unix.CapUserData{{Effective: 1 << unix.CAP_CHOWN, Permitted: 1 << unix.CAP_CHOWN}}
		if err := unix.Capset(&hdr, &data[0]); err != nil {
			panic(err)
		}
		if err := files.keepCopy(was, time.Now()); err != nil {
			t.Error(err)
		}
		if err := replace(path, []byte("new")); err != nil {
			t.Error(err)
		}
		names <- files.copies[was]
	}()
	for name, text := range map[string]string{<-names: "old", path: "new"} {
		if got, err := os.ReadFile(name); err != nil || string(got) != text {
			t.Errorf("%s holds %q, want %q: %v", name, got, text, err)
		}
		st, err := os.Stat(name)
		if err != nil {
			t.Fatal(err)
		}
		sys := st.Sys().(*syscall.Stat_t)
		if sys.Uid != 12345 || sys.Gid != 12346 || st.Mode().Perm() != 0o640 {
			t.Errorf("%s: %d:%d %o, want the owner and mode of the file it replaces", name, sys.Uid, sys.Gid, st.Mode().Perm())
		}
	}
}

// An Asterisk in a container names its folder otherwise than this process.
func TestConfigFilesOfAnAsteriskInAContainer(t *testing.T) {
	const f = folder("/srv/pbx/etc")
	for ref, want := range map[string]string{
		"pjsip.conf":                "/srv/pbx/etc/pjsip.conf",
		"/etc/asterisk/phones.conf": "/srv/pbx/etc/phones.conf",
		"/srv/pbx/etc/phones.conf":  "/srv/pbx/etc/phones.conf",
		"/opt/phones.conf":          "/opt/phones.conf",
	} {
		if got := f.local(ref); got != want {
			t.Errorf("%s is read from %s, want %s", ref, got, want)
		}
	}
}
