package check

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/tollwarden/tollwarden/ami/pbx/conffile"
	"github.com/tollwarden/tollwarden/config"
)

// plainWord needs no quotes in a shell.
var plainWord = regexp.MustCompile(`^[A-Za-z0-9_./:=,@%+-]+$`)

// quote makes a text one word of a shell.
func quote(s string) string {
	if plainWord.MatchString(s) {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

// inPattern makes a text match itself in sed.
func inPattern(s string) string {
	return regexp.MustCompile(`[][.*^$\\/]`).ReplaceAllString(s, `\$0`)
}

// reload has Asterisk read a file again.
func reload(what string) string { return fmt.Sprintf("asterisk -rx '%s reload'", what) }

// setVariable is a command that gives a section of a file of Asterisk's this value of a
// variable, whether it has one or not.
func setVariable(path, section, name, value string) string {
	header := `^\[` + inPattern(section) + `\]`
	return fmt.Sprintf("sed -i -e %s -e %s %s",
		quote("/"+header+`/,/^\[/{/^[[:space:]]*`+inPattern(name)+`[[:space:]]*=/d}`),
		quote("/"+header+"/a "+name+" = "+value), quote(path))
}

// dropVariable is a command that takes a variable out of a section.
func dropVariable(path, section, name string) string {
	return fmt.Sprintf("sed -i %s %s", quote(`/^\[`+inPattern(section)+`\]/,/^\[/{/^[[:space:]]*`+inPattern(name)+`[[:space:]]*=/d}`), quote(path))
}

// sectionFile is the file of Asterisk's folder that has a section.
func sectionFile(folder, root, section string) string {
	return fileWith(folder, root, func(lines []conffile.Line) bool { return len(conffile.Sections(lines, section)) > 0 })
}

// fileWith is the file of Asterisk's folder whose lines has accepts: a root file, or one that
// it includes. If there is none, it is the root file.
func fileWith(folder, root string, has func(lines []conffile.Line) bool) string {
	path := filepath.Join(folder, root)
	conf, err := conffile.Load(folder, root)
	if err != nil {
		return path
	}
	files := []string{path}
	for _, pattern := range conf.Includes {
		if !filepath.IsAbs(pattern) {
			pattern = filepath.Join(folder, pattern)
		}
		found, _ := filepath.Glob(pattern)
		files = append(files, found...)
	}
	for _, file := range files {
		if text, err := os.ReadFile(file); err == nil && has(conffile.Parse(text)) {
			return file
		}
	}
	return path
}

// managerFix is a command that sets a variable of our user in manager.conf.
func managerFix(cfg *config.Config, name, value string) string {
	path := sectionFile(cfg.Asterisk.ConfigDir, managerConf, cfg.Asterisk.Username)
	return setVariable(path, cfg.Asterisk.Username, name, value) + " && " + reload("manager")
}

// managerConf is the file that defines the manager interface and its users.
const managerConf = "manager.conf"

// withClasses adds classes to those that our user has in manager.conf.
func withClasses(cfg *config.Config, name string, more ...string) string {
	var list []string
	if conf, err := conffile.Load(cfg.Asterisk.ConfigDir, managerConf); err == nil {
		for class := range strings.SplitSeq(conf.Value(cfg.Asterisk.Username, name), ",") {
			if class = strings.TrimSpace(class); class != "" {
				list = append(list, class)
			}
		}
	}
	for _, class := range more {
		if !slices.Contains(list, class) {
			list = append(list, class)
		}
	}
	return strings.Join(list, ",")
}

// setKey is a command that sets a key in a table of our own configuration, whether it is
// there or not. The table must be there.
func setKey(file, table, key, value string) string {
	return setVariable(file, table, key, value)
}

// renameKey is a command that writes the new name of an old key on its line.
func renameKey(w config.Warning) string {
	last := func(key string) string { return strings.Trim(key[strings.LastIndexByte(key, '.')+1:], `"`) }
	old := w.Old
	if _, quoted, found := strings.Cut(w.Old, `"`); found {
		old = strings.Trim(quoted, `"`)
	}
	return fmt.Sprintf("sed -i %s %s", quote(strconv.Itoa(w.Line)+"s/"+inPattern(last(old))+"/"+last(w.New)+"/"), quote(w.File))
}
