package lab

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// Layer makes a writable view of the root at lower, which stays as it is, in the folder dir.
// remove takes its mount away again.
func Layer(lower, dir string) (root string, remove func() error, err error) {
	root, err = layer(lower, dir)
	return root, func() error { _, err := unmountBelow(dir); return err }, err
}

// layer makes a writable view of the root at lower in dir and returns its folder. It is an
// overlay mount where the kernel and the file system under dir allow one, and a copy otherwise.
func layer(lower, dir string) (string, error) {
	var path [3]string
	for i, name := range []string{"upper", "work", "root"} {
		path[i] = filepath.Join(dir, name)
		if err := os.Mkdir(path[i], 0o755); err != nil {
			return "", fmt.Errorf("make layer: %w", err)
		}
	}
	upper, work, root := path[0], path[1], path[2]
	options := fmt.Sprintf("lowerdir=%s,upperdir=%s,workdir=%s", lower, upper, work)
	if err := unix.Mount("overlay", root, "overlay", 0, options); err == nil {
		return root, nil
	}
	if out, err := exec.Command("cp", "-a", "--reflink=auto", lower+"/.", root).CombinedOutput(); err != nil {
		return "", fmt.Errorf("copy root: %w: %s", err, out)
	}
	return root, nil
}

// unmountBelow unmounts everything at or below dir, the innermost first, and says how many
// mounts there were.
func unmountBelow(dir string) (int, error) {
	points, err := mountsBelow(dir)
	if err != nil {
		return 0, err
	}
	var errs []error
	for _, p := range slices.Backward(points) {
		if err := unix.Unmount(p, 0); err != nil {
			errs = append(errs, fmt.Errorf("unmount %s: %w", p, err))
		}
	}
	return len(points), errors.Join(errs...)
}

// mountsBelow lists the mount points at or below dir in the order they were mounted.
func mountsBelow(dir string) ([]string, error) {
	f, err := os.Open("/proc/self/mountinfo")
	if err != nil {
		return nil, fmt.Errorf("list mounts: %w", err)
	}
	defer f.Close()
	var points []string
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		// proc(5): the fifth field is the mount point, spaces in octal.
		fields := strings.Fields(lines.Text())
		if len(fields) < 5 {
			continue
		}
		point := strings.NewReplacer(`\040`, " ", `\011`, "\t", `\134`, `\`).Replace(fields[4])
		if point == dir || strings.HasPrefix(point, dir+"/") {
			points = append(points, point)
		}
	}
	return points, lines.Err()
}
