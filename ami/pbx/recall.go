package pbx

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
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
	var kept []string
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		e, ok := entryOf(lines.Text())
		switch {
		case !ok || e.Account != account:
		case strings.HasPrefix(e.Secret, voided):
			kept = kept[:max(0, len(kept)-1)]
		default:
			kept = append(kept, e.Secret)
		}
	}
	if err := lines.Err(); err != nil {
		return "", fmt.Errorf("read vault: %w", err)
	}
	if len(kept) == 0 {
		return "", nil
	}
	return kept[len(kept)-1], nil
}

var _ recalling = (*FileVault)(nil)
