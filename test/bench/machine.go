package main

import (
	"fmt"
	"os"
	"runtime"
	"strings"

	"golang.org/x/sys/unix"
)

// machine says where the figures come from.
func machine() string {
	var name unix.Utsname
	kernel := "unknown"
	if unix.Uname(&name) == nil {
		kernel = unix.ByteSliceToString(name.Release[:])
	}
	load, _, _ := strings.Cut(readFile("/proc/loadavg"), " ")
	return fmt.Sprintf("%s, %d cores, kernel %s, %s, load %s", model(), runtime.NumCPU(), kernel, runtime.Version(), load)
}

func model() string {
	_, rest, _ := strings.Cut(readFile("/proc/cpuinfo"), "model name")
	line, _, _ := strings.Cut(rest, "\n")
	return strings.Trim(line, " \t:")
}

// readFile is a small file's text, or "".
func readFile(name string) string {
	text, _ := os.ReadFile(name)
	return strings.TrimSpace(string(text))
}
