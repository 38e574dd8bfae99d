package pbx

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// written changes when a config file in the folder is written, added or removed, one level
// of folders below included.
func (f folder) written() string {
	var newest time.Time
	var files int
	var size int64
	look := func(dir string) (folders []string) {
		entries, _ := os.ReadDir(dir) // what cannot be read does not change
		for _, e := range entries {
			if e.IsDir() {
				folders = append(folders, filepath.Join(dir, e.Name()))
				continue
			}
			info, err := os.Stat(filepath.Join(dir, e.Name()))
			if err != nil || !strings.HasSuffix(e.Name(), ".conf") {
				continue
			}
			files, size = files+1, size+info.Size()
			if info.ModTime().After(newest) {
				newest = info.ModTime()
			}
		}
		return folders
	}
	for _, below := range look(string(f)) {
		look(below)
	}
	return fmt.Sprint(newest.UnixNano(), files, size)
}
