package backup

import (
	"archive/tar"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"time"

	"github.com/tollwarden/tollwarden/responder/ledger"
)

// Options say what a backup holds and who makes it.
type Options struct {
	Config    string // the configuration's path
	Secrets   bool   // also the files with secrets
	Version   string // of this program
	Host      string
	Addresses []netip.Addr // of this host
	Now       time.Time
}

// Taken is what Take stored.
type Taken struct {
	Manifest Manifest
	Content  ledger.Content
	Inline   []string // keys whose secrets are in the configuration itself
}

// Take writes a backup to the new file to, mode 0600, while the daemon may be
// running. It is complete, or there is no file.
func Take(ctx context.Context, to string, o Options) (t Taken, err error) {
	if _, err := os.Lstat(to); !errors.Is(err, fs.ErrNotExist) {
		return t, fmt.Errorf("%s exists: choose another name", to)
	}
	text, err := os.ReadFile(o.Config)
	if err != nil {
		return t, err
	}
	l, err := readLayout(o.Config, text)
	if err != nil {
		return t, err
	}
	t.Inline = l.inlineSecrets()
	work, err := os.MkdirTemp(filepath.Dir(to), ".tollwarden-backup-*") // mode 0700
	if err != nil {
		return t, err
	}
	defer os.RemoveAll(work)
	copied := filepath.Join(work, "ledger.db")
	if err := ledger.Copy(ctx, l.place(roleLedger), copied); err != nil {
		return t, err
	}
	if t.Content, err = ledger.Inspect(ctx, copied, o.Now); err != nil {
		return t, err
	}
	others, err := l.state(o.Secrets)
	if err != nil {
		return t, err
	}
	t.Manifest = Manifest{Format: format, Version: o.Version, Made: o.Now.UTC(), Host: o.Host, Addresses: o.Addresses, Schema: t.Content.Schema, Secrets: o.Secrets}
	// Each file is copied before its sum is taken, since the daemon may replace it.
	paths := map[string]string{roleLedger: copied}
	for i, s := range append([]source{{roleConfig, o.Config}}, others...) {
		path := filepath.Join(work, fmt.Sprint(i))
		if err := copyFile(s.path, path); err != nil {
			return t, err
		}
		paths[s.role] = path
		if err := t.Manifest.add(s, path); err != nil {
			return t, err
		}
	}
	if err := t.Manifest.add(source{roleLedger, l.place(roleLedger)}, copied); err != nil {
		return t, err
	}
	whole := filepath.Join(work, "backup")
	if err := write(ctx, whole, &t.Manifest, paths); err != nil {
		return t, fmt.Errorf("write backup: %w", err)
	}
	if err := os.Link(whole, to); err != nil { // unlike a rename, it replaces nothing
		return t, fmt.Errorf("write backup: %w", err)
	}
	return t, syncFolder(filepath.Dir(to))
}

// add lists a file of which there is a copy at path.
func (m *Manifest) add(s source, path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	sum := sha256.New()
	size, err := io.Copy(sum, f)
	if err != nil {
		return err
	}
	info, err := f.Stat()
	if err != nil {
		return err
	}
	m.Files = append(m.Files, File{s.role, s.path, size, hex.EncodeToString(sum.Sum(nil)), info.ModTime().UTC()})
	return nil
}

// write makes the archive at path.
func write(ctx context.Context, path string, m *Manifest, paths map[string]string) (err error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	zip := gzip.NewWriter(f)
	archive := tar.NewWriter(zip)
	defer func() { err = errors.Join(err, f.Close()) }()
	text, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return err
	}
	text = append(text, '\n')
	if err := archive.WriteHeader(&tar.Header{Name: manifestName, Mode: 0o600, Size: int64(len(text)), ModTime: m.Made}); err != nil {
		return err
	}
	if _, err := archive.Write(text); err != nil {
		return err
	}
	for _, file := range m.Files {
		if err := errors.Join(ctx.Err(), pack(archive, file, paths[file.Role])); err != nil {
			return err
		}
	}
	return errors.Join(archive.Close(), zip.Close(), f.Sync())
}

func pack(archive *tar.Writer, file File, path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := archive.WriteHeader(&tar.Header{Name: file.Role, Mode: 0o600, Size: file.Size, ModTime: file.Modified}); err != nil {
		return err
	}
	_, err = io.Copy(archive, f)
	return err
}

// copyFile copies a file's content and time to a new file of mode 0600.
func copyFile(from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	info, err := in.Stat()
	if err != nil {
		return err
	}
	out, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	if err := errors.Join(err, out.Sync(), out.Close()); err != nil {
		return err
	}
	return os.Chtimes(to, info.ModTime(), info.ModTime())
}

func syncFolder(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}
