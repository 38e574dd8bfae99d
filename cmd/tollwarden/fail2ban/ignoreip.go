package fail2ban

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"

	"github.com/tollwarden/tollwarden/config"
)

// readIgnored takes the ignoreip of the files: of [DEFAULT], and of the jails that
// are imported or, if all are, of those named after Asterisk. Another jail's
// exceptions have no meaning for a PBX.
func (im *Import) readIgnored(s Source) error {
	files, jails := s.IgnoreIP, s.Jails
	asked := files != nil
	if !asked {
		files = []string{DefaultJails}
	}
	for _, path := range files {
		file, err := os.Open(path)
		if !asked && errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return fmt.Errorf("ignoreip: %w", err)
		}
		words, err := ignoredIn(file, func(section string) bool {
			return section == "DEFAULT" || slices.Contains(jails, section) || len(jails) == 0 && strings.Contains(section, "asterisk")
		})
		if err = errors.Join(err, file.Close()); err != nil {
			return fmt.Errorf("ignoreip: %s: %w", path, err)
		}
		for _, word := range words {
			item, err := config.ParseAllow(word)
			item.Force = s.Force && item.Refused() != ""
			switch {
			case err != nil:
				im.skip(word, "in ignoreip, but neither an address nor a host name")
			case item.Refused() != "":
				im.skip(word, item.Refused()+": --force imports it all the same")
			case !slices.ContainsFunc(im.Allowed, item.Same):
				im.Allowed = append(im.Allowed, item)
			}
		}
	}
	return nil
}

// ignoredIn reads the words of ignoreip in a file like jail.local: sections, keys,
// and values that continue in lines that begin with a space.
func ignoredIn(r io.Reader, wanted func(section string) bool) ([]string, error) {
	var words []string
	section, within := "", false
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		line := lines.Text()
		trimmed := strings.TrimSpace(line)
		if trimmed == "" || trimmed[0] == '#' || trimmed[0] == ';' {
			continue
		}
		value := trimmed
		if line[0] != ' ' && line[0] != '\t' {
			if trimmed[0] == '[' {
				section, within = strings.Trim(trimmed, "[]"), false
				continue
			}
			key, after, _ := strings.Cut(trimmed, "=")
			within, value = strings.TrimSpace(key) == "ignoreip", after
		}
		if !within || !wanted(section) {
			continue
		}
		value, _, _ = strings.Cut(value, " #")
		value, _, _ = strings.Cut(value, " ;")
		words = append(words, strings.FieldsFunc(value, func(r rune) bool { return r == ' ' || r == '\t' || r == ',' })...)
	}
	return words, lines.Err()
}
