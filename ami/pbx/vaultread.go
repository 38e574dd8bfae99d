package pbx

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"filippo.io/age"
)

// ErrNoSecret says that a vault holds no secret in force of an account.
var ErrNoSecret = errors.New("no password that Tollwarden set")

// ErrSealed says that a secret is encrypted, and that no identity was given.
var ErrSealed = errors.New("the password is encrypted")

// maxVault bounds what is read of a vault: a million rotations.
const maxVault = 64 << 20

// NewestSecret is the newest secret of an account in the vault at path, a file of FileVault
// or a folder of AgeVault, that is in force as far as Tollwarden knows. identities, the text
// of an age key file, opens an AgeVault; without it, the error is ErrSealed and names the
// file. Its errors hold no secret.
func NewestSecret(path, account string, identities []byte) (Entry, error) {
	info, err := os.Lstat(path)
	if errors.Is(err, os.ErrNotExist) {
		return Entry{}, fmt.Errorf("vault %s: %w: nothing was rotated yet", path, ErrNoSecret)
	}
	if err != nil {
		return Entry{}, fmt.Errorf("look at vault: %w", err)
	}
	if info.IsDir() {
		return newestSealed(path, account, identities)
	}
	if !info.Mode().IsRegular() {
		return Entry{}, fmt.Errorf("vault %s: not a regular file", path)
	}
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NOFOLLOW, 0)
	if err != nil {
		return Entry{}, fmt.Errorf("open vault: %w", err)
	}
	defer f.Close()
	e, err := newestIn(io.LimitReader(f, maxVault), account)
	if err != nil {
		return Entry{}, fmt.Errorf("vault %s: %w", path, err)
	}
	return e, nil
}

// newestIn reads the lines of a FileVault.
func newestIn(r io.Reader, account string) (Entry, error) {
	var kept []Entry
	lines := bufio.NewReader(r)
	for {
		line, err := lines.ReadString('\n')
		if errors.Is(err, io.EOF) {
			break // what has no end was never acknowledged
		}
		if err != nil {
			return Entry{}, err
		}
		e, ok := entryOf(line)
		if !ok || e.Account != account {
			continue
		}
		if strings.HasPrefix(e.Secret, voided) {
			kept = kept[:max(0, len(kept)-1)] // rotations of an account come one after another
			continue
		}
		kept = append(kept, e)
	}
	if len(kept) == 0 {
		return Entry{}, ErrNoSecret
	}
	return kept[len(kept)-1], nil
}

// entryOf is the inverse of Entry.line.
func entryOf(line string) (Entry, bool) {
	parts := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
	if len(parts) != 3 {
		return Entry{}, false
	}
	at, err := time.Parse(time.RFC3339, parts[0])
	return Entry{At: at, Account: parts[1], Secret: parts[2]}, err == nil && parts[2] != ""
}

// newestSealed opens the newest file of an account in an AgeVault. The names of what is not
// in force say so.
func newestSealed(dir, account string, identities []byte) (Entry, error) {
	files, err := os.ReadDir(dir) // by name, and so by time
	if err != nil {
		return Entry{}, fmt.Errorf("open vault: %w", err)
	}
	newest := ""
	for _, f := range files {
		if _, of, ok := strings.Cut(f.Name(), "-"); ok && of == url.PathEscape(account)+".age" {
			newest = filepath.Join(dir, f.Name())
		}
	}
	if newest == "" {
		return Entry{}, fmt.Errorf("vault %s: %w", dir, ErrNoSecret)
	}
	if len(identities) == 0 {
		return Entry{}, fmt.Errorf("%w: %s", ErrSealed, newest)
	}
	keys, err := age.ParseIdentities(bytes.NewReader(identities))
	if err != nil {
		return Entry{}, errors.New("the key file holds no age identity") // the error could quote it
	}
	f, err := os.Open(newest)
	if err != nil {
		return Entry{}, fmt.Errorf("open vault: %w", err)
	}
	defer f.Close()
	open, err := age.Decrypt(f, keys...)
	if err != nil {
		return Entry{}, fmt.Errorf("decrypt %s: %w", newest, err)
	}
	e, err := newestIn(io.LimitReader(open, 1<<16), account)
	if err != nil {
		return Entry{}, fmt.Errorf("%s: %w", newest, err)
	}
	return e, nil
}
