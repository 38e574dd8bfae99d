package archive

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Skipped is a file of a folder that is not read, and why.
type Skipped struct {
	Path, Why string
}

// Expand replaces each folder by the regular files in it, in the order of their names, but
// not those in folders below. What is certainly neither a log nor call records is skipped.
func Expand(paths []string) (files []string, skipped []Skipped, err error) {
	for _, path := range paths {
		info, err := os.Stat(path)
		if err != nil {
			return nil, nil, err
		}
		if !info.IsDir() {
			files = append(files, path)
			continue
		}
		entries, err := os.ReadDir(path)
		if err != nil {
			return nil, nil, err
		}
		found := len(files)
		for _, e := range entries {
			name := filepath.Join(path, e.Name())
			switch why := unwanted(name); why {
			case "":
				files = append(files, name)
			default:
				skipped = append(skipped, Skipped{name, why})
			}
		}
		if len(files) == found {
			return nil, nil, fmt.Errorf("%s: no file in this folder can be read as a log or as call records", path)
		}
	}
	return files, skipped, nil
}

// unwanted says why a file of a folder is not read; "" if it is.
func unwanted(path string) string {
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return err.Error()
	case info.IsDir():
		return "a folder"
	case !info.Mode().IsRegular():
		return "no regular file"
	case info.Size() == 0:
		return "empty"
	}
	name := strings.ToLower(filepath.Base(path))
	for slices.Contains([]string{".gz", ".xz", ".zst", ".bz2"}, filepath.Ext(name)) {
		name = strings.TrimSuffix(name, filepath.Ext(name))
	}
	switch ext := filepath.Ext(name); ext {
	case ".db", ".sqlite", ".sqlite3", ".wav", ".gsm", ".pcap", ".pcapng", ".tar", ".tgz", ".zip", ".png", ".core":
		return "a " + ext + " file is neither a log nor call records"
	}
	return ""
}
