package pbx

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/tollwarden/tollwarden/ami/pbx/conffile"
)

// confFile is one config file as it was before a change.
type confFile struct {
	ref   string // as Asterisk names it in GetConfig and UpdateConfig
	path  string // as this process sees it, links resolved
	text  []byte
	lines []conffile.Line
	plain bool // it and all below it use nothing but #include of single files
	owned bool // this program made it: no copy is kept
}

// tree is a root config file with everything it includes, in reading order.
type tree struct {
	files    []*confFile
	patterns []string             // what includes ask for, as paths of this process
	copies   map[*confFile]string // names of the copies made
}

// folder is Asterisk's config folder as this process sees it.
type folder string

// readTree reads a root file and its includes from the config folder.
func (f folder) readTree(root string) (*tree, error) {
	t := &tree{}
	if _, err := t.add(f, root, 0); err != nil {
		return nil, fmt.Errorf("read Asterisk's config folder %s: %w (is it the folder of this Asterisk? a rotation hook needs no folder)", f, err)
	}
	return t, nil
}

// local turns Asterisk's name of a config file into a path of this process. An
// Asterisk in a container has its folder where every Asterisk has it.
func (f folder) local(ref string) string {
	for _, dir := range []string{string(f), usualConfigDir} {
		if rel, ok := strings.CutPrefix(ref, strings.TrimRight(dir, "/")+"/"); ok {
			return filepath.Join(string(f), rel)
		}
	}
	if filepath.IsAbs(ref) {
		return filepath.Clean(ref)
	}
	return filepath.Join(string(f), ref)
}

// remote turns a path of this process into Asterisk's name of it.
func (f folder) remote(path string) string {
	if rel, ok := strings.CutPrefix(path, strings.TrimRight(string(f), "/")+"/"); ok {
		return rel
	}
	return path
}

// maxDepth is the depth of includes at which Asterisk itself gives up
// (MAX_INCLUDE_LEVEL in main/config.c).
const maxDepth = 10

// maxConf is a size no config file of an office has; it bounds memory.
const maxConf = 64 << 20

func (t *tree) add(in folder, ref string, depth int) (*confFile, error) {
	path, err := filepath.EvalSymlinks(in.local(ref))
	if err != nil {
		return nil, err
	}
	if st, err := os.Stat(path); err != nil {
		return nil, err
	} else if !st.Mode().IsRegular() || st.Size() > maxConf {
		return nil, fmt.Errorf("%s: not a config file", path)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	f := &confFile{ref: ref, path: path, text: text, lines: conffile.Parse(text), plain: true}
	if slices.ContainsFunc(t.files, func(g *confFile) bool { return g.path == path }) {
		f.plain = false // included twice: UpdateConfig would write it elsewhere
		return f, nil
	}
	t.files = append(t.files, f)
	for _, l := range f.lines {
		if l.Kind != conffile.Include {
			continue
		}
		if l.Name == "exec" {
			f.plain = false
			continue
		}
		if depth == maxDepth {
			return nil, fmt.Errorf("%s: includes deeper than %d", path, maxDepth)
		}
		pattern := in.local(l.Value)
		t.patterns = append(t.patterns, pattern)
		if l.Name != "include" || strings.ContainsAny(l.Value, "*?[{") {
			f.plain = false
		}
		below, err := t.includes(in, l, pattern, depth)
		if err != nil {
			return nil, err
		}
		f.plain = f.plain && below
	}
	return f, nil
}

// includes adds the files one include line asks for and reports whether all of
// them are plain.
func (t *tree) includes(in folder, l conffile.Line, pattern string, depth int) (bool, error) {
	paths, err := filepath.Glob(pattern)
	if err != nil {
		return false, fmt.Errorf("#%s %s: %w", l.Name, l.Value, err)
	}
	plain := true
	for _, p := range paths {
		ref := l.Value
		if p != pattern {
			ref = in.remote(p)
		}
		f, err := t.add(in, ref, depth+1)
		if err != nil {
			return false, err
		}
		plain = plain && f.plain
	}
	return plain, nil
}

// place is the stretch of a file that makes a section.
type place struct {
	file    *confFile
	section conffile.Section
}

// locate finds in the files a section that Asterisk showed. Sections of the same
// name are distinguished by type, or by templates where the type is inherited.
func (t *tree) locate(c category, kind string) (place, error) {
	var found []place
	for _, f := range t.files {
		for _, s := range conffile.Sections(f.lines, c.name) {
			if s.Header.Adds() || s.Header.Template() {
				continue
			}
			if kind != "" {
				types := s.Values(f.lines, "type")
				if len(types) > 0 && !strings.EqualFold(types[len(types)-1], kind) {
					continue
				}
				if len(types) == 0 && strings.Join(s.Header.Templates(), ",") != c.templates {
					continue
				}
			}
			found = append(found, place{f, s})
		}
	}
	switch len(found) {
	case 1:
		return found[0], nil
	case 0:
		return place{}, fmt.Errorf("section [%s] is in none of the files that Asterisk includes: #exec makes it, or it is in another folder; use a rotation hook", c.name)
	}
	return place{}, fmt.Errorf("section [%s] is in the files %d times, indistinguishable: give the %s section a name of its own", c.name, len(found), kind)
}

// holds makes sure that the folder is the one Asterisk reads: the values in
// force are somewhere in its files.
func (t *tree) holds(swaps []swap) error {
	for _, s := range swaps {
		if s.old == "" {
			continue
		}
		if !slices.ContainsFunc(t.files, func(f *confFile) bool {
			return slices.ContainsFunc(f.lines, func(l conffile.Line) bool {
				return l.Kind == conffile.Variable && l.Value == s.old && strings.EqualFold(l.Name, s.name)
			})
		}) {
			return fmt.Errorf("the %s in force is in none of the files here: is config_dir the folder of this Asterisk?", s.name)
		}
	}
	return nil
}
