package setup

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/tollwarden/tollwarden/ami/pbx/mariadb"
)

// Undo takes back what setup did, newest first, and nothing else. With keep it leaves
// Tollwarden's own configuration and secret, as when a package is removed; otherwise they
// are moved away, not deleted. What cannot be taken back stays in the record, and is named
// in the error.
func (s *Setup) Undo(ctx context.Context, keep bool) error {
	r, err := openRecord(s.Folder)
	if err != nil {
		return err
	}
	f := s.quickSite()
	if len(r.Entries) == 0 {
		r.Entries = s.unrecorded(f)
	}
	var left []entry
	var failed []error
	reloads := map[string]bool{}
	for _, e := range slices.Backward(r.Entries) {
		if keep && e.Ours {
			left = append(left, e)
			continue
		}
		e.Path = s.present(f, e.Path)
		said, err := s.takeBack(ctx, f, e)
		if err != nil {
			failed, left = append(failed, fmt.Errorf("%s: %w", e.What, err)), append(left, e)
			continue
		}
		fmt.Fprintf(s.Out, "%s: %s\n", e.What, said)
		if e.Reload != "" {
			reloads[e.Reload] = true
		}
	}
	s.reloadAll(ctx, f, reloads)
	if len(r.Entries) == 0 {
		fmt.Fprintln(s.Out, "There is nothing to undo: no setup is on record.")
	} else if !keep {
		fmt.Fprintln(s.Out, "\nChanged passwords stay changed: the phones have them. The records stay, too, in the data folder (usually /var/lib/tollwarden).")
	}
	slices.Reverse(left)
	if r.Entries = left; len(left) > 0 {
		failed = append(failed, r.save())
	} else if err := os.Remove(r.path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		failed = append(failed, err)
	}
	return errors.Join(failed...)
}

// quickSite is what undo needs to know, as far as it is still there.
func (s *Setup) quickSite() site {
	f := site{etc: s.Asterisk, lasting: true}
	if f.asterisk, f.running = findProcess(s.Proc, s.Asterisk); f.running && !exists(s.Asterisk) {
		f.etc, f.lasting = f.asterisk.host(usualFolder)
	}
	f.manager, _ = readManager(filepath.Join(f.etc, "manager.conf"))
	return f
}

// present is where a file of a container is by now: its process may be another one.
func (s *Setup) present(f site, path string) string {
	rest, ok := strings.CutPrefix(path, s.Proc+"/")
	_, rest, found := strings.Cut(rest, "/root/")
	if !ok || !found || exists(path) || !f.asterisk.inside {
		return path
	}
	return filepath.Join(f.asterisk.root, rest)
}

// unrecorded are the entries of a setup from before there was a record.
func (s *Setup) unrecorded(f site) (list []entry) {
	for _, path := range []string{s.secretFile(), s.config()} {
		if exists(path) {
			list = append(list, entry{What: "Tollwarden's own " + filepath.Base(path), Path: path, Created: true, Ours: true})
		}
	}
	if f.manager.exists {
		list = append(list, entry{What: "user [" + managerUser + "]", Path: f.manager.path, Section: managerUser, Reload: reloadManager})
	}
	return list
}

// takeBack undoes one entry and says how.
func (s *Setup) takeBack(ctx context.Context, f site, e entry) (said string, err error) {
	switch {
	case e.Service:
		out, err := s.Run(ctx, "systemctl", "disable", "--now", "tollwarden.service")
		if err != nil {
			return "", fmt.Errorf("systemctl disable --now tollwarden.service: %s", explain(out, err))
		}
		return "disabled and stopped", nil
	case e.Database != nil:
		admin, err := mariadb.Administer(ctx, *e.Database)
		if err != nil {
			return "", err
		}
		defer admin.Close()
		return "removed", admin.Run(ctx, e.Database.Drop()...)
	case e.Ours:
		return moveAway(e.Path)
	}
	return restore(f, e)
}

// moveAway renames a file of Tollwarden's own.
func moveAway(path string) (said string, err error) {
	to := path + ".removed-" + time.Now().Format("20060102-150405")
	err = os.Rename(path, to)
	if errors.Is(err, fs.ErrNotExist) {
		return "gone already", nil
	}
	return "moved to " + to, err
}

// restore takes a change out of a file.
func restore(f site, e entry) (said string, err error) {
	text, err := os.ReadFile(e.Path)
	if errors.Is(err, fs.ErrNotExist) && e.Section == "" {
		return "gone already", nil
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", err
	}
	if e.Created && (sum(text) == e.Sum || e.Sum == "") {
		return "removed " + e.Path, os.Remove(e.Path)
	}
	if before, ok := without(text, e); ok && !e.Created {
		return "taken out of " + e.Path, os.WriteFile(e.Path, before, 0o600)
	}
	if e.Section != "" {
		if said, err := dropSection(f, e); said != "" || err != nil {
			return said, err
		}
		return "gone already", nil
	}
	switch {
	case e.Created:
		return moveAway(e.Path) // a person has changed it
	case e.Old == "" && !bytes.Contains(text, []byte(strings.TrimSpace(e.New))):
		return "gone already", nil
	}
	return "", fmt.Errorf("%s has changed since: take this out by hand: %q", e.Path, e.New)
}

// without is a text as it was before a change; ok is false if the change is not found for
// certain.
func without(text []byte, e entry) (before []byte, ok bool) {
	at := e.At
	if sum(text) != e.Sum {
		if e.New == "" || bytes.Count(text, []byte(e.New)) != 1 {
			return nil, false
		}
		at = bytes.Index(text, []byte(e.New))
	}
	if at+len(e.New) > len(text) {
		return nil, false
	}
	return slices.Concat(text[:at], []byte(e.Old), text[at+len(e.New):]), true
}

// dropSection removes a section of manager.conf, wherever it stands by now.
func dropSection(f site, e entry) (said string, err error) {
	folder := filepath.Dir(f.manager.path)
	for _, path := range []string{e.Path, f.manager.path, filepath.Join(folder, customManager), filepath.Join(folder, "manager.d", "tollwarden.conf")} {
		text, err := os.ReadFile(path)
		if err != nil {
			continue
		}
		if rest, cut := moved(text, e.Section); len(cut) > 0 {
			return "taken out of " + path, os.WriteFile(path, rest, 0o600)
		}
	}
	return "", nil
}
