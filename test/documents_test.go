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

// fenced matches a fenced block, also one in a list.
var fenced = regexp.MustCompile("(?ms)^ *```([a-z]+)\n(.*?)^ *```")

// documents are the README and the other documents, in the order in which they are read.
func documents(t *testing.T) (files []string) {
	t.Helper()
	files, err := filepath.Glob("../docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	return append([]string{"../README.md"}, files...)
}

// blocks are a document's fenced blocks in one language.
func blocks(t *testing.T, file, language string) (found []string) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range fenced.FindAllStringSubmatch(string(text), -1) {
		if m[1] == language {
			found = append(found, m[2])
		}
	}
	return found
}

func TestDocumentedConfigurationsParse(t *testing.T) {
	found := 0
	for _, file := range documents(t) {
		for _, text := range blocks(t, file, "toml") {
			found++
			if _, err := config.Parse(file, []byte(text), config.Env{}); err != nil {
				t.Error(err)
			}
		}
	}
	if found == 0 {
		t.Error("no document has a toml block")
	}
}

// elsewhere are commands that cannot run beside the others: each with the file that runs it,
// and the words there that do.
var elsewhere = map[string][2]string{
	"make packages":                      {"systemd_test.go", "packages"},
	"tollwarden setup":                   {"setup_test.go", `"setup"`},
	"tollwarden trust 1006 198.51.100.7": {"probation_test.go", `"trust"`},
	"tollwarden compromise 1006":         {"probation_test.go", `"compromise"`},
}

// Every command in a fenced block of a document is run, in its order, beside a real Asterisk
// that has just been attacked, with the manager.conf section that the documents show.
func TestDocumentedCommands(t *testing.T) {
	t.Parallel()
	section := strings.Replace(blocks(t, "../docs/configuring.md", "ini")[0], "<a long random secret>", "documented-secret", 1)
	section = strings.Replace(section, "[tollwarden]", "[documented]", 1)
	l := lab.New(t, lab.Options{Version: lab.Asterisk22, Append: map[string]string{"manager.conf": "\n" + section}})
	w := &warden{t: t, lab: l, dir: t.TempDir()}
	w.write("", "documented", "documented-secret", "")
	t.Cleanup(func() {
		w.stop(syscall.SIGTERM)
		if t.Failed() {
			t.Log(w.log)
		}
	})
	w.start()
	w.attacked(t)
	for _, file := range documents(t) {
		for _, line := range strings.Split(strings.Join(blocks(t, file, "sh"), ""), "\n") {
			command, _, _ := strings.Cut(line, " #")
			if command = strings.TrimSpace(command); command == "" {
				continue
			}
			if by, ok := elsewhere[command]; ok {
				if text, err := os.ReadFile(by[0]); err != nil || !strings.Contains(string(text), by[1]) {
					t.Errorf("%s: %s: %s does not run it: %v", file, command, by[0], err)
				}
				continue
			}
			w.documented(t, file, command)
		}
	}
}

// attacked has an attacker guess until it is blocked.
func (w *warden) attacked(t *testing.T) {
	t.Helper()
	attacker := addHost(t, w.lab, "attacker", guesserAddress)
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	if _, err := (lab.Guesser{Host: attacker, Account: "1002", Rate: 100, Most: 20}).Run(ctx); err != nil {
		t.Fatal(err)
	}
	w.wait("the guesser in the kernel's set", 2*time.Second, func() bool { return w.dropped(guesserPrefix.String()) })
}

// documented runs a line as a document shows it, with the program in the path and
// this daemon's files as the default ones.
func (w *warden) documented(t *testing.T, file, line string) {
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
		t.Errorf("%s: %s: %v\n%s", file, line, err, out)
	}
	t.Logf("$ %s\n%s", line, out)
}

// `make build` makes one static binary.
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
