package main

import (
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// letGoOfPages has the kernel take back the pages of the program's own file: at
// the start it maps most of the 25 MB, of which an idle daemon needs a quarter.
// What is needed again comes from the page cache. Only mappings without a page
// of our own are let go of; the others would lose what was written there.
func letGoOfPages() error {
	exe, err := os.Readlink("/proc/self/exe")
	if err != nil {
		return err
	}
	smaps, err := os.ReadFile("/proc/self/smaps")
	if err != nil {
		return err
	}
	for _, m := range mappingsOf(exe, string(smaps)) {
		if _, _, errno := unix.Syscall(unix.SYS_MADVISE, m.start, m.end-m.start, unix.MADV_DONTNEED); errno != 0 {
			return fmt.Errorf("madvise: %w", errno)
		}
	}
	return nil
}

type mapping struct{ start, end uintptr }

// mappingsOf are the mappings of a file that cannot be written and hold nothing
// but what is in the file (proc(5), /proc/pid/smaps).
func mappingsOf(file, smaps string) (list []mapping) {
	var m mapping
	of := false // m is one of the file's
	for line := range strings.Lines(smaps) {
		line = strings.TrimSuffix(line, "\n")
		var start, end uintptr
		var mode string
		if n, _ := fmt.Sscanf(line, "%x-%x %s", &start, &end, &mode); n == 3 {
			m, of = mapping{start, end}, strings.HasSuffix(line, " "+file) && len(mode) == 4 && mode[1] == '-'
			continue
		}
		if name, size, _ := strings.Cut(line, ":"); of && name == "Anonymous" && strings.TrimSpace(size) == "0 kB" {
			list = append(list, m)
		}
	}
	return list
}
