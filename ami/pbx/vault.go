package pbx

import (
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
	"golang.org/x/sys/unix"
)

// Entry is one new secret on its way to the operator.
type Entry struct {
	At      time.Time
	Account string
	Secret  string
}

// line is what the operator reads: time, account and secret, tab separated.
func (e Entry) line() string {
	return e.At.UTC().Format(time.RFC3339) + "\t" + e.Account + "\t" + e.Secret + "\n"
}

// Vault keeps new secrets where the operator decided. Its errors and its String
// never hold a secret.
type Vault interface {
	// Keep stores the entry durably. When it fails, Asterisk is not touched.
	Keep(Entry) error
	// Check says why user uid, or this process, could not keep a secret now;
	// fs.ErrNotExist when there is no vault yet. It creates nothing.
	Check(uid int) error
	// Void notes that the secret of a kept entry is not in force.
	Void(Entry) error
	// String says where the secrets are.
	String() string
}

// FileVault is a plain file of one line per rotation: time, account, secret.
// It is made with mode 0600 and refused when others could read it.
type FileVault struct{ path string }

// NewFileVault returns the vault in the file at path. Its folder is made with
// mode 0700 when absent.
func NewFileVault(path string) *FileVault { return &FileVault{path} }

// String says where the secrets are.
func (v *FileVault) String() string { return v.path }

// Keep appends the entry's line.
func (v *FileVault) Keep(e Entry) error { return v.append(e.line()) }

// Check looks at the file.
func (v *FileVault) Check(uid int) error {
	info, err := os.Lstat(v.path)
	if err != nil {
		return fmt.Errorf("look at vault: %w", err)
	}
	if err := private(v.path, info, uid); err != nil {
		return err
	}
	return writable(v.path, unix.W_OK)
}

// voided is in place of a secret that is not in force.
const voided = "(the rotation failed: the secret above is not in force)"

// Void appends a line that says so, without the secret.
func (v *FileVault) Void(e Entry) error {
	e.Secret = voided
	return v.append(e.line())
}

func (v *FileVault) append(line string) (err error) {
	if err := os.MkdirAll(filepath.Dir(v.path), 0o700); err != nil {
		return fmt.Errorf("make vault: %w", err)
	}
	f, err := os.OpenFile(v.path, os.O_WRONLY|os.O_APPEND|os.O_CREATE|syscall.O_NOFOLLOW, 0o600)
	if errors.Is(err, syscall.ELOOP) {
		return fmt.Errorf("open vault %s: it is a symbolic link: name the file itself", v.path)
	}
	if err != nil {
		return fmt.Errorf("open vault: %w", err)
	}
	defer func() { err = join(err, f.Close()) }()
	info, err := f.Stat()
	if err != nil {
		return fmt.Errorf("look at vault: %w", err)
	}
	if err := private(v.path, info, os.Geteuid()); err != nil {
		return err
	}
	if err := write(f, line); err != nil {
		// Half a line would spoil the next one.
		return join(err, f.Truncate(info.Size()))
	}
	return nil
}

// private refuses a file that is not a regular one of user uid, or that others
// can read.
func private(path string, info os.FileInfo, uid int) error {
	if info.IsDir() {
		return fmt.Errorf("vault %s: a folder, as for encrypted secrets: move it away, or name a file", path)
	}
	if !info.Mode().IsRegular() {
		return fmt.Errorf("vault %s: not a regular file", path)
	}
	if info.Mode().Perm()&0o077 != 0 {
		return fmt.Errorf("vault %s: mode %04o lets others read it: chmod 600 it", path, info.Mode().Perm())
	}
	if sys, ok := info.Sys().(*syscall.Stat_t); ok && int(sys.Uid) != uid {
		return fmt.Errorf("vault %s: belongs to uid %d: give it to uid %d (chown), as which the daemon writes it", path, sys.Uid, uid)
	}
	return nil
}

// writable says whether this process may write to path.
func writable(path string, mode uint32) error {
	if err := unix.Access(path, mode); err != nil {
		return fmt.Errorf("vault %s: not writable for this user: %w", path, err)
	}
	return nil
}

func write(f *os.File, text string) error {
	if _, err := io.WriteString(f, text); err != nil {
		return fmt.Errorf("write vault: %w", err)
	}
	if err := f.Sync(); err != nil {
		return fmt.Errorf("write vault: %w", err)
	}
	return nil
}

// AgeVault keeps one file per rotation in a folder, encrypted to the operator's
// age recipients: this machine can write them and not read them.
type AgeVault struct {
	dir        string
	recipients []age.Recipient
}

// NewAgeVault returns the vault in the folder dir, which is made with mode 0700
// when absent. A recipient is an age public key ("age1…").
func NewAgeVault(dir string, recipients ...string) (*AgeVault, error) {
	if len(recipients) == 0 {
		return nil, fmt.Errorf("vault %s: needs an age recipient", dir)
	}
	v := &AgeVault{dir: dir}
	for _, text := range recipients {
		r, err := age.ParseRecipients(strings.NewReader(text))
		if err != nil {
			return nil, fmt.Errorf("vault %s: recipient %q: %w", dir, text, err)
		}
		v.recipients = append(v.recipients, r...)
	}
	return v, nil
}

// String says where the secrets are.
func (v *AgeVault) String() string { return v.dir }

// Keep writes <time>-<account>.age; decrypted it is the line of a FileVault.
func (v *AgeVault) Keep(e Entry) (err error) {
	if err := os.MkdirAll(v.dir, 0o700); err != nil {
		return fmt.Errorf("make vault: %w", err)
	}
	f, err := os.OpenFile(v.file(e, ""), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return fmt.Errorf("open vault: %w", err)
	}
	defer func() {
		if err = join(err, f.Close()); err != nil {
			os.Remove(f.Name())
		}
	}()
	w, err := age.Encrypt(f, v.recipients...)
	if err != nil {
		return fmt.Errorf("encrypt for vault: %w", err)
	}
	if _, err := io.WriteString(w, e.line()); err != nil {
		return fmt.Errorf("encrypt for vault: %w", err)
	}
	if err := w.Close(); err != nil {
		return fmt.Errorf("encrypt for vault: %w", err)
	}
	if err := f.Sync(); err != nil {
		return fmt.Errorf("write vault: %w", err)
	}
	return syncDir(v.dir)
}

// Check looks at the folder.
func (v *AgeVault) Check(int) error {
	info, err := os.Stat(v.dir)
	if err != nil {
		return fmt.Errorf("look at vault: %w", err)
	}
	if !info.IsDir() {
		return fmt.Errorf("vault %s: a file, as for secrets that are not encrypted: move it away, or name a folder", v.dir)
	}
	return writable(v.dir, unix.W_OK|unix.X_OK)
}

// Void renames the entry's file so that its name says so.
func (v *AgeVault) Void(e Entry) error {
	if err := os.Rename(v.file(e, ""), v.file(e, "-not-in-force")); err != nil {
		return fmt.Errorf("void vault entry: %w", err)
	}
	return syncDir(v.dir)
}

func (v *AgeVault) file(e Entry, note string) string {
	stamp := e.At.UTC().Format("20060102T150405.000000000Z")
	return filepath.Join(v.dir, stamp+"-"+url.PathEscape(e.Account)+note+".age")
}

// syncDir makes the names in a folder durable.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return fmt.Errorf("sync %s: %w", dir, err)
	}
	defer d.Close()
	if err := d.Sync(); err != nil {
		return fmt.Errorf("sync %s: %w", dir, err)
	}
	return nil
}

var (
	_ Vault = (*FileVault)(nil)
	_ Vault = (*AgeVault)(nil)
)
