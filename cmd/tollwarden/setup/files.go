package setup

import (
	"errors"
	"fmt"
	"os"
	"os/user"
	"strconv"
	"syscall"
)

func exists(path string) bool {
	_, err := os.Lstat(path)
	return !errors.Is(err, os.ErrNotExist)
}

// create writes a new file that only its owner reads.
func create(path, text string) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	return errors.Join(err, f.Close())
}

// packaged says whether there is a user for the daemon.
func packaged() bool {
	_, err := user.Lookup(managerUser)
	return err == nil
}

// give makes the daemon's user the owner, if there is one.
func give(path, name string) error {
	u, err := user.Lookup(name)
	if err != nil {
		return nil // not installed from a package: the daemon runs as whoever runs this
	}
	uid, err := strconv.Atoi(u.Uid)
	if err != nil {
		return err
	}
	gid, err := strconv.Atoi(u.Gid)
	if err != nil {
		return err
	}
	return os.Chown(path, uid, gid)
}

// copyOwner gives a file the owner and the mode of another: Asterisk has to
// read what setup writes beside its own files.
func copyOwner(from, to string) error {
	info, err := os.Stat(from)
	if err != nil {
		return err
	}
	owner, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return fmt.Errorf("%s: its owner is not known", from)
	}
	if err := os.Chown(to, int(owner.Uid), int(owner.Gid)); err != nil {
		return err
	}
	return os.Chmod(to, info.Mode().Perm())
}
