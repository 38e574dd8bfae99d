package test

import (
	"context"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/tollwarden/tollwarden/config"
	"github.com/tollwarden/tollwarden/test/lab"
)

var fenced = regexp.MustCompile("(?s)```([a-z]+)\n(.*?)```")

// blocks are the README's fenced blocks in one language.
func blocks(t *testing.T, language string) []string {
	t.Helper()
	text, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for _, m := range fenced.FindAllStringSubmatch(string(text), -1) {
		if m[1] == language {
			found = append(found, m[2])
		}
	}
	if len(found) == 0 {
		t.Fatalf("the README has no %s block", language)
	}
	return found
}

func TestReadmeConfigurationParses(t *testing.T) {
	for _, text := range blocks(t, "toml") {
		if _, err := config.Parse("README.md", []byte(text), config.Env{}); err != nil {
			t.Error(err)
		}
	}
}

// elsewhere are the README's commands that other tests or the build run:
// each with the file that does.
var elsewhere = map[string]string{
	"make demo":                          "../cmd/tollwarden/demo/demo_test.go",
	"make test":                          "../.ci/run",
	"make build":                         "readme_test.go",
	"tollwarden setup":                   "setup_test.go",
	"tollwarden trust 1006 198.51.100.7": "probation_test.go",
	"tollwarden compromise 1006":         "probation_test.go",
	"install -m 0755 bin/tollwarden /usr/local/sbin/tollwarden": "readme_test.go",
}

// Every command of the README is run, in its order, beside a real Asterisk
// that is being attacked, with the manager.conf section that the README shows.
func TestReadmeCommands(t *testing.T) {
	t.Parallel()
	section := strings.Replace(blocks(t, "ini")[0], "<a long random secret>", "readme-secret", 1)
	section = strings.Replace(section, "[tollwarden]", "[readme]", 1)
	l := lab.New(t, lab.Options{Version: lab.Asterisk22, Append: map[string]string{"manager.conf": "\n" + section}})
	w := &warden{t: t, lab: l, dir: t.TempDir()}
	w.write("", "readme", "readme-secret", "")
	t.Cleanup(func() {
		w.stop(syscall.SIGTERM)
		if t.Failed() {
			t.Log(w.log)
		}
	})
	for _, line := range strings.Split(strings.Join(blocks(t, "sh"), ""), "\n") {
		command, _, _ := strings.Cut(line, "   #")
		command = strings.TrimSpace(command)
		if file, ok := elsewhere[command]; ok {
			if _, err := os.Stat(file); err != nil {
				t.Errorf("%s: %v", command, err)
			}
			continue
		}
		if command != "" {
			w.readme(t, command)
		}
	}
}

func (w *warden) readme(t *testing.T, command string) {
	t.Helper()
	switch {
	case command == "tollwarden run":
		w.start()
		attacker := addHost(t, w.lab, "attacker", guesserAddress)
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		if _, err := (lab.Guesser{Host: attacker, Account: "1002", Rate: 100, Most: 20}).Run(ctx); err != nil {
			t.Fatal(err)
		}
		w.wait("the guesser in the kernel's set", 2*time.Second, func() bool { return w.dropped(guesserPrefix.String()) })
	case command == "tollwarden down":
		w.stop(syscall.SIGTERM)
		w.shell(t, command)
		if out, _ := w.lab.PBX.Command(t.Context(), "nft", "list", "tables").CombinedOutput(); strings.Contains(string(out), "tollwarden") {
			t.Errorf("after %s there is still\n%s", command, out)
		}
	default:
		w.shell(t, command)
	}
}

// shell runs a line as the README shows it, with the program in the path and
// this daemon's files as the default ones.
func (w *warden) shell(t *testing.T, line string) {
	t.Helper()
	path, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	line = strings.ReplaceAll(line, "/var/log/asterisk", w.lab.Path("/var/log/asterisk"))
	before, after, ok := strings.Cut(line, " >")
	for _, offline := range []string{"tollwarden check", "tollwarden replay", "tollwarden down"} {
		if strings.HasPrefix(before, offline) {
			before += " -c " + w.config()
		}
	}
	if !strings.Contains(before, " -c ") {
		before += " --socket " + w.socket()
	}
	if line = before; ok {
		line += " >" + after
	}
	cmd := w.lab.PBX.Command(t.Context(), "sh", "-c", line)
	cmd.Dir = w.dir
	cmd.Env = append(os.Environ(), "PATH="+filepath.Dir(path)+":"+os.Getenv("PATH")+":/usr/sbin")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Errorf("%s: %v\n%s", line, err, out)
	}
	t.Logf("$ %s\n%s", line, out)
}

// The build that the README shows makes one static binary.
func TestBuildIsStatic(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	build := `cd .. && make -s build && install -m 0755 bin/tollwarden "$1/tollwarden" && file -L "$1/tollwarden" 2>/dev/null; "$1/tollwarden" version`
	out, err := command(t, "sh", "-c", build, "sh", dir)
	if err != nil || !strings.Contains(out, "tollwarden ") {
		t.Fatalf("%v\n%s", err, out)
	}
	if out, err := command(t, "ldd", filepath.Join(dir, "tollwarden")); err == nil {
		t.Errorf("the binary needs libraries:\n%s", out)
	}
	info, err := os.Stat(filepath.Join(dir, "tollwarden"))
	if err != nil || info.Size() > 36e6 {
		t.Errorf("the binary has %d bytes, %v; want 36 MB at most", info.Size(), err)
	}
	t.Logf("the binary has %.1f MB", float64(info.Size())/1e6)
}
