package lab

import (
	"fmt"
	"path/filepath"
	"slices"
	"testing"
)

// LeftBy lists what there is of the labs of process pid: namespaces, mounts and folders.
func LeftBy(t *testing.T, pid int) []string {
	t.Helper()
	names, err := namespaces(fmt.Sprintf("tw-%d.", pid))
	if err != nil {
		t.Fatal(err)
	}
	left, err := filepath.Glob(filepath.Join(runDir(), fmt.Sprintf("%d.*", pid)))
	if err != nil {
		t.Fatal(err)
	}
	for _, dir := range slices.Clone(left) {
		mounts, err := mountsBelow(dir)
		if err != nil {
			t.Fatal(err)
		}
		left = append(left, mounts...)
	}
	return append(left, names...)
}
