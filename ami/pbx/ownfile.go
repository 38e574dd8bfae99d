package pbx

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/tollwarden/tollwarden/ami/pbx/conffile"
)

// ownFile is the file with everything that this program adds to one section of a
// generated file. Each section has its own, with an include line of its own: once the
// section is deleted, Asterisk stops reading that file at its "(+)", and no other. An
// include of a pattern would not isolate them.
type ownFile struct{ confFile }

// ownPrefix begins the names of such files.
const ownPrefix = "tollwarden-"

// ownKinds are what such files are called by the type of their section.
var ownKinds = map[string]string{"endpoint": "endpoint", "auth": "auth", "": "peer"}

// ownFile names the file of a section.
func (f folder) ownFile(section, kind string) *ownFile {
	name := ownPrefix + cmp.Or(ownKinds[kind], url.PathEscape(kind)) + "-" + url.PathEscape(section) + ".conf"
	path := filepath.Join(string(f), name)
	if real, err := filepath.EvalSymlinks(string(f)); err == nil {
		path = filepath.Join(real, name)
	}
	return &ownFile{confFile{ref: name, path: path, owned: true}}
}

// read takes what the file holds. One that is missing is created empty, with the mode and
// owner of the model: that of the generated file, since it may get a password as well.
func (o *ownFile) read(model *confFile) (err error) {
	o.text, err = os.ReadFile(o.path)
	if errors.Is(err, fs.ErrNotExist) {
		if err = writeLike(model.path, o.path, nil); err == nil {
			o.text, err = []byte{}, nil
		}
	}
	if err != nil {
		return fmt.Errorf("file for [%s]: %w", o.ref, err)
	}
	return nil
}

// additions are what the file holds of ours, and nothing else. UpdateConfig drops the header
// of a section that adds to another one: what is left would belong to any other section.
func (o *ownFile) additions() (text []byte) {
	list, _ := additions(o.text)
	for _, a := range list {
		text = append(text, a.text...)
	}
	return text
}

// exclude takes the lines that include a file out of all files. Only then may that be
// removed: Asterisk does not load a configuration with an #include of nothing.
func (t *tree) exclude(own *ownFile) error {
	for _, f := range t.files {
		text := own.excluded(f.text)
		if bytes.Equal(text, f.text) {
			continue
		}
		if err := replace(f.path, text); err != nil {
			return err
		}
		f.text = text
	}
	return nil
}

// pattern says whether an include of a pattern reads the file, besides its own line.
func (o *ownFile) pattern(t *tree) bool {
	return slices.ContainsFunc(t.patterns, func(p string) bool {
		matches, _ := filepath.Match(p, o.path)
		return matches && strings.ContainsAny(p, "*?[")
	})
}

// included is the text with one line that includes the file: #tryinclude, since a missing
// file of an #include keeps Asterisk from loading the whole configuration. UpdateConfig
// turns the one into the other.
func (o *ownFile) included(text []byte) []byte {
	others := o.excluded(text)
	if len(text) == len(others)+len(o.line()) && bytes.Contains(text, o.line()) {
		return text
	}
	return slices.Concat(others, o.line())
}

func (o *ownFile) line() []byte { return []byte("\n#tryinclude " + o.ref + "\n") }

// excluded is the text without the lines that include the file.
func (o *ownFile) excluded(text []byte) []byte {
	text = bytes.Replace(text, o.line(), nil, 1) // as this program added it
	return conffile.DropIncludes(text, func(_, file string) bool { return file == o.ref })
}
