package daemon

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"

	"github.com/rs/zerolog"

	"github.com/tollwarden/tollwarden/responder/binds"
)

// portsFile keeps what was learned of Asterisk's ports, so that a restart closes no
// fewer, even while Asterisk is down.
type portsFile struct {
	path string
	kept binds.Memory // what the file holds
}

// openPortsFile reads what the previous run left: nothing at the first start, or if
// the file cannot be read, which prevents no start.
func openPortsFile(data string, log zerolog.Logger) *portsFile {
	f := &portsFile{path: filepath.Join(data, "ports.json")}
	text, err := os.ReadFile(f.path)
	if err == nil {
		err = json.Unmarshal(text, &f.kept)
	}
	if err != nil {
		f.kept = binds.Memory{}
		if !errors.Is(err, fs.ErrNotExist) {
			log.Error().Err(err).Msg("could not read which ports Asterisk had: continuing without")
		}
	}
	return f
}

// write replaces what the file holds, if it differs. What cannot be written is tried
// again with the next answer.
func (f *portsFile) write(m binds.Memory) error {
	if reflect.DeepEqual(m, f.kept) {
		return nil
	}
	text, err := json.Marshal(m)
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
	f.kept = m
	return nil
}
