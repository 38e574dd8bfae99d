package fail2ban

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

var errNotUTF8 = errors.New("it is not UTF-8")

// configuration is what fail2ban knows after it has read its files in order
// (client/configparserinc.py): a later one overrides single options, and what it overrides
// stays as known/….
type configuration struct {
	defaults section
	sections map[string]section
	known    map[string]section // what was overridden
	order    []string
	unread   []string // files that cannot be read, and why
	files    int
}

// readFolder reads jail.conf, jail.d/*.conf, jail.local and jail.d/*.local of a folder.
func readFolder(dir string) (*configuration, error) {
	list := []string{filepath.Join(dir, "jail.conf")}
	for _, pattern := range []string{"jail.d/*.conf", "jail.local", "jail.d/*.local"} {
		found, err := filepath.Glob(filepath.Join(dir, pattern))
		if err != nil {
			return nil, err
		}
		slices.Sort(found)
		for _, path := range found {
			if !strings.HasPrefix(filepath.Base(path), ".") { // Python's glob leaves these out
				list = append(list, path)
			}
		}
	}
	list = slices.DeleteFunc(list, func(path string) bool {
		_, err := os.Stat(path)
		return err != nil
	})
	return readFiles(dir, list)
}

// readFiles reads files and what they include.
func readFiles(dir string, list []string) (*configuration, error) {
	c := &configuration{defaults: section{}, sections: map[string]section{}, known: map[string]section{}}
	files := map[string]*file{}
	paths, err := c.included(list, nil, files)
	if err != nil {
		return nil, err
	}
	for _, path := range paths {
		if f := files[path]; f != nil {
			c.merge(f)
			c.files++
		}
	}
	c.defaults["fail2ban_confpath"], c.defaults["fail2ban_version"] = dir, ""
	return c, nil
}

// maxIncluded bounds how many files are read: includes can go in circles.
const maxIncluded = 1000

// included lists files with those that they include before and after them, each followed
// by its .local.
func (c *configuration) included(list, seen []string, files map[string]*file) (paths []string, err error) {
	for _, path := range withLocal(list) {
		f, err := c.parsed(path, files)
		if err != nil {
			return nil, err
		}
		if f == nil {
			continue
		}
		if len(files) > maxIncluded || len(seen) > maxIncluded {
			return nil, fmt.Errorf("%s: more than %d files are included", path, maxIncluded)
		}
		before, after, err := f.includes()
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		for _, include := range []struct {
			list []string
			own  bool
		}{{before, true}, {after, false}} {
			for _, name := range include.list {
				if !filepath.IsAbs(name) {
					name = filepath.Join(filepath.Dir(path), name)
				}
				if slices.Contains(seen, name) {
					continue
				}
				more, err := c.included([]string{name}, append(slices.Clone(seen), path), files)
				if err != nil {
					return nil, err
				}
				paths = append(paths, more...)
			}
			if include.own {
				paths = append(paths, path)
			}
		}
	}
	return paths, nil
}

// withLocal adds the .local of each file behind it.
func withLocal(list []string) (all []string) {
	for _, path := range list {
		all = append(all, path)
		local := strings.TrimSuffix(path, filepath.Ext(path)) + ".local"
		if info, err := os.Stat(local); err == nil && info.Mode().IsRegular() && !slices.Contains(list, local) {
			all = append(all, local)
		}
	}
	return all
}

// parsed reads a file once; nil if fail2ban does without it.
func (c *configuration) parsed(path string, files map[string]*file) (*file, error) {
	if f, known := files[path]; known {
		return f, nil
	}
	files[path] = nil
	text, err := os.ReadFile(path)
	if err != nil {
		c.unread = append(c.unread, err.Error())
		return nil, nil
	}
	f, err := parseFile(string(text))
	if errors.Is(err, errNotUTF8) {
		c.unread = append(c.unread, path+": "+err.Error())
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("%s: fail2ban cannot read it, either: %w", path, err)
	}
	files[path] = f
	return f, nil
}

// includes lists the files that a file's section INCLUDES names.
func (f *file) includes() (before, after []string, err error) {
	const name = "INCLUDES"
	if f.sections[name] == nil {
		return nil, nil, nil
	}
	own := &configuration{defaults: f.defaults, sections: f.sections}
	for option, list := range map[string]*[]string{"before": &before, "after": &after} {
		value, ok, err := own.get(name, option)
		if err != nil {
			return nil, nil, err
		}
		if ok {
			*list = strings.Split(value, "\n")
		}
	}
	return before, after, nil
}

// conditional is a section such as [Init?family=inet6].
var conditional = regexp.MustCompile(`^(\w+)(\?.+)$`)

// merge adds a file to what was read before.
func (c *configuration) merge(f *file) {
	for option, value := range f.defaults {
		c.defaults[option] = value
	}
	for _, name := range f.order {
		own := f.sections[name]
		if parts := conditional.FindStringSubmatch(name); parts != nil {
			renamed := section{}
			for option, value := range own {
				renamed[option+parts[2]] = value
			}
			name, own = parts[1], renamed
		}
		into := c.sections[name]
		if into == nil {
			into = section{}
			c.sections[name] = into
			c.order = append(c.order, name)
		} else if c.known[name] == nil {
			c.known[name] = section{}
		}
		for option, value := range own {
			if old, overridden := into[option]; overridden && c.known[name] != nil {
				c.known[name][option] = old
			}
			into[option] = value
		}
	}
}
