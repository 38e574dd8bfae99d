package main

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
)

const smaps = `00400000-00eb8000 r-xp 00000000 fd:00 123 /usr/bin/tollwarden
Rss:                9952 kB
Anonymous:             0 kB
00eb8000-01760000 r--p 00ab8000 fd:00 123 /usr/bin/tollwarden
Anonymous:             4 kB
01760000-01b60000 rw-p 01360000 fd:00 123 /usr/bin/tollwarden
Anonymous:             0 kB
7f0000000000-7f0000001000 r-xp 00000000 fd:00 124 /usr/bin/other/usr/bin/tollwarden
Anonymous:             0 kB
7f0000002000-7f0000003000 r--p 00000000 fd:00 123 /usr/bin/tollwarden
Anonymous:             0 kB
7fff00000000-7fff00021000 r-xp 00000000 00:00 0 [vdso]
Anonymous:             0 kB
`

// Only what is in the file alone is let go of: no page that was written to, as
// those of relocations are, and nothing of another file.
func TestMappingsOf(t *testing.T) {
	want := []mapping{{0x400000, 0xeb8000}, {0x7f0000002000, 0x7f0000003000}}
	if got := mappingsOf("/usr/bin/tollwarden", smaps); !slices.Equal(got, want) {
		t.Errorf("%x, want %x", got, want)
	}
}

// Memory falls, and the program goes on.
func TestLetGoOfPages(t *testing.T) {
	if _, err := os.Stat("/proc/self/smaps"); err != nil {
		t.Skip("needs /proc/self/smaps")
	}
	before := memoryOfFile(t)
	if err := letGoOfPages(); err != nil {
		t.Fatal(err)
	}
	if after := memoryOfFile(t); after >= before {
		t.Errorf("%d kB of the file before, %d kB after", before, after)
	}
}

// memoryOfFile is how much of files is in our memory, in kB.
func memoryOfFile(t *testing.T) (kB int) {
	t.Helper()
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(status)) {
		if _, err := fmt.Sscanf(line, "RssFile: %d", &kB); err == nil {
			return kB
		}
	}
	t.Fatal("no RssFile")
	return 0
}
