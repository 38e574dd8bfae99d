package lab

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// Version is a release series of Asterisk that the lab can start.
type Version string

// The two that between them cover both SIP channel drivers.
const (
	Asterisk22 Version = "22" // Debian sid; PJSIP
	Asterisk16 Version = "16" // Debian bullseye; chan_sip
)

// Versions are all that the lab can start.
func Versions() []Version { return []Version{Asterisk22, Asterisk16} }

// release is where a version comes from and how it speaks SIP.
type release struct {
	suite      string // Debian suite
	packages   string // besides the smallest system, with commas
	technology string // folder of conf/ and of its own configuration
	confFile   string // the file that holds the accounts
}

const asteriskPackages = "asterisk,asterisk-modules,iproute2"

var releases = map[Version]release{
	Asterisk22: {suite: "sid", packages: asteriskPackages, technology: "pjsip", confFile: "pjsip.conf"},
	Asterisk16: {suite: "bullseye", packages: asteriskPackages, technology: "chan_sip", confFile: "sip.conf"},
}

// mirror serves every suite of the lab; debootstrap checks what it gets against the Debian keys.
const mirror = "http://deb.debian.org/debian"

// recipe is the marker in a finished root; another recipe means: build it again.
const recipe = "tollwarden lab root 1\n"

const markerFile = "tollwarden-lab"

// Cache is the folder of the root file systems: TOLLWARDEN_LAB_CACHE, or tollwarden-lab in the
// user's cache folder.
func Cache() (string, error) {
	if dir := os.Getenv("TOLLWARDEN_LAB_CACHE"); dir != "" {
		return filepath.Abs(dir)
	}
	dir, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("find the lab's cache folder: %w; set TOLLWARDEN_LAB_CACHE", err)
	}
	return filepath.Join(dir, "tollwarden-lab"), nil
}

// ErrNoRoot says that there is no root file system and that debootstrap could not
// build one, as without the network.
var ErrNoRoot = errors.New("no root file system")

// Root returns the root file system of version and builds it first when the cache does not have
// it, which takes a minute or two and the network. Processes that ask at the same time wait for
// one another; an interrupted build is done again. The caller must not write into it. What
// debootstrap says goes to progress, when it is not nil. When that fails the error is an
// [ErrNoRoot].
func Root(ctx context.Context, version Version, progress io.Writer) (string, error) {
	r, ok := releases[version]
	if !ok {
		return "", fmt.Errorf("build root: no such version %q", version)
	}
	dir, err := stored(ctx, "asterisk-"+string(version), r, progress)
	if err != nil {
		return "", fmt.Errorf("build root of Asterisk %s: %w", version, err)
	}
	return dir, nil
}

// Debian is [Root] for the smallest Debian 12, without Asterisk.
func Debian(ctx context.Context, progress io.Writer) (string, error) {
	dir, err := stored(ctx, "debian-12", release{suite: "bookworm"}, progress)
	if err != nil {
		return "", fmt.Errorf("build root of Debian 12: %w", err)
	}
	return dir, nil
}

// stored is the root called name in the cache, which is built first where it is missing.
func stored(ctx context.Context, name string, r release, progress io.Writer) (string, error) {
	cache, err := Cache()
	if err != nil {
		return "", err
	}
	dir := filepath.Join(cache, name)
	if complete(dir) {
		return dir, nil
	}
	if err := os.MkdirAll(cache, 0o755); err != nil {
		return "", fmt.Errorf("make cache folder: %w", err)
	}
	unlock, err := lock(filepath.Join(cache, name+".lock"))
	if err != nil {
		return "", err
	}
	defer unlock()
	if complete(dir) { // somebody else was faster
		return dir, nil
	}
	return dir, build(ctx, r, dir, progress)
}

// complete tells whether dir is a finished root of the present recipe.
func complete(dir string) bool {
	marker, err := os.ReadFile(filepath.Join(dir, "etc", markerFile))
	return err == nil && string(marker) == recipe
}

// build makes the root beside dir and moves it there when it is finished.
func build(ctx context.Context, r release, dir string, progress io.Writer) error {
	part := dir + ".part"
	if err := errors.Join(removeRoot(part), removeRoot(dir)); err != nil {
		return err
	}
	args := []string{"--variant=minbase", r.suite, part, mirror}
	if r.packages != "" {
		args = append([]string{"--include=" + r.packages}, args...)
	}
	cmd := exec.CommandContext(ctx, "debootstrap", args...)
	var tail tailWriter
	cmd.Stdout, cmd.Stderr = &tail, &tail
	if progress != nil {
		cmd.Stdout = io.MultiWriter(progress, &tail)
		cmd.Stderr = cmd.Stdout
	}
	// debootstrap has children of its own; being told politely, it ends them and unmounts.
	cmd.Cancel = func() error { return cmd.Process.Signal(unix.SIGTERM) }
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("%w: debootstrap %s %s: %w: %s", ErrNoRoot, r.suite, mirror, err, tail.lastLine())
	}
	if _, err := unmountBelow(part); err != nil {
		return err
	}
	if err := os.RemoveAll(filepath.Join(part, "var/cache/apt/archives")); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(part, "etc", markerFile), []byte(recipe), 0o644); err != nil {
		return err
	}
	unix.Sync() // the marker must not reach the disk before what it vouches for
	return os.Rename(part, dir)
}

// removeRoot takes away what an interrupted debootstrap left, its mounts first: to remove a
// folder with /proc or /sys mounted in it would reach into the host's.
func removeRoot(dir string) error {
	if _, err := unmountBelow(dir); err != nil {
		return err
	}
	return os.RemoveAll(dir)
}

// lock takes the lock file at path and waits for it as long as another process holds it.
func lock(path string) (unlock func(), err error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, fmt.Errorf("open lock: %w", err)
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX); err != nil {
		f.Close()
		return nil, fmt.Errorf("lock %s: %w", path, err)
	}
	return func() { f.Close() }, nil
}

// tailWriter remembers the end of what was written.
type tailWriter struct{ buf []byte }

func (w *tailWriter) Write(p []byte) (int, error) {
	w.buf = append(w.buf, p...)
	if len(w.buf) > 4096 {
		w.buf = w.buf[len(w.buf)-4096:]
	}
	return len(p), nil
}

func (w *tailWriter) lastLine() string {
	s := strings.TrimSpace(string(w.buf))
	return s[strings.LastIndexByte(s, '\n')+1:]
}
