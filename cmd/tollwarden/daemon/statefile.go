package daemon

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"reflect"
)

// stateFile keeps one value of a run for the next, as JSON.
type stateFile[T any] struct {
	path string
	kept T // what the file holds
}

// openStateFile reads what the previous run left: the zero value at the first start, or if
// the file cannot be read, which err says.
func openStateFile[T any](path string) (f stateFile[T], err error) {
	f.path = path
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return f, nil
	}
	if err == nil {
		err = json.Unmarshal(text, &f.kept)
	}
	if err != nil {
		f.kept = *new(T)
	}
	return f, err
}

// write replaces what the file holds, if it differs.
func (f *stateFile[T]) write(v T) error {
	if reflect.DeepEqual(v, f.kept) {
		return nil
	}
	text, err := json.Marshal(v)
	if err != nil {
		return err
	}
	next := f.path + ".new"
	if err := os.WriteFile(next, append(text, '\n'), 0o600); err != nil {
		return err
	}
	if err := os.Rename(next, f.path); err != nil {
		return err
	}
	f.kept = v
	return nil
}
