package test

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/tollwarden/tollwarden/responder/control"
	"github.com/tollwarden/tollwarden/responder/incident"
	"github.com/tollwarden/tollwarden/test/lab"
)

// binary builds the program once for all tests.
var binary = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "tollwarden-test")
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, "tollwarden")
	build := exec.Command("go", "build", "-trimpath", "-o", path, "../cmd/tollwarden")
	build.Env = append(os.Environ(), "CGO_ENABLED=0") // as `make build`, which shares what is compiled
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build: %w: %s", err, out)
	}
	return path, nil
})

func TestMain(m *testing.M) {
	code := m.Run()
	if path, err := binary(); err == nil {
		_ = os.RemoveAll(filepath.Dir(path))
	}
	os.Exit(code)
}

// warden is a running daemon beside the lab's Asterisk.
type warden struct {
	t    *testing.T
	lab  *lab.Lab
	dir  string    // its configuration, ledger, secrets and socket
	ami  string    // where it finds Asterisk; "": lab.AMIAddress
	host *lab.Host // where it runs; nil: beside Asterisk
	cmd  *exec.Cmd
	log  *lab.Journal
	done chan error
}

// shortRules are thresholds and playbooks with a score of wrong passwords from
// one source.
func shortRules(score int) string { return fmt.Sprintf(rules, score) }

const rules = `
[[threshold]]
name = "password guessing"
per = "source"
signals = { InvalidPassword = 1, ChallengeResponseFailed = 1 }
score = %d
within = "1h"
playbook = "block"

[[threshold]]
name = "scanning"
per = "source"
signals = { InvalidAccountID = 1 }
score = 5
within = "1h"
playbook = "block"

[[threshold]]
name = "break-in"
per = "account"
signals = { SuccessAfterFailures = 1 }
score = 1
within = "1h"
playbook = "compromise"

[[threshold]]
name = "new place after guessing"
per = "account"
signals = { NewPlaceAfterFailures = 1 }
score = 1
within = "1h"
playbook = "new place"

[[playbook]]
name = "block"
steps = ["ban"]

[[playbook]]
name = "compromise"
steps = ["ban", "hangup", "rotate", "remove-registrations", "notify"]

[[playbook]]
name = "new place"
steps = ["limit-costs", "notify"]
`

// guard starts a daemon beside the lab's Asterisk, with a threshold of score
// wrong passwords from one source, and waits until it would stop an attack.
func guard(t *testing.T, l *lab.Lab, score int) *warden {
	t.Helper()
	return guardWith(t, l, shortRules(score))
}

func guardWith(t *testing.T, l *lab.Lab, settings string) *warden {
	t.Helper()
	w := &warden{t: t, lab: l, dir: t.TempDir()}
	w.write("", lab.AMIUser, lab.AMISecret, settings)
	w.start()
	t.Cleanup(func() {
		w.stop(syscall.SIGTERM)
		if t.Failed() {
			t.Logf("the daemon's log:\n%s", w.log)
			t.Logf("Asterisk:\n%s", l.Messages())
		}
	})
	return w
}

// write makes the configuration: keys of the top level, the login, and further
// sections.
func (w *warden) write(top, user, secret, sections string) {
	w.t.Helper()
	text := fmt.Sprintf("%s\ndata = %q\nsocket = %q\n[asterisk]\naddress = %q\nusername = %q\nsecret = %q\nconfig_dir = %q\n",
		top, filepath.Join(w.dir, "data"), w.socket(), cmp.Or(w.ami, lab.AMIAddress), user, secret, w.lab.Path("/etc/asterisk"))
	if err := os.WriteFile(w.config(), []byte(text+sections), 0o600); err != nil {
		w.t.Fatal(err)
	}
}

func (w *warden) config() string { return filepath.Join(w.dir, "tollwarden.toml") }
func (w *warden) socket() string { return filepath.Join(w.dir, "socket") }

// start runs the daemon and waits until it is healthy, and the second of its start is over.
func (w *warden) start() {
	w.t.Helper()
	w.launch()
	w.wait("the daemon to be healthy", 20*time.Second, func() bool {
		s, err := w.client().Status(w.t.Context())
		return err == nil && s.Health == control.Healthy
	})
	nextSecond()
}

// nextSecond waits until the second is over in which a daemon started: nonces carry whole
// seconds, so one of that second may be older than the daemon and proves nothing.
func nextSecond() {
	now := time.Now()
	time.Sleep(now.Truncate(time.Second).Add(1010 * time.Millisecond).Sub(now))
}

// launch runs the daemon.
func (w *warden) launch() {
	w.t.Helper()
	path, err := binary()
	if err != nil {
		w.t.Fatal(err)
	}
	if w.log == nil {
		w.log = &lab.Journal{}
	}
	// As the unit in packaging has it: under attack the machine is busy, and
	// the daemon goes first.
	w.cmd = cmp.Or(w.host, w.lab.PBX).Command(context.Background(), "nice", "-n", "-10", path, "run", "-c", w.config())
	w.cmd.Stderr, w.cmd.Stdout = w.log, w.log
	if err := w.cmd.Start(); err != nil {
		w.t.Fatal(err)
	}
	w.done = make(chan error, 1)
	go func(cmd *exec.Cmd, done chan error) { done <- cmd.Wait() }(w.cmd, w.done)
}

// stop ends the daemon with a signal and waits for it.
func (w *warden) stop(s syscall.Signal) {
	w.t.Helper()
	if w.cmd == nil {
		return
	}
	if err := w.cmd.Process.Signal(s); err != nil && !errors.Is(err, os.ErrProcessDone) {
		w.t.Error(err)
	}
	select {
	case err := <-w.done:
		if s == syscall.SIGTERM && err != nil {
			w.t.Errorf("the daemon ended with %v", err)
		}
	case <-time.After(time.Minute):
		w.t.Error("the daemon does not end")
		_ = w.cmd.Process.Kill()
		<-w.done
	}
	w.cmd = nil
}

// signal sends a signal without waiting.
func (w *warden) signal(s syscall.Signal) {
	w.t.Helper()
	if err := w.cmd.Process.Signal(s); err != nil {
		w.t.Fatal(err)
	}
}

func (w *warden) client() *control.Client { return control.Dial(w.socket()) }

// tollwarden runs a command beside the daemon and returns what it printed.
func (w *warden) tollwarden(args ...string) (string, error) {
	w.t.Helper()
	path, err := binary()
	if err != nil {
		w.t.Fatal(err)
	}
	out, err := w.lab.PBX.Command(w.t.Context(), path, args...).CombinedOutput()
	return string(out), err
}

// wait polls until a condition holds and returns how long that took. within is
// ample on a quiet machine; a busy one gets ten times as long, up to a minute
// more, before the test fails.
func (w *warden) wait(what string, within time.Duration, holds func() bool) time.Duration {
	w.t.Helper()
	start, limit := time.Now(), within+min(9*within, time.Minute)
	for !holds() {
		if time.Since(start) > limit {
			w.t.Fatalf("waited %s for %s\n%s", limit, what, w.log)
		}
		time.Sleep(5 * time.Millisecond)
	}
	return time.Since(start)
}

// dropped says whether the kernel has the source in a set of the table, as nft
// reads it, whatever the daemon says.
func (w *warden) dropped(source string) bool {
	w.t.Helper()
	out, err := w.lab.PBX.Command(w.t.Context(), "nft", "-j", "list", "table", "inet", "tollwarden").Output()
	if err != nil {
		return false
	}
	return kernelHolds(w.t, out, netip.MustParsePrefix(source))
}

// kernelHolds looks for a prefix among the elements of the ban sets in nft's
// JSON.
func kernelHolds(t *testing.T, listing []byte, want netip.Prefix) bool {
	t.Helper()
	var ruleset struct {
		Nftables []struct {
			Set *struct {
				Name string            `json:"name"`
				Elem []json.RawMessage `json:"elem"`
			} `json:"set"`
		} `json:"nftables"`
	}
	if err := json.Unmarshal(listing, &ruleset); err != nil {
		t.Fatalf("nft's JSON: %v", err)
	}
	for _, object := range ruleset.Nftables {
		if object.Set == nil || strings.Contains(object.Set.Name, "allow") {
			continue
		}
		for _, raw := range object.Set.Elem {
			if strings.Contains(string(raw), `"`+want.Addr().String()+`"`) {
				return true
			}
		}
	}
	return false
}

func (w *warden) incidents() []incident.Incident {
	w.t.Helper()
	list, err := w.client().Incidents(w.t.Context(), 1000)
	if err != nil {
		w.t.Fatal(err)
	}
	return list
}

// crosses says whether an incident is about a threshold, or a verdict on it has joined it.
func crosses(i incident.Incident, threshold string) bool {
	return i.Threshold == threshold || strings.Contains(i.Reason, "; also "+threshold+": ")
}

// soon is time enough for anything the PBX does at once, on a busy machine too.
func soon(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	t.Cleanup(cancel)
	return ctx
}

// onBothAtOnce runs a test against each version of Asterisk, in a lab of its own, beside all
// other tests that are parallel: most of a test in a lab is waiting.
func onBothAtOnce(t *testing.T, test func(t *testing.T, l *lab.Lab)) {
	for _, v := range lab.Versions() {
		t.Run("Asterisk"+string(v), func(t *testing.T) {
			t.Parallel() // before there is a lab, which would wait for its turn
			test(t, lab.New(t, lab.Options{Version: v}))
		})
	}
}

// onBoth is onBothAtOnce for a test that has the machine to itself, since it measures how
// soon something happens.
func onBoth(t *testing.T, test func(t *testing.T, l *lab.Lab)) {
	for _, v := range lab.Versions() {
		t.Run("Asterisk"+string(v), func(t *testing.T) { test(t, lab.New(t, lab.Options{Version: v})) })
	}
}

func addHost(t *testing.T, l *lab.Lab, name string, addresses ...string) *lab.Host {
	t.Helper()
	h, err := l.Host(name, addresses...)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func addPhone(t *testing.T, h *lab.Host, account string) *lab.Phone {
	t.Helper()
	p, err := h.Phone(account, "", lab.PhoneOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Close() })
	return p
}

func register(t *testing.T, p *lab.Phone) {
	t.Helper()
	if err := p.Register(soon(t)); err != nil {
		t.Fatalf("register: %v", err)
	}
}

func command(t *testing.T, name string, args ...string) (string, error) {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), name, args...).CombinedOutput()
	return string(out), err
}
