package lab

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// Options say what lab to start; the zero value is an Asterisk 22 as it comes.
type Options struct {
	Version Version // "" is Asterisk22

	// Files replace or add files in /etc/asterisk, Append adds to the end of one; both by
	// file name, such as pjsip.conf.
	Files, Append map[string]string

	// Realtime adds a database with one more account, [RealtimeAccount]; PJSIP only.
	Realtime bool

	// Progress, when not nil, gets what debootstrap says while a root is built.
	Progress io.Writer
}

// Lab is a running PBX and its hosts. [Lab.Close] ends it.
type Lab struct {
	Version Version
	PBX     *Host // where Asterisk runs and what protects it must run

	id       string
	dir      string // everything of this lab on disk
	root     string // the root of Asterisk, writable
	unlock   func() // lets go of the claim on dir
	release  release
	network  *network
	asterisk *asterisk

	mu     sync.Mutex // hosts are made one at a time
	closed bool
}

// New starts a lab for a test and ends it with the test. It skips the test, saying what is
// missing, where a lab is impossible, and in short mode.
func New(t testing.TB, o Options) *Lab {
	t.Helper()
	if testing.Short() {
		t.Skip("needs time: a real Asterisk is not started in short mode")
	}
	if missing := Missing(); len(missing) > 0 {
		t.Skip("needs " + strings.Join(missing, "; "))
	}
	l, err := Start(t.Context(), o)
	if errors.Is(err, ErrNoRoot) {
		t.Skipf("needs Debian's mirror for the first time: %v", err)
	}
	if err != nil {
		t.Fatalf("start lab: %v", err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("Asterisk's messages:\n%s", l.Messages())
		}
		if err := l.Close(); err != nil {
			t.Errorf("close lab: %v", err)
		}
	})
	return l
}

// Start builds the root when there is none yet, makes the network, starts Asterisk and waits
// until it is fully booted. What has been made when it fails is taken away again, and so is
// what earlier labs left whose processes are dead.
func Start(ctx context.Context, o Options) (_ *Lab, err error) {
	if o.Version == "" {
		o.Version = Asterisk22
	}
	if o.Realtime && o.Version != Asterisk22 {
		return nil, fmt.Errorf("start lab: Asterisk %s has no PJSIP accounts for Realtime", o.Version)
	}
	root, err := Root(ctx, o.Version, o.Progress)
	if err != nil {
		return nil, err
	}
	if err := Sweep(); err != nil {
		return nil, err
	}
	l := &Lab{Version: o.Version, release: releases[o.Version]}
	defer func() {
		if err != nil {
			err = errors.Join(err, l.Close())
		}
	}()
	if err := l.claim(); err != nil {
		return nil, err
	}
	if l.root, err = layer(root, l.dir); err != nil {
		return nil, err
	}
	if err := writeHosts(l.root); err != nil {
		return nil, err
	}
	if err := writeConfig(l.root, l.release, o); err != nil {
		return nil, err
	}
	if l.network, err = newNetwork(l.id); err != nil {
		return nil, err
	}
	if l.PBX, err = l.network.attach("pbx"); err != nil {
		return nil, err
	}
	for _, a := range []string{PBXAddress, PBXAddress6} {
		if err := l.PBX.AddAddress(netip.MustParseAddr(a)); err != nil {
			return nil, err
		}
	}
	return l, l.Run(ctx)
}

// labs counts those of this process, for their names.
var labs atomic.Int64

// claim names the lab and makes its folder, locked as long as this process lives: that is how
// others tell a living lab from what a dead one left.
func (l *Lab) claim() error {
	release, err := lockRunDir()
	if err != nil {
		return err
	}
	defer release()
	l.id = fmt.Sprintf("%d.%d", os.Getpid(), labs.Add(1))
	dir := filepath.Join(runDir(), l.id)
	if err := os.Mkdir(dir, 0o755); err != nil {
		return fmt.Errorf("make the lab's folder: %w", err)
	}
	unlock, err := lock(filepath.Join(dir, lockName))
	if err != nil {
		return err
	}
	l.dir, l.unlock = dir, unlock
	return nil
}

// Host adds a machine called name to the lab. An address with a slash, such as
// 2001:db8:66::/64, gives it that whole network; its own address there is the first.
func (l *Lab) Host(name string, addresses ...string) (*Host, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	h, err := l.network.attach(name)
	if err != nil {
		return nil, err
	}
	for _, s := range addresses {
		a, p, err := parseAddress(s)
		if err != nil {
			return nil, fmt.Errorf("add host %s: %w", name, err)
		}
		if p.IsValid() {
			err = h.addNetwork(p, l.PBX)
		} else {
			err = h.AddAddress(a)
		}
		if err != nil {
			return nil, fmt.Errorf("add host %s: %w", name, err)
		}
	}
	return h, nil
}

// Close stops Asterisk, kills whatever else runs at the hosts and takes everything of the lab
// away. To close it again is fine.
func (l *Lab) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return nil
	}
	l.closed = true
	var errs []error
	if l.asterisk != nil {
		errs = append(errs, l.asterisk.kill())
	}
	if l.network != nil {
		errs = append(errs, l.network.close())
	} else if l.id != "" {
		errs = append(errs, removeNamespaces(namespacePrefix(l.id)))
	}
	if l.dir != "" {
		errs = append(errs, removeRoot(l.dir))
		l.unlock()
	}
	return errors.Join(errs...)
}

// Path is where the PBX's file, such as /etc/asterisk/pjsip.conf, lies on this machine.
func (l *Lab) Path(file string) string { return filepath.Join(l.root, file) }

// ConfFile is the name of the file in /etc/asterisk that holds the accounts.
func (l *Lab) ConfFile() string { return l.release.confFile }

// Technology is how channels of this PBX's phones begin: PJSIP or SIP.
func (l *Lab) Technology() string {
	if l.Version == Asterisk16 {
		return "SIP"
	}
	return "PJSIP"
}

// Inside prepares a program of the PBX's own root to run beside Asterisk: with its files, its
// network and its mounts, as on one machine. Asterisk must be running. Killing the process kills
// the program itself.
func (l *Lab) Inside(ctx context.Context, name string, args ...string) *exec.Cmd {
	asterisk := strconv.Itoa(l.asterisk.cmd.Process.Pid)
	return exec.CommandContext(ctx, "nsenter", append([]string{"-t", asterisk, "-m", "-n", "chroot", l.root, name}, args...)...)
}

// bootTime is how long Asterisk may take until it is fully booted; a fraction of a second is
// usual.
const bootTime = 30 * time.Second
