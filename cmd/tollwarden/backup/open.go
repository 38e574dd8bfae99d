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
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/tollwarden/tollwarden/responder/ledger"
)

// maxManifest bounds the manifest of a damaged file.
const maxManifest = 1 << 20

// errNoBackup says what a file is not. What the decompressor says of it helps nobody.
var errNoBackup = errors.New("not a backup of Tollwarden, or it is cut off: want a file that `tollwarden backup FILE` has made")

// Backup is an open one, unpacked and checked.
type Backup struct {
	Manifest Manifest
	Content  ledger.Content // as of the time it was opened

	dir string // the unpacked files, by their place in the manifest
}

// Open unpacks the backup at path into a temporary folder and checks all of it: the
// sums, that nothing is missing, the ledger and its version. The caller closes it.
func Open(ctx context.Context, path string, now time.Time) (b *Backup, err error) {
	defer func() {
		if err != nil {
			if b != nil {
				_ = b.Close()
			}
			b, err = nil, fmt.Errorf("backup %s: %w", path, err)
		}
	}()
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	zip, err := gzip.NewReader(f)
	if err != nil {
		return nil, errNoBackup
	}
	b = &Backup{}
	if b.dir, err = os.MkdirTemp("", "tollwarden-restore-*"); err != nil { // mode 0700
		return b, err
	}
	archive := tar.NewReader(zip)
	if err := b.readManifest(archive); err != nil {
		return b, err
	}
	for i := range b.Manifest.Files {
		if err := errors.Join(ctx.Err(), b.unpack(archive, i)); err != nil {
			return b, err
		}
	}
	b.Content, err = ledger.Inspect(ctx, b.file(roleLedger), now)
	return b, err
}

// Close removes what was unpacked.
func (b *Backup) Close() error { return os.RemoveAll(b.dir) }

func (b *Backup) readManifest(archive *tar.Reader) error {
	h, err := archive.Next()
	if err != nil || h.Name != manifestName {
		return errNoBackup
	}
	if err := json.NewDecoder(io.LimitReader(archive, maxManifest)).Decode(&b.Manifest); err != nil {
		return fmt.Errorf("its list of files is damaged: %w", err)
	}
	return b.Manifest.check()
}

// unpack takes the next file and compares it with the manifest.
func (b *Backup) unpack(archive *tar.Reader, i int) error {
	want := b.Manifest.Files[i]
	h, err := archive.Next()
	if err == nil && (h.Name != want.Role || h.Size != want.Size) {
		err = fmt.Errorf("%q of %d bytes is in its place", h.Name, h.Size)
	}
	if err != nil {
		return fmt.Errorf("it is damaged or incomplete: %s: %w", want.Role, err)
	}
	out, err := os.OpenFile(b.path(i), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	sum := sha256.New()
	_, err = io.Copy(io.MultiWriter(out, sum), archive)
	if err = errors.Join(err, out.Close()); err != nil {
		return fmt.Errorf("it is damaged or incomplete: %s: %w", want.Role, err)
	}
	if got := hex.EncodeToString(sum.Sum(nil)); got != want.SHA256 {
		return fmt.Errorf("it is damaged: %s has the SHA-256 %s, not %s", want.Role, got, want.SHA256)
	}
	return os.Chtimes(b.path(i), want.Modified, want.Modified)
}

func (b *Backup) path(i int) string { return filepath.Join(b.dir, strconv.Itoa(i)) }

// file is where the file with a role was unpacked; "" if there is none.
func (b *Backup) file(role string) string {
	for i, f := range b.Manifest.Files {
		if f.Role == role {
			return b.path(i)
		}
	}
	return ""
}
