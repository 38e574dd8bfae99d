package setup

import (
	"bufio"
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

// process is an Asterisk that runs on this machine, perhaps in a container or below another
// root.
type process struct {
	proc      string // its folder in /proc
	root      string // its root as this process reaches it; "/" is this machine's
	container string // the command that runs another in its container, "docker exec ID"; "" outside of one
	inside    bool   // it has files of its own
	ownNet    bool   // it has a network of its own
}

// findProcess looks for a running Asterisk whose configuration folder is etc or, if etc is
// not there, for any. proc is where /proc is mounted.
func findProcess(proc, etc string) (process, bool) {
	want, _ := os.Stat(etc)
	folders, _ := filepath.Glob(filepath.Join(proc, "[0-9]*")) // the pattern is valid
	for _, folder := range folders {
		name, err := os.ReadFile(filepath.Join(folder, "comm"))
		if err != nil || strings.TrimSpace(string(name)) != "asterisk" {
			continue
		}
		p := newProcess(proc, folder)
		has, err := os.Stat(filepath.Join(folder, "root", usualFolder))
		switch {
		case err != nil:
		case want == nil && exists(filepath.Join(folder, "root", usualFolder, "manager.conf")), want != nil && os.SameFile(want, has):
			return p, true
		}
	}
	return process{}, false
}

// usualFolder is Asterisk's configuration folder.
const usualFolder = "/etc/asterisk"

func newProcess(proc, folder string) process {
	p := process{proc: folder, root: "/"}
	differs := func(namespace string) bool {
		theirs, err := os.Readlink(filepath.Join(folder, "ns", namespace))
		ours, ownErr := os.Readlink(filepath.Join(proc, "self", "ns", namespace))
		return err == nil && ownErr == nil && theirs != ours
	}
	p.inside, p.ownNet = differs("mnt"), differs("net")
	if p.inside {
		p.root = filepath.Join(folder, "root")
		p.container = containerCommand(folder)
	} else if root, err := os.Readlink(filepath.Join(folder, "root")); err == nil {
		p.root = root
	}
	return p
}

// containerID is how Docker, Podman and containerd name a control group.
var containerID = regexp.MustCompile(`(docker|libpod)[-/]([0-9a-f]{12})[0-9a-f]{52}|/(docker|libpod)/([0-9a-f]{12})[0-9a-f]{52}`)

// containerCommand is the command that runs another in the container of a process.
func containerCommand(folder string) string {
	text, err := os.ReadFile(filepath.Join(folder, "cgroup"))
	if err != nil {
		return ""
	}
	m := containerID.FindSubmatch(text)
	if m == nil {
		return ""
	}
	tool := "docker"
	if bytes.Contains(m[0], []byte("libpod")) {
		tool = "podman"
	}
	return tool + " exec " + string(m[2]) + string(m[4])
}

// host is where a file or folder of the process is on this machine. lasting says whether it
// outlives the container: it does if it is mounted from this machine.
func (p process) host(path string) (at string, lasting bool) {
	through := filepath.Join(p.root, path)
	if !p.inside {
		return through, true
	}
	in, err := os.Stat(through)
	if err != nil {
		return through, false
	}
	file, err := os.Open(filepath.Join(p.proc, "mountinfo"))
	if err != nil {
		return through, false
	}
	defer file.Close()
	best, length := "", -1
	for lines := bufio.NewScanner(file); lines.Scan(); {
		// proc_pid_mountinfo(5): ID, parent, device, root within the file system, mount point.
		f := strings.Fields(lines.Text())
		if len(f) < 5 {
			continue
		}
		if rest, ok := strings.CutPrefix(path, f[4]); ok && (rest == "" || rest[0] == '/') && len(f[4]) > length {
			best, length = filepath.Join(f[3], rest), len(f[4])
		}
	}
	if out, err := os.Stat(best); err == nil && os.SameFile(in, out) {
		return best, true
	}
	return through, false
}
