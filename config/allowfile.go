package config

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
)

// allowHeading is the top of a new allow file.
const allowHeading = `# IP addresses that Tollwarden never bans, in addition to firewall.allow in its
# configuration. One address or prefix per line; # begins a comment.
# ` + "`tollwarden allow add ADDR` and `tollwarden allow remove ADDR`" + ` change this file and keep
# your comments. After editing it, run ` + "`tollwarden reload`" + `.
`

// AllowFile is the list of addresses allowed while the daemon runs. It holds the
// file's lines, so that comments survive a change.
type AllowFile struct {
	path  string
	lines []allowLine
}

type allowLine struct {
	text   string       // as written
	prefix netip.Prefix // the zero Prefix for a line without one
}

// AllowEntry is one prefix of the file and its comment.
type AllowEntry struct {
	Prefix  netip.Prefix
	Comment string
}

// maxAllowFile bounds the file, in bytes.
const maxAllowFile = 4 << 20

// LoadAllowFile reads the file at path; a missing file is empty. The error joins
// every Problem found, each with its line.
func LoadAllowFile(path string) (*AllowFile, error) {
	f := &AllowFile{path: path}
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return f, nil
	}
	if err == nil && info.Size() > maxAllowFile {
		return nil, Problem{File: path, Text: fmt.Sprintf("larger than %d bytes, the limit of an allow file", maxAllowFile)}
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("allow file: %w", err)
	}
	var problems []error
	scanner := bufio.NewScanner(bytes.NewReader(data))
	scanner.Buffer(nil, maxAllowFile+1)
	for scanner.Scan() {
		line := allowLine{text: scanner.Text()}
		if word, _ := cutComment(line.text); word != "" {
			if line.prefix, err = ParsePrefix(word); err != nil {
				problems = append(problems, Problem{File: path, Line: len(f.lines) + 1, Text: err.Error()})
			}
		}
		f.lines = append(f.lines, line)
	}
	if err := errors.Join(append(problems, scanner.Err())...); err != nil {
		return nil, err
	}
	return f, nil
}

func cutComment(line string) (word, comment string) {
	word, comment, _ = strings.Cut(line, "#")
	return strings.TrimSpace(word), strings.TrimSpace(comment)
}

// Path is the path of the file.
func (f *AllowFile) Path() string { return f.path }

// Entries are the prefixes of the file, in its order.
func (f *AllowFile) Entries() []AllowEntry {
	var list []AllowEntry
	for _, l := range f.lines {
		if l.prefix.IsValid() {
			_, comment := cutComment(l.text)
			list = append(list, AllowEntry{l.prefix, comment})
		}
	}
	return list
}

// Has reports whether the file has exactly this prefix.
func (f *AllowFile) Has(prefix netip.Prefix) bool {
	return slices.ContainsFunc(f.lines, func(l allowLine) bool { return l.prefix == prefix })
}

// With returns a copy of the file with one more prefix at its end.
func (f *AllowFile) With(prefix netip.Prefix, comment string) *AllowFile {
	word := prefix.String()
	if prefix.IsSingleIP() {
		word = prefix.Addr().String()
	}
	if comment = strings.Join(strings.Fields(comment), " "); comment != "" {
		word = fmt.Sprintf("%-24s# %s", word, comment)
	}
	lines := slices.Clone(f.lines)
	if len(lines) == 0 {
		for text := range strings.Lines(allowHeading) {
			lines = append(lines, allowLine{text: strings.TrimSuffix(text, "\n")})
		}
	}
	return &AllowFile{f.path, append(lines, allowLine{word, prefix})}
}

// Without returns a copy of the file without a prefix and its comment.
func (f *AllowFile) Without(prefix netip.Prefix) *AllowFile {
	return &AllowFile{f.path, slices.DeleteFunc(slices.Clone(f.lines), func(l allowLine) bool { return l.prefix == prefix })}
}

// Write replaces the file atomically.
func (f *AllowFile) Write() error {
	var text strings.Builder
	for _, l := range f.lines {
		text.WriteString(l.text + "\n")
	}
	if err := replaceFile(f.path, text.String()); err != nil {
		return fmt.Errorf("write allow file: %w", err)
	}
	return nil
}

func replaceFile(path, text string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	temp, err := os.CreateTemp(filepath.Dir(path), ".allow-*") // mode 0600
	if err != nil {
		return err
	}
	_, err = temp.WriteString(text)
	err = errors.Join(err, keepOwner(temp, path), temp.Sync(), temp.Close())
	if err == nil {
		err = os.Rename(temp.Name(), path)
	}
	if err != nil {
		_ = os.Remove(temp.Name())
		return err
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}

// keepOwner gives a new file the owner of the file it replaces, or of its folder:
// root writes it, and the daemon, which may not be root, must read it.
func keepOwner(f *os.File, path string) error {
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		info, err = os.Stat(filepath.Dir(path))
	}
	if err != nil {
		return err
	}
	owner := info.Sys().(*syscall.Stat_t)
	if os.Geteuid() != 0 || owner.Uid == 0 { // only root can change the owner
		return nil
	}
	return f.Chown(int(owner.Uid), int(owner.Gid))
}
