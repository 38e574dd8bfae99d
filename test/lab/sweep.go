package lab

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

const lockName = "lock"

// runDir holds a folder for each lab of this machine.
func runDir() string { return filepath.Join(os.TempDir(), "tollwarden-lab") }

// Sweep takes away what labs left whose process is dead: processes, namespaces, mounts and
// folders. Labs of living processes are not touched.
func Sweep() error {
	release, err := lockRunDir()
	if err != nil {
		return err
	}
	defer release()
	entries, err := os.ReadDir(runDir())
	if err != nil {
		return fmt.Errorf("sweep: %w", err)
	}
	var errs []error
	for _, e := range entries {
		if !e.IsDir() {
			continue
		}
		if err := sweepOne(e.Name()); err != nil {
			errs = append(errs, fmt.Errorf("sweep lab %s: %w", e.Name(), err))
		}
	}
	return errors.Join(errs...)
}

// lockRunDir keeps a lab that is being made from being swept before it has claimed its folder.
func lockRunDir() (release func(), err error) {
	if err := os.MkdirAll(runDir(), 0o755); err != nil {
		return nil, fmt.Errorf("make the labs' folder: %w", err)
	}
	return lock(filepath.Join(runDir(), lockName))
}

func sweepOne(id string) error {
	dir := filepath.Join(runDir(), id)
	f, err := os.Open(filepath.Join(dir, lockName))
	if errors.Is(err, os.ErrNotExist) {
		return removeRoot(dir) // its owner died before it had made anything
	}
	if err != nil {
		return err
	}
	defer f.Close()
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		return nil // its owner lives
	}
	return errors.Join(removeNamespaces(namespacePrefix(id)), removeRoot(dir))
}
