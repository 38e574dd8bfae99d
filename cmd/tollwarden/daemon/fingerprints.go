package daemon

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/rs/zerolog"

	"github.com/tollwarden/tollwarden/responder/orders"
)

// openFingerprints opens the key with which passwords are recognised. Without a file, they
// are until the daemon ends.
func openFingerprints(folder string, log zerolog.Logger) orders.SecretKey {
	secret, fresh, err := readKey(filepath.Join(folder, "fingerprints.key"))
	switch {
	case err != nil:
		log.Error().Err(err).Msg("changed passwords are recognised until this daemon ends, and no longer")
	case fresh:
		log.Info().Msg("made a new key for the fingerprints of changed passwords")
	}
	return orders.NewKey(secret)
}

// readKey reads the secret in a file of mode 0600, or makes one. A secret that others can read, or
// that is damaged, is replaced: what was ordered before cannot be recognised then.
func readKey(path string) (secret []byte, fresh bool, err error) {
	info, err := os.Lstat(path)
	if err == nil && info.Mode().IsRegular() && info.Mode().Perm()&0o077 == 0 {
		if secret, err = os.ReadFile(path); err == nil && len(secret) == orders.KeySize {
			return secret, false, nil
		}
	}
	secret = make([]byte, orders.KeySize)
	_, _ = rand.Read(secret) // never fails (crypto/rand)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return secret, false, fmt.Errorf("read the key of fingerprints: %w", err)
	}
	return secret, true, keepKey(path, secret)
}

// keepKey writes the secret, in one step.
func keepKey(path string, secret []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".fingerprints-*") // of mode 0600
	if err == nil {
		_, err = f.Write(secret)
		if err = errors.Join(err, f.Sync(), f.Close()); err == nil {
			err = os.Rename(f.Name(), path)
		}
		if err != nil {
			_ = os.Remove(f.Name())
		}
	}
	if err != nil {
		return fmt.Errorf("keep the key of fingerprints: %w", err)
	}
	return nil
}
