package test

import (
	"context"
	"os"
	"path/filepath"
	"regexp"
	"slices"
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
		if strings.HasSuffix(file, "/setup.md") {
			continue // answers, which TestAnswersInTheDocumentation reads
		}
		for _, text := range blocks(t, file, "toml") {
			found++
			if !strings.Contains(text, "[asterisk]") { // not the whole file
				text += "\n[asterisk]\nusername = \"tollwarden\"\nsecret = \"made-up\"\n"
			}
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
	"make packages": {"../packaging/root_test.go", "packages"},
	"make release VERSION=1.2.3 KEY=~/.ssh/tollwarden-release": {"../packaging/release_test.go", "TestReleaseIsReproducible"},
	"make release-check":                       {"../Makefile", "release-check:"},
	"sha256sum --ignore-missing -c SHA256SUMS": {"../packaging/release_test.go", "SHA256SUMS"},
	"ssh-keygen -Y verify -f allowed_signers -I releases@tollwarden -n tollwarden-release -s SHA256SUMS.sig < SHA256SUMS": {"../packaging/release_test.go", "verify"},
	"apt install ./bin/tollwarden_*.deb":                             {"../packaging/packages_test.go", "TestPackages"},
	"apt install ./tollwarden_*.deb":                                 {"../packaging/packages_test.go", "TestPackages"},
	"rpm -U tollwarden-*.rpm":                                        {"../packaging/packages_test.go", "TestPackages"},
	"apt purge tollwarden":                                           {"../packaging/packages_test.go", "purge"},
	"systemctl stop tollwarden":                                      {"../packaging/root_test.go", "systemd-analyze"},
	"systemctl start tollwarden":                                     {"../packaging/root_test.go", "systemd-analyze"},
	"systemctl enable --now tollwarden-hook.socket":                  {"../packaging/root_test.go", "systemd-analyze"},
	"install -o root -m 0755 my-command /etc/tollwarden/rotate-hook": {"../cmd/tollwarden/hook_test.go", "TestHook"},
	"tollwarden setup":                                               {"setup_test.go", "TestSetup"},
	"tollwarden setup --prove":                                       {"setup_test.go", `"--prove"`},
	"tollwarden setup --print-answers > answers.toml":                {"setup_test.go", `"--print-answers"`},
	"tollwarden setup --answers answers.toml":                        {"setup_test.go", `"--answers"`},
	"tollwarden setup --country DE --yes":                            {"setup_test.go", `"--country"`},
	"tollwarden setup --undo":                                        {"setup_test.go", `"--undo"`},
	"tollwarden enforce":                                             {"observe_test.go", `"enforce"`},
	"tollwarden replay --database":                                   {"freepbx/calls_test.go", "database.Open"},
	"tollwarden import fail2ban --dry-run":                           {"import_test.go", `"fail2ban"`},
	"tollwarden import sipban --dry-run":                             {"../cmd/tollwarden/blocklist/read_test.go", "sipban"},
	"tollwarden import apiban --dry-run":                             {"../cmd/tollwarden/blocklist/read_test.go", "APIBAN"},
	"tollwarden import ipset blacklist --dry-run":                    {"../cmd/tollwarden/blocklist/read_test.go", "ipset"},
	"tollwarden import nft 'inet filter blackhole' --dry-run":        {"../cmd/tollwarden/blocklist/read_test.go", "nft"},
	"tollwarden forget 1006 --yes":                                   {"backup_test.go", `"--yes"`},
	"tollwarden restore site.backup":                                 {"backup_test.go", `"restore"`},
	"tollwarden trust 1006 198.51.100.7":                             {"probation_test.go", `"trust"`},
	"tollwarden compromise 1006":                                     {"probation_test.go", `"compromise"`},
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
	records := l.Path("/var/log/asterisk/cdr-csv")
	if err := os.MkdirAll(records, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(records, "Master.csv"), []byte(documentedFiles["calls.csv"]), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, text := range documentedFiles {
		if err := os.WriteFile(filepath.Join(w.dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	w.start()
	w.attacked(t)
	if out, err := w.tollwarden("ban", "192.0.2.7", "--socket", w.socket()); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
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
			if !strings.HasPrefix(command, "tollwarden ") && !strings.HasPrefix(command, "asterisk ") {
				t.Errorf("%s: %s: no test runs it", file, command)
				continue
			}
			w.documented(t, file, command)
		}
		_, _ = w.tollwarden("resume", "--socket", w.socket()) // what a document has paused
	}
}

// documentedFiles are files of an administrator that the documents name.
var documentedFiles = map[string]string{
	"messages.1": "[30/11/2026 20:00:00] NOTICE[1] chan_sip.c: Registration from '<sip:1002@pbx>' failed for '192.0.2.66:5060' - Wrong password\n",
	"calls.csv":  "calldate,src,dst,channel,dstchannel,duration,billsec,disposition\n12/11/2026 20:00:00,1002,0044207946000,PJSIP/1002-00000001,PJSIP/trunk-00000002,12,10,ANSWERED\n",
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
	help, _ := command(t, "sh", "-c", path+strings.TrimPrefix(before, "tollwarden")+" --help")
	for _, flag := range []string{"--config " + w.config(), "--socket " + w.socket()} {
		if word, _, _ := strings.Cut(flag, " "); strings.Contains(help, word+" ") {
			before += " " + flag
		}
	}
	if line = before; ok {
		line += " >" + after
	}
	if strings.HasPrefix(line, "asterisk ") {
		line = "chroot " + w.lab.Path("/") + " " + line
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

// link matches a link to a file of the repository or to a section.
var link = regexp.MustCompile(`\]\(([^):# ]*)(?:#([^) ]+))?\)`)

// Every link of a document leads to a file or a section that exists.
func TestDocumentsLinkToWhatExists(t *testing.T) {
	for _, file := range append(documents(t), "../CONTRIBUTING.md") {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range link.FindAllStringSubmatch(string(text), -1) {
			target := file
			if m[1] != "" {
				target = filepath.Join(filepath.Dir(file), m[1])
			}
			linked, err := os.ReadFile(target)
			if info, serr := os.Stat(target); serr == nil && info.IsDir() {
				err = nil
			}
			if err != nil || m[2] != "" && !slices.Contains(sections(string(linked)), m[2]) {
				t.Errorf("%s: %s: %v", file, m[0], err)
			}
		}
	}
}

// sections are the anchors of a document's headings, as GitHub makes them.
func sections(text string) (anchors []string) {
	for line := range strings.Lines(text) {
		if heading := strings.TrimLeft(line, "#"); len(heading) < len(line) {
			heading = regexp.MustCompile(`[^\pL\pN _-]`).ReplaceAllString(strings.ToLower(strings.TrimSpace(heading)), "")
			anchors = append(anchors, strings.ReplaceAll(heading, " ", "-"))
		}
	}
	return anchors
}
