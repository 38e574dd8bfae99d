package settings

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
)

// Rewrite gives the file at path another text, all of it or nothing. It keeps the file's
// owner, group and mode, and a symbolic link to it. A file that cannot be replaced, such as one
// that a container mounts alone, is written in place.
func Rewrite(path string, text []byte) error {
	target, err := filepath.EvalSymlinks(path)
	if err == nil {
		err = replace(target, text)
	}
	if err != nil {
		return fmt.Errorf("rewrite %s: %w", path, err)
	}
	return nil
}

func replace(path string, text []byte) (err error) {
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	if err != nil {
		return overwrite(path, text)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(f.Name()))
		}
	}()
	_, err = f.Write(text)
	if owner, ok := info.Sys().(*syscall.Stat_t); ok && err == nil {
		err = f.Chown(int(owner.Uid), int(owner.Gid))
	}
	if err == nil {
		err = f.Chmod(info.Mode().Perm())
	}
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	switch err = os.Rename(f.Name(), path); {
	case errors.Is(err, syscall.EBUSY):
		return errors.Join(overwrite(path, text), os.Remove(f.Name()))
	default:
		return err
	}
}

func overwrite(path string, text []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_TRUNC, 0)
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	return errors.Join(err, f.Sync(), f.Close())
}
