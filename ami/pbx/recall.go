package pbx

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
)

// Last is the newest secret of an account that came into force; "" for none.
func (v *FileVault) Last(account string) (secret string, err error) {
	f, err := os.Open(v.path)
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("open vault: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return "", fmt.Errorf("look at vault: %w", err)
	}
	if err := private(v.path, info, os.Geteuid()); err != nil {
		return "", err
	}
	e, err := newestIn(f, account)
	if errors.Is(err, ErrNoSecret) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("read vault: %w", err)
	}
	return e.Secret, nil
}

var _ recalling = (*FileVault)(nil)
