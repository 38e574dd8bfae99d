package orders

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Fingerprint stands for a password, or for a digest that Asterisk keeps of one. Nobody can
// guess the password from it without the SecretKey.
type Fingerprint string

// SecretKey makes fingerprints. Only this machine has it.
type SecretKey struct{ secret []byte }

// keySize is that of SHA-256's output (RFC 2104, section 3).
const keySize = sha256.Size

// Sum is the fingerprint of a password or a digest.
func (k SecretKey) Sum(password string) Fingerprint {
	mac := hmac.New(sha256.New, k.secret)
	mac.Write([]byte(password))
	return Fingerprint(hex.EncodeToString(mac.Sum(nil)))
}

// OpenKey reads the key in a file of mode 0600, or makes it. A key that others can read, or
// that is damaged, is replaced: what was ordered before cannot be recognised then.
func OpenKey(path string) (k SecretKey, fresh bool, err error) {
	info, err := os.Lstat(path)
	if err == nil && info.Mode().IsRegular() && info.Mode().Perm()&0o077 == 0 {
		if k.secret, err = os.ReadFile(path); err == nil && len(k.secret) == keySize {
			return k, false, nil
		}
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return k, false, fmt.Errorf("read the key of fingerprints: %w", err)
	}
	k = NewKey()
	return k, true, k.keep(path)
}

// NewKey makes a key that no file holds.
func NewKey() SecretKey {
	k := SecretKey{make([]byte, keySize)}
	_, _ = rand.Read(k.secret) // never fails (crypto/rand)
	return k
}

// keep writes the key, in one step.
func (k SecretKey) keep(path string) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".fingerprint-*") // of mode 0600
	if err != nil {
		return fmt.Errorf("keep the key of fingerprints: %w", err)
	}
	_, err = f.Write(k.secret)
	err = errors.Join(err, f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		_ = os.Remove(f.Name())
		return fmt.Errorf("keep the key of fingerprints: %w", err)
	}
	return nil
}

// Text is a list of fingerprints as a ledger keeps it.
func Text(list []Fingerprint) string {
	words := make([]string, len(list))
	for i, f := range list {
		words[i] = string(f)
	}
	slices.Sort(words)
	return strings.Join(slices.Compact(words), " ")
}

// ParseText reads what Text wrote.
func ParseText(s string) (list []Fingerprint) {
	for word := range strings.FieldsSeq(s) {
		list = append(list, Fingerprint(word))
	}
	return list
}
