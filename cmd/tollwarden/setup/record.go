package setup

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/tollwarden/tollwarden/ami/pbx/mariadb"
)

// recordName is the file in Tollwarden's folder that says what setup did.
const recordName = "setup.json"

// record is what setup did, so that undo takes back exactly that. Each entry is on disk
// before what it says is done.
type record struct {
	path    string
	Entries []entry `json:"entries"`
}

// entry is one thing that setup did.
type entry struct {
	What string `json:"what"` // for people
	Path string `json:"path,omitempty"`
	// Of a file that was changed: the text from offset At was Old, and is New. Sum is that
	// of the whole file afterwards. Created says that the file was not there.
	At      int    `json:"at,omitempty"`
	Old     string `json:"old,omitempty"`
	New     string `json:"new,omitempty"`
	Sum     string `json:"sum,omitempty"`
	Created bool   `json:"created,omitempty"`
	Section string `json:"section,omitempty"` // that the change added, which is found if all else has changed
	Ours    bool   `json:"ours,omitempty"`    // it is moved away, not deleted
	Reload  string `json:"reload,omitempty"`  // what has to be read again

	Database *mariadb.Options `json:"database,omitempty"` // of the user that was made
	Service  bool             `json:"service,omitempty"`  // the service was enabled
}

// openRecord reads the record in a folder; without one it is empty.
func openRecord(folder string) (*record, error) {
	r := &record{path: filepath.Join(folder, recordName)}
	text, err := os.ReadFile(r.path)
	if errors.Is(err, fs.ErrNotExist) {
		return r, nil
	}
	if err != nil {
		return nil, fmt.Errorf("record of setup: %w", err)
	}
	if err := json.Unmarshal(text, r); err != nil {
		return nil, fmt.Errorf("record of setup %s: %w", r.path, err)
	}
	return r, nil
}

// add notes an entry before it is done.
func (r *record) add(e entry) error {
	r.Entries = append(r.Entries, e)
	return r.save()
}

// database notes the database user, once.
func (r *record) database(o mariadb.Options) error {
	for _, e := range r.Entries {
		if e.Database != nil && *e.Database == o {
			return nil
		}
	}
	return r.add(entry{What: "database user", Database: &o})
}

// service notes that the service was enabled, once.
func (r *record) service() error {
	for _, e := range r.Entries {
		if e.Service {
			return nil
		}
	}
	return r.add(entry{What: "service", Service: true})
}

// save writes the record; one without a path is kept nowhere.
func (r *record) save() error {
	if r.path == "" {
		return nil
	}
	text, err := json.MarshalIndent(r, "", " ")
	if err != nil {
		return err
	}
	temporary := r.path + ".new"
	if err := os.WriteFile(temporary, append(text, '\n'), 0o600); err != nil {
		return fmt.Errorf("record of setup: %w", err)
	}
	if err := os.Rename(temporary, r.path); err != nil {
		return fmt.Errorf("record of setup: %w", err)
	}
	return nil
}

// file changes a file, or makes it with the owner that own gives it, and notes that. e says
// what is done and where.
func (r *record) file(e entry, own func(path string) error, change func(text []byte) ([]byte, error)) error {
	before, err := os.ReadFile(e.Path)
	e.Created = errors.Is(err, fs.ErrNotExist)
	if err != nil && !e.Created {
		return err
	}
	after, err := change(before)
	if err != nil {
		return err
	}
	if !e.Created && bytes.Equal(before, after) {
		return nil
	}
	e.At, e.Old, e.New = hunk(before, after)
	e.Sum = sum(after)
	if err := r.add(e); err != nil {
		return err
	}
	if !e.Created {
		return os.WriteFile(e.Path, after, 0o600) // its mode and owner stay
	}
	if err := os.MkdirAll(filepath.Dir(e.Path), 0o755); err != nil {
		return err
	}
	if err := create(e.Path, string(after)); err != nil {
		return err
	}
	return own(e.Path)
}

// hunk is where two texts differ.
func hunk(before, after []byte) (at int, old, now string) {
	for at < len(before) && at < len(after) && before[at] == after[at] {
		at++
	}
	end := 0
	for end < len(before)-at && end < len(after)-at && before[len(before)-1-end] == after[len(after)-1-end] {
		end++
	}
	return at, string(before[at : len(before)-end]), string(after[at : len(after)-end])
}

func sum(text []byte) string {
	s := sha256.Sum256(text)
	return hex.EncodeToString(s[:])
}
