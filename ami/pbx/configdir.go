package pbx

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"github.com/tollwarden/tollwarden/ami/pbx/conffile"
)

// secretVariables are what differs between the folders of two PBXs that are alike.
var secretVariables = []string{"password", "secret", "md5_cred", "md5secret"}

// ErrWrongFolder reports a config folder in which this Asterisk does not read its files.
var ErrWrongFolder = errors.New("config_dir is not the folder of this Asterisk")

// WrongFolder compares the config folder with what Asterisk reads, and is an
// ErrWrongFolder if the files there do not say that.
func (a *audit) WrongFolder(ctx context.Context) error {
	for _, root := range []string{"pjsip.conf", "sip.conf", iaxFile} {
		conf, err := a.asterisk.getConfig(ctx, root)
		if err != nil {
			return err
		}
		if len(conf) == 0 {
			continue
		}
		if err := agrees(folder(a.o.ConfigDir), root, conf); err != nil {
			return fmt.Errorf("%w: %s: %w; set asterisk.config_dir", ErrWrongFolder, a.o.ConfigDir, err)
		}
	}
	return nil
}

// agrees compares what Asterisk has of a root file with the files in a folder.
func agrees(in folder, root string, conf config) error {
	t, err := in.readTree(root)
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("it has no %s, which Asterisk reads", root)
	}
	if err != nil {
		return nil // another check says that it cannot be read
	}
	if slices.ContainsFunc(t.files, func(f *confFile) bool {
		return slices.ContainsFunc(f.lines, func(l conffile.Line) bool { return l.Kind == conffile.Include && l.Name == "exec" })
	}) {
		return nil // what a program prints is in no file
	}
	for _, c := range conf {
		if !slices.ContainsFunc(t.files, func(f *confFile) bool { return len(conffile.Sections(f.lines, c.name)) > 0 }) {
			return fmt.Errorf("[%s], which Asterisk reads from %s, is in no file there", c.name, root)
		}
		for _, v := range c.vars {
			if !slices.Contains(secretVariables, strings.ToLower(v.Name)) {
				continue
			}
			if err := t.holds([]swap{{name: v.Name, old: v.Value}}); err != nil {
				return fmt.Errorf("the %s of [%s] that Asterisk reads is in no file there", v.Name, c.name)
			}
		}
	}
	return nil
}
