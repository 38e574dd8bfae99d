package pbx

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// keptCopies is how many copies of each config file stay.
const keptCopies = 10

// copyStamp orders the copies of a file by name as by time.
const copyStamp = "20060102T150405.000000Z"

// keepCopy writes FILE.tollwarden-TIME beside the file, with its mode and owner,
// and deletes the oldest copies beyond keptCopies. It copies a file once: a writer
// that fails puts the file back.
func (t *tree) keepCopy(f *confFile, now time.Time) error {
	if t.copies[f] != "" {
		return nil
	}
	var name string
	err := fs.ErrExist
	for try := 0; errors.Is(err, fs.ErrExist) && try < 100; try++ { // the clock may have been set back
		name = f.path + ".tollwarden-" + now.Add(time.Duration(try)*time.Microsecond).UTC().Format(copyStamp)
		for _, p := range t.patterns {
			if ok, _ := filepath.Match(p, name); ok {
				return fmt.Errorf("copy %s: the include %s would read the copy too: let it end in .conf", f.path, p)
			}
		}
		err = writeLike(f.path, name, f.text)
	}
	if err != nil {
		return fmt.Errorf("copy %s: %w", f.path, err)
	}
	if t.copies == nil {
		t.copies = map[*confFile]string{}
	}
	t.copies[f] = name
	copies, err := filepath.Glob(globQuote(f.path) + ".tollwarden-[0-9]*Z")
	if err != nil {
		return nil
	}
	slices.Sort(copies)
	for len(copies) > keptCopies {
		os.Remove(copies[0]) // the bound is kept next time when this fails
		copies = copies[1:]
	}
	return nil
}

func globQuote(path string) string {
	return strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`).Replace(path)
}

// replace puts text into the file at path in one step: a reader sees the old
// file or the new one.
func replace(path string, text []byte) error {
	// A dot file: no include pattern takes it for a config file.
	tmp := filepath.Join(filepath.Dir(path), "."+filepath.Base(path)+".tollwarden-new")
	if err := os.Remove(tmp); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("write %s: %w", path, err)
	}
	if err := writeLike(path, tmp, text); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	if err := os.Rename(tmp, path); err != nil {
		return join(fmt.Errorf("write %s: %w", path, err), os.Remove(tmp))
	}
	return syncDir(filepath.Dir(path))
}

// writeLike makes the file name with the mode and owner of model.
func writeLike(model, name string, text []byte) (err error) {
	st, err := os.Stat(model)
	if err != nil {
		return err
	}
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	defer func() {
		if err = join(err, f.Close()); err != nil {
			os.Remove(name)
		}
	}()
	if _, err := f.Write(text); err != nil {
		return err
	}
	// The mode first: after the chown it would take CAP_FOWNER.
	if err := f.Chmod(st.Mode().Perm()); err != nil {
		return err
	}
	if sys, ok := st.Sys().(*syscall.Stat_t); ok {
		if err := f.Chown(int(sys.Uid), int(sys.Gid)); err != nil {
			return fmt.Errorf("keep the owner: %w", err)
		}
	}
	return f.Sync()
}

// canReplace says whether this process may put another file in the place of path: replace
// makes one beside it.
func canReplace(path string) error {
	if err := unix.Access(filepath.Dir(path), unix.W_OK|unix.X_OK); err != nil {
		return fmt.Errorf("%s: this user may not make files there: %w", filepath.Dir(path), err)
	}
	return nil
}
