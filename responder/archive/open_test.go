package archive_test

import (
	"bytes"
	"compress/gzip"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"
	"github.com/ulikunitz/xz"

	"github.com/tollwarden/tollwarden/responder/archive"
)

// lines are longer than all blocks that are read ahead.
var lines = strings.Repeat("[2026-11-22 12:00:00] NOTICE[1] manager.c: 203.0.113.7 failed to authenticate as 'a'\n", 40_000)

// packed is the text as each format holds it.
func packed(t testing.TB, text string) map[string][]byte {
	t.Helper()
	list := map[string][]byte{"plain": []byte(text)}
	for name, open := range map[string]func(io.Writer) (io.WriteCloser, error){
		"gz":  func(w io.Writer) (io.WriteCloser, error) { return gzip.NewWriter(w), nil },
		"xz":  func(w io.Writer) (io.WriteCloser, error) { return xz.NewWriter(w) },
		"zst": func(w io.Writer) (io.WriteCloser, error) { return zstd.NewWriter(w) },
	} {
		var b bytes.Buffer
		w, err := open(&b)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(w, text); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		list[name] = b.Bytes()
	}
	return list
}

func write(t testing.TB, data []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// Each format is recognized by its content, read to its end, and counted as it is on disk.
// One that is cut off gives an error behind what could be read, and one that is closed
// early leaves nothing behind.
func TestFormats(t *testing.T) {
	for name, data := range packed(t, lines) {
		t.Run(name, func(t *testing.T) {
			read := 0
			f, err := archive.Open(write(t, data), archive.Options{Read: func(n int) { read += n }})
			if err != nil {
				t.Fatal(err)
			}
			text, err := io.ReadAll(f)
			if err != nil || string(text) != lines || read != len(data) || f.Compressed == (name == "plain") || !f.Regular {
				t.Errorf("read %d of %d bytes, %d of %d on disk, %+v, %v", len(text), len(lines), read, len(data), f, err)
			}
			if err := f.Close(); err != nil {
				t.Error(err)
			}
			if f, err = archive.Open(write(t, data), archive.Options{}); err != nil {
				t.Fatal(err)
			}
			if err := f.Close(); err != nil {
				t.Error(err)
			}
			if name == "plain" {
				return
			}
			if f, err = archive.Open(write(t, data[:len(data)/2]), archive.Options{}); err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			if text, err = io.ReadAll(f); err == nil || !strings.HasPrefix(lines, string(text)) {
				t.Errorf("of half a file: %d bytes, %v", len(text), err)
			}
		})
	}
}

// The end of a large file begins with a whole line.
func TestTail(t *testing.T) {
	f, err := archive.Open(write(t, []byte(lines)), archive.Options{Tail: 1000})
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if text, err := io.ReadAll(f); err != nil || len(text) == 0 || len(text) > 1000 || !strings.HasPrefix(string(text), "[2026") {
		t.Errorf("%q, %v", text, err)
	}
}

func TestExpand(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{"messages": "x", "messages.1.gz": "x", "astdb.sqlite3": "x", "empty": "", "core.db.gz": "x", "full-20261101": "x"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(filepath.Join(dir, "cdr-csv"), 0o700); err != nil {
		t.Fatal(err)
	}
	files, skipped, err := archive.Expand([]string{dir, filepath.Join(dir, "messages")})
	var names []string
	for _, f := range files {
		names = append(names, filepath.Base(f))
	}
	if got := strings.Join(names, " "); err != nil || got != "full-20261101 messages messages.1.gz messages" || len(skipped) != 4 {
		t.Errorf("%s, skipped %v, %v", got, skipped, err)
	}
	if _, _, err := archive.Expand([]string{filepath.Join(dir, "cdr-csv")}); err == nil || !strings.Contains(err.Error(), "no file in this folder") {
		t.Errorf("an empty folder: %v", err)
	}
	if _, _, err := archive.Expand([]string{"/nowhere"}); err == nil {
		t.Error("a missing file gave no error")
	}
}
