package packaging

import (
	"bytes"
	"debug/elf"
	"encoding/json"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// all says whether every architecture is tried: make release-check.
var all = os.Getenv("TOLLWARDEN_RELEASE") == "all"

func arches() string {
	if all {
		return "amd64 arm64 armv7"
	}
	return runtime.GOARCH
}

// epoch is the time of the commit in these tests.
const epoch = "1764500000"

// release builds one from the sources in dir into a new folder of the test.
func release(t *testing.T, dir, version, arches string, env ...string) (out string) {
	t.Helper()
	out = t.TempDir()
	cmd := exec.Command("sh", filepath.Join(dir, "packaging/release.sh"), out)
	cmd.Env = append(os.Environ(), "VERSION="+version, "ARCHES="+arches, "SOURCE_DATE_EPOCH="+epoch)
	cmd.Env = append(cmd.Env, env...)
	if text, err := cmd.CombinedOutput(); err != nil {
		if strings.Contains(string(text), "nfpm") && strings.Contains(string(text), "dial tcp") {
			t.Skipf("needs nfpm from the module proxy: %s", text)
		}
		t.Fatalf("release: %v: %s", err, text)
	}
	return out
}

// clone copies the repository's files to another folder, as somebody else with
// another umask would have them.
func clone(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "somewhere else")
	list := exec.Command("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard")
	list.Dir = ".."
	names, err := list.Output()
	if err != nil {
		t.Skipf("needs git and a repository: %v", err)
	}
	for name := range strings.SplitSeq(strings.Trim(string(names), "\x00"), "\x00") {
		text, err := os.ReadFile(filepath.Join("..", name))
		if err != nil {
			continue // removed and not committed yet
		}
		to := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(to), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(to, text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// files are the names and contents of a folder.
func files(t *testing.T, dir string) map[string][]byte {
	t.Helper()
	found := map[string][]byte{}
	err := fs.WalkDir(os.DirFS(dir), ".", func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		found[path], err = os.ReadFile(filepath.Join(dir, path))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// Two builds of the same sources in two folders, by users whose environments differ,
// are the same byte for byte; so is a signature.
func TestReleaseIsReproducible(t *testing.T) {
	t.Parallel()
	key := filepath.Join(t.TempDir(), "key")
	if out, err := exec.Command("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "test", "-f", key).CombinedOutput(); err != nil {
		t.Skipf("needs ssh-keygen (apt-get install openssh-client): %v: %s", err, out)
	}
	one := release(t, "..", "1.2.3", arches(), "KEY="+key)
	two := release(t, clone(t), "1.2.3", arches(), "KEY="+key, "TZ=Pacific/Auckland", "LC_ALL=C.UTF-8", "GOAMD64=v2", "GOFLAGS=-buildvcs=auto", "HOSTNAME=elsewhere", "CGO_ENABLED=1")
	first, second := files(t, one), files(t, two)
	if want := 4*len(strings.Fields(arches())) + 2; len(first) != want {
		t.Errorf("%d files, want %d: binary, SBOM, deb and rpm of each architecture, sums and signature", len(first), want)
	}
	for name, text := range first {
		if !bytes.Equal(text, second[name]) {
			t.Errorf("%s differs between two builds", name)
		}
	}
	contents(t, one)
	verify(t, one, key+".pub")
}

// verify does what docs/release.md tells users to do, and sees through a changed file.
func verify(t *testing.T, dir, public string) {
	t.Helper()
	line, err := os.ReadFile(public)
	if err != nil {
		t.Fatal(err)
	}
	signers := filepath.Join(t.TempDir(), "allowed_signers")
	if err := os.WriteFile(signers, []byte("releases@tollwarden "+string(line)), 0o600); err != nil {
		t.Fatal(err)
	}
	check := func() error {
		cmd := exec.Command("sh", "-c", `ssh-keygen -Y verify -f "$1" -I releases@tollwarden -n tollwarden-release -s SHA256SUMS.sig <SHA256SUMS && sha256sum -c SHA256SUMS`, "sh", signers)
		cmd.Dir = dir
		return cmd.Run()
	}
	if err := check(); err != nil {
		t.Errorf("the release does not verify: %v", err)
	}
	sums := filepath.Join(dir, "SHA256SUMS")
	text, err := os.ReadFile(sums)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(sums, bytes.ToUpper(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if check() == nil {
		t.Error("changed sums verify")
	}
}

// contents checks that every binary is static, for its architecture, knows its
// version, and has its modules listed.
func contents(t *testing.T, dir string) {
	t.Helper()
	machines := map[string]elf.Machine{"amd64": elf.EM_X86_64, "arm64": elf.EM_AARCH64, "armv7": elf.EM_ARM}
	for arch := range strings.FieldsSeq(arches()) {
		path := filepath.Join(dir, "tollwarden_1.2.3_linux_"+arch)
		f, err := elf.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range f.Progs {
			if p.Type == elf.PT_INTERP {
				t.Errorf("%s is not static", path)
			}
		}
		if f.Machine != machines[arch] {
			t.Errorf("%s is for %v", path, f.Machine)
		}
		_ = f.Close()
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Contains(text, []byte("1.2.3")) {
			t.Errorf("%s does not contain its version", path)
		}
		if arch == runtime.GOARCH {
			if out, err := exec.Command(path, "--version").CombinedOutput(); err != nil || string(out) != "tollwarden 1.2.3\n" {
				t.Errorf("--version: %q, %v", out, err)
			}
		}
		var bom struct {
			Format     string `json:"bomFormat"`
			Components []struct{ Name, Version, PURL string }
		}
		text, err = os.ReadFile(path + ".cdx.json")
		if err == nil {
			err = json.Unmarshal(text, &bom)
		}
		if err != nil || bom.Format != "CycloneDX" {
			t.Fatalf("SBOM of %s: %v", arch, err)
		}
		named := map[string]bool{}
		for _, c := range bom.Components {
			named[c.Name] = c.Version != "" && strings.HasPrefix(c.PURL, "pkg:golang/")
		}
		for _, want := range []string{"std", "modernc.org/sqlite", "github.com/spf13/cobra"} {
			if !named[want] {
				t.Errorf("the SBOM of %s lacks %s", arch, want)
			}
		}
	}
}

// What cannot be released says why.
func TestReleaseRefuses(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ env, want string }{
		"no version":     {"VERSION=", "want a version such as 1.2.3"},
		"a branch":       {"VERSION=main", "want a version such as 1.2.3"},
		"no such key":    {"KEY=/nowhere/key", "KEY=/nowhere/key: no such file"},
		"a relative key": {"KEY=key", "/key: no such file"},
	} {
		cmd := exec.Command("sh", "release.sh", filepath.Join(t.TempDir(), "out"))
		cmd.Env = append(os.Environ(), "VERSION=1.2.3", c.env)
		out, err := cmd.CombinedOutput()
		if err == nil || !strings.Contains(string(out), c.want) {
			t.Errorf("%s: %v, %q; want %q", name, err, out, c.want)
		}
	}
}
