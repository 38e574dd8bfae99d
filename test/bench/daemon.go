package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/tollwarden/tollwarden/responder/control"
	"github.com/tollwarden/tollwarden/test/lab"
)

// build makes the daemon as it is installed.
func (b *bench) build() error {
	b.binary = filepath.Join(b.dir, "tollwarden")
	cmd := exec.CommandContext(b.ctx, "go", "build", "-trimpath", "-ldflags", "-s -w", "-o", b.binary, "../../cmd/tollwarden")
	cmd.Dir = sourceDir()
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("build the daemon: %w: %s", err, out)
	}
	return nil
}

// sourceDir is the folder of this program's source: the bench is run in the
// repository, by its Makefile or by hand.
func sourceDir() string {
	for _, dir := range []string{".", "test/bench"} {
		if _, err := os.Stat(filepath.Join(dir, "switchboard.go")); err == nil {
			return dir
		}
	}
	return "test/bench"
}

// daemon is a running Tollwarden.
type daemon struct {
	dir     string // configuration, ledger and socket
	cmd     *exec.Cmd
	started time.Time
	log     *lab.Journal
	done    chan error
}

// rules are thresholds of three guesses, and of a break-in whose account keeps
// its secret so that the next run can use it.
const rules = `
[[threshold]]
name = "password guessing"
per = "source"
signals = { InvalidPassword = 1, ChallengeResponseFailed = 1 }
score = 3
within = "1h"
playbook = "block"

[[threshold]]
name = "break-in"
per = "account"
signals = { SuccessAfterFailures = 1 }
score = 1
within = "1h"
playbook = "contain"

[[playbook]]
name = "block"
steps = ["ban"]

[[playbook]]
name = "contain"
steps = ["ban", "hangup"]
`

// folder makes a folder for a daemon.
func (b *bench) folder() (string, error) { return os.MkdirTemp(b.dir, "daemon") }

// configure writes a daemon's configuration into its folder.
func configure(dir, address, user, secret, asterisk, settings string) error {
	text := fmt.Sprintf("data = %q\nsocket = %q\n[asterisk]\naddress = %q\nusername = %q\nsecret = %q\nconfig_dir = %q\n",
		dir, filepath.Join(dir, "socket"), address, user, secret, asterisk)
	return os.WriteFile(filepath.Join(dir, "tollwarden.toml"), []byte(text+settings), 0o600)
}

// asInstalled are nice's arguments to run the daemon that was configured in a
// folder as packaging/tollwarden.service runs it.
func (b *bench) asInstalled(dir string) []string {
	return []string{"-n", "-10", b.binary, "run", "-c", filepath.Join(dir, "tollwarden.toml")}
}

// launch starts the daemon that was configured in a folder; start starts a
// prepared command where it belongs.
func launch(dir string, cmd *exec.Cmd, start func(*exec.Cmd) error) (*daemon, error) {
	d := &daemon{dir: dir, cmd: cmd, log: &lab.Journal{}, done: make(chan error, 1)}
	cmd.Stdout, cmd.Stderr = d.log, d.log
	d.started = time.Now()
	if err := start(cmd); err != nil {
		return nil, fmt.Errorf("start the daemon: %w", err)
	}
	go func() { d.done <- cmd.Wait() }()
	return d, nil
}

// atSite starts a daemon at a site beside a switchboard, and waits until it
// listens.
func (b *bench) atSite(s *site, w *switchboard, dir, settings string) (*daemon, error) {
	if err := configure(dir, w.address(), amiUser, amiSecret, dir, settings); err != nil {
		return nil, err
	}
	d, err := launch(dir, exec.Command("nice", b.asInstalled(dir)...), s.start)
	if err != nil {
		return nil, err
	}
	if err := w.connected(b.ctx); err != nil {
		d.stop()
		return nil, fmt.Errorf("%w: %s", err, d.log.Tail())
	}
	return d, nil
}

// healthy waits until the daemon says that an attack would be stopped.
func (d *daemon) healthy(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	for {
		s, err := control.Dial(filepath.Join(d.dir, "socket")).Status(ctx)
		if err == nil && s.Health == control.Healthy {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("the daemon is not healthy: %+v: %s", s.Checks, d.log.Tail())
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// stop ends the daemon.
func (d *daemon) stop() {
	if err := d.cmd.Process.Signal(syscall.SIGTERM); errors.Is(err, os.ErrProcessDone) {
		return
	}
	select {
	case <-d.done:
	case <-time.After(20 * time.Second):
		_ = d.cmd.Process.Kill()
		<-d.done
	}
}

// rss is the memory that the process holds, in bytes.
func rss(pid int) float64 { return memoryOf(pid, "VmRSS:") }

// memoryOf is one of the figures of a process' memory.
func memoryOf(pid int, kind string) float64 {
	for line := range strings.Lines(readFile(fmt.Sprintf("/proc/%d/status", pid))) {
		if value, found := strings.CutPrefix(line, kind); found {
			kilobytes, _ := strconv.ParseFloat(strings.TrimSuffix(strings.TrimSpace(value), " kB"), 64)
			return kilobytes * 1024
		}
	}
	return 0
}

// cpuTime is what a process has used of the processors, its threads together.
func cpuTime(pid int) time.Duration {
	var sum time.Duration
	tasks, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", pid))
	for _, task := range tasks {
		used, _, _ := strings.Cut(readFile(task), " ") // proc(5): nanoseconds
		n, _ := strconv.ParseInt(used, 10, 64)
		sum += time.Duration(n)
	}
	return sum
}
