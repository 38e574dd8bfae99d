package config

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"time"
)

// allowHeading is the top of a new allow file.
const allowHeading = `# IP addresses that Tollwarden never bans, in addition to firewall.allow in its
# configuration. One address, prefix or host name per line; # begins a comment.
# "until 2026-12-31" behind it ends it. "force" allows a prefix that covers more of
# the internet than a /16 (IPv6: /32).
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
	text string     // as written
	item *AllowItem // nil for a line without one
}

// AllowEntry is one entry of the file.
type AllowEntry struct {
	AllowItem
	Author  string // who added it; "" when the comment does not say
	Comment string // without the author
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
			item, err := ParseAllow(word)
			if err != nil {
				problems = append(problems, Problem{File: path, Line: len(f.lines) + 1, Text: err.Error()})
			}
			line.item = &item
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

// Entries are the entries of the file, in its order.
func (f *AllowFile) Entries() []AllowEntry {
	var list []AllowEntry
	for _, l := range f.lines {
		if l.item != nil {
			_, comment := cutComment(l.text)
			author, comment := cutAuthor(comment)
			list = append(list, AllowEntry{*l.item, author, comment})
		}
	}
	return list
}

// Items are the entries without their comments.
func (f *AllowFile) Items() []AllowItem {
	var list []AllowItem
	for _, l := range f.lines {
		if l.item != nil {
			list = append(list, *l.item)
		}
	}
	return list
}

// signed is a comment that With wrote: the day, the author, and the rest.
var signed = regexp.MustCompile(`^\d{4}-\d\d-\d\d, ([^:]+): (.*)$`)

func cutAuthor(comment string) (author, rest string) {
	if m := signed.FindStringSubmatch(comment); m != nil {
		return m[1], m[2]
	}
	return "", comment
}

// Find is the entry about the same addresses; nil if there is none.
func (f *AllowFile) Find(item AllowItem) *AllowItem {
	for _, l := range f.lines {
		if l.item != nil && l.item.Same(item) {
			return l.item
		}
	}
	return nil
}

// With returns a copy of the file with one more entry at its end, in place of one about
// the same addresses.
func (f *AllowFile) With(item AllowItem, now time.Time, author, comment string) *AllowFile {
	comment = fmt.Sprintf("%s, %s: %s", now.Format(time.DateOnly), strings.ReplaceAll(author, ":", " "), comment)
	text := fmt.Sprintf("%-23s # %s", item, strings.Join(strings.Fields(comment), " "))
	lines := f.Without(item).lines
	if len(lines) == 0 {
		for line := range strings.Lines(allowHeading) {
			lines = append(lines, allowLine{text: strings.TrimSuffix(line, "\n")})
		}
	}
	return &AllowFile{f.path, append(lines, allowLine{text, &item})}
}

// Without returns a copy of the file without the entry about these addresses and its
// comment.
func (f *AllowFile) Without(item AllowItem) *AllowFile {
	return &AllowFile{f.path, slices.DeleteFunc(slices.Clone(f.lines), func(l allowLine) bool { return l.item != nil && l.item.Same(item) })}
}

// Write replaces the file atomically.
func (f *AllowFile) Write() error {
	var text strings.Builder
	for _, l := range f.lines {
		text.WriteString(l.text + "\n")
	}
	if err := ReplaceFile(f.path, text.String()); err != nil {
		return fmt.Errorf("write allow file: %w", err)
	}
	return nil
}

// ReplaceFile replaces a file of the data folder atomically, with mode 0600. The daemon's
// user can read it, whoever writes it.
func ReplaceFile(path, text string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	temp, err := os.CreateTemp(filepath.Dir(path), ".new-*") // mode 0600
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
