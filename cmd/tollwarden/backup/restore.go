package backup

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/tollwarden/tollwarden/responder/control"
)

// Target is where a backup goes.
type Target struct {
	Config string // the configuration's path
	// Force replaces an installation; its files are kept in a folder beside them.
	Force bool
	Now   time.Time
	// Owner gives a file or folder to the daemon's user, if there is one.
	Owner func(path string) error
}

// Restored is what Restore did.
type Restored struct {
	Files []string // written
	Kept  []string // files that were in their places, where they are now
	Data  string   // the data folder
}

// ErrInUse reports a host that has an installation already.
var ErrInUse = errors.New("there is an installation already")

// Restore puts the files of the backup in their places, all of them or none. It
// refuses while a daemon runs, and an installation that is not empty unless forced.
func (b *Backup) Restore(ctx context.Context, t Target) (r Restored, err error) {
	l, err := b.layout(t.Config)
	if err != nil {
		return r, err
	}
	if err := idle(ctx, t.Config, l); err != nil {
		return r, err
	}
	present := b.present(l)
	if len(present) > 0 && !t.Force {
		return r, fmt.Errorf("%w: %s; --force replaces it, and keeps its files", ErrInUse, present[0])
	}
	m := &move{target: t, aside: ".before-restore-" + t.Now.UTC().Format("20060102T150405Z")}
	defer func() {
		if err != nil {
			err = errors.Join(err, m.undo())
		}
	}()
	// What is in the way goes first: a folder of passwords may get new files.
	for _, path := range present {
		if err := m.putAside(path); err != nil {
			return r, fmt.Errorf("restore: %w", err)
		}
	}
	for i, f := range b.Manifest.Files {
		place := l.place(f.Role)
		if place == "" {
			return r, fmt.Errorf("restore %s: the configuration names no file for it", f.Role)
		}
		if err := m.prepare(b.path(i), place); err != nil {
			return r, fmt.Errorf("restore %s: %w", f.Role, err)
		}
	}
	if err := m.finish(); err != nil {
		return r, fmt.Errorf("restore: %w", err)
	}
	return Restored{m.placed, m.kept, l.Data}, nil
}

// layout is that of the backup's configuration, at its place on this host.
func (b *Backup) layout(config string) (layout, error) {
	text, err := os.ReadFile(b.file(roleConfig))
	if err != nil {
		return layout{}, err
	}
	return readLayout(config, text)
}

// idle refuses a host on which a daemon runs, by the socket of the backup's
// configuration or by that of the one in its place.
func idle(ctx context.Context, config string, l layout) error {
	sockets := []string{l.Socket}
	if text, err := os.ReadFile(config); err == nil {
		if now, err := readLayout(config, text); err == nil && now.Socket != l.Socket {
			sockets = append(sockets, now.Socket)
		}
	}
	for _, socket := range sockets {
		switch _, err := control.Dial(socket).Status(ctx); {
		case err == nil:
			return fmt.Errorf("a daemon is running (%s): stop it first: systemctl stop tollwarden", socket)
		case !errors.Is(err, control.ErrNotRunning):
			return fmt.Errorf("cannot tell whether a daemon is running: %w", err)
		}
	}
	return nil
}

// present lists the files of an installation that the backup replaces, or that would
// not fit to what it brings. Secret files that the backup lacks stay in use.
func (b *Backup) present(l layout) (list []string) {
	ledger := l.place(roleLedger)
	paths := []string{
		l.config, ledger, ledger + "-wal", ledger + "-shm", l.place(roleAllow), l.place(roleNames), l.place(roleRates), l.place(roleFingerprints),
		filepath.Join(l.Data, "last-seen.json"), filepath.Join(l.Data, "ports.json"),
	}
	store := false
	for _, f := range b.Manifest.Files {
		switch {
		case f.Role == roleAMISecret, f.Role == roleMailPassword:
			paths = append(paths, l.place(f.Role))
		case isPassword(f.Role) && !store:
			paths, store = append(paths, l.Rotate.Store), true
		}
	}
	for _, path := range paths {
		if _, err := os.Lstat(path); path != "" && !errors.Is(err, fs.ErrNotExist) {
			list = append(list, path)
		}
	}
	return list
}

// move renames what is in the way, puts complete files beside their places and
// renames them at the end; it can take every step back.
type move struct {
	target Target
	aside  string // what the names of replaced files end with

	ready  []string // places of the files that are prepared
	placed []string
	kept   []string
	undos  []func() error
}

// incoming is what the name of a prepared file ends with.
const incoming = ".restoring"

// prepare copies a file beside its place.
func (m *move) prepare(from, place string) error {
	if err := m.folder(filepath.Dir(place)); err != nil {
		return err
	}
	next := place + incoming
	_ = os.Remove(next) // of a restore that was killed
	m.undos = append(m.undos, func() error { return gone(os.Remove(next)) })
	if err := copyFile(from, next); err != nil {
		return err
	}
	m.ready = append(m.ready, place)
	return m.target.Owner(next)
}

// folder makes a folder that is missing, for the daemon's user.
func (m *move) folder(dir string) error {
	if _, err := os.Stat(dir); err == nil {
		return nil
	}
	if err := m.folder(filepath.Dir(dir)); err != nil {
		return err
	}
	if err := os.Mkdir(dir, 0o700); err != nil {
		return err
	}
	m.undos = append(m.undos, func() error { return gone(os.Remove(dir)) })
	return m.target.Owner(dir)
}

// putAside renames a file of the installation that is replaced.
func (m *move) putAside(path string) error {
	to := path + m.aside
	if err := os.Rename(path, to); err != nil {
		return err
	}
	m.kept = append(m.kept, to)
	m.undos = append(m.undos, func() error { return os.Rename(to, path) })
	return nil
}

// finish renames the prepared files.
func (m *move) finish() error {
	for _, place := range m.ready {
		if _, err := os.Lstat(place); !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("%s appeared meanwhile: stop what writes it", place)
		}
		if err := os.Rename(place+incoming, place); err != nil {
			return err
		}
		m.placed = append(m.placed, place)
		m.undos = append(m.undos, func() error { return os.Remove(place) })
	}
	var errs []error
	for _, place := range m.placed {
		errs = append(errs, syncFolder(filepath.Dir(place)))
	}
	return errors.Join(errs...)
}

// undo takes back all steps, the newest first.
func (m *move) undo() error {
	var errs []error
	for i := len(m.undos) - 1; i >= 0; i-- {
		errs = append(errs, m.undos[i]())
	}
	m.undos = nil
	return errors.Join(errs...)
}

// gone takes it as success that there was nothing to remove.
func gone(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}
