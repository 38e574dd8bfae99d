package pbx

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// swap is one variable of a section that gets a new value. It holds secrets.
type swap struct {
	// old is the value in force, "" when there is none; a value of "" takes the
	// line away, for a direct edit.
	name, old, value string
}

// edit is a change of one section of a root config file.
type edit struct {
	root    string // pjsip.conf, sip.conf …
	section string
	kind    string // the section's type where names repeat, or ""
	index   int    // the section's place in before
	before  config // what Asterisk read before
	swaps   []swap
	direct  bool // this process writes, never Asterisk
}

// change is an edit that has been written.
type change struct {
	was  []*confFile // the files as they were
	is   [][]byte    // the same files as this change left them
	note string      // which file and copy, for the detail
	// settled, if set, is called once Asterisk has read the change.
	settled func()
}

// ErrUncertain reports a failed change after which it is not known whether the
// old or the new value is in force. A new secret stays in the vault.
var ErrUncertain = errors.New("it is not certain whether the old or the new value is in force")

// ErrLeftChanged reports a failed change that could not be taken back: the
// config files need a person. It is also an ErrUncertain.
var ErrLeftChanged = fmt.Errorf("could not restore the old config files: %w", ErrUncertain)

// undo puts the files back as they were, each in one step, but not over what
// another program wrote since. The modules must be reloaded after it when they
// have read the change.
func (c *change) undo() error {
	var errs []error
	for i, f := range c.was {
		now, err := os.ReadFile(f.path)
		switch {
		case err == nil && bytes.Equal(now, f.text):
			continue
		case err == nil && !bytes.Equal(now, c.is[i]):
			err = errors.New("another program has changed it since")
		default:
			err = replace(f.path, f.text)
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("%w: %s: %w; the old version is beside it as %s.tollwarden-*", ErrLeftChanged, f.path, err, filepath.Base(f.path)))
		}
	}
	return join(errs...)
}
