package main

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/tollwarden/tollwarden/test/lab"
)

//go:embed peers/*.sh
var scripts embed.FS

// contestant protects a PBX against guessers.
type contestant struct {
	name  string
	ready string // what it writes when it would stop an attack; "" for ours, which is asked
}

var contestants = []contestant{
	{name: "tollwarden"},
	{name: "fail2ban", ready: "Server ready"},
	{name: "crowdsec", ready: "/v1/decisions/stream"},
}

// title is how it calls itself.
func (c contestant) title() string {
	return map[string]string{"tollwarden": "Tollwarden", "fail2ban": "fail2ban", "crowdsec": "CrowdSec + bouncer"}[c.name]
}

// guard is a running contestant.
type guard struct {
	group int // of its processes
	stop  func()
}

// start has the contestant protect the lab's Asterisk.
func (c contestant) start(b *bench, l *lab.Lab) (*guard, error) {
	if c.ready == "" {
		d, err := b.guard(l, rules)
		if err != nil {
			return nil, err
		}
		return &guard{group: d.cmd.Process.Pid, stop: d.stop}, nil
	}
	folder, err := os.MkdirTemp(b.dir, c.name)
	if err != nil {
		return nil, err
	}
	program, err := unpack(folder, c.name+".sh")
	if err != nil {
		return nil, err
	}
	run, err := unpack(folder, "run.sh")
	if err != nil {
		return nil, err
	}
	root, err := b.peersRoot()
	if err != nil {
		return nil, err
	}
	cmd := l.PBX.Command(context.Background(), "sh", run, root, folder, l.Path("var/log/asterisk"), program)
	// A group of its own, so that all of it can be ended; alone it may read
	// Asterisk's log from the end.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	d, err := launch(folder, cmd, (*exec.Cmd).Start)
	if err != nil {
		return nil, err
	}
	g := &guard{group: cmd.Process.Pid, stop: func() { endGroup(d) }}
	for deadline := time.Now().Add(time.Minute); !strings.Contains(d.log.String(), c.ready); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) || b.ctx.Err() != nil {
			g.stop()
			return nil, fmt.Errorf("%s does not start: %s", c.name, d.log.Tail())
		}
	}
	return g, nil
}

// endGroup ends a process with all that it started.
func endGroup(d *daemon) {
	_ = unix.Kill(-d.cmd.Process.Pid, unix.SIGTERM)
	select {
	case <-d.done:
	case <-time.After(10 * time.Second):
	}
	_ = unix.Kill(-d.cmd.Process.Pid, unix.SIGKILL)
}

// memory is what its processes hold together.
func (g *guard) memory() float64 {
	entries, _ := os.ReadDir("/proc")
	sum := 0.0
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		if group, err := unix.Getpgid(pid); pid == g.group || err == nil && group == g.group {
			sum += rss(pid)
		}
	}
	return sum
}

// unpack writes one of the scripts into a folder.
func unpack(folder, name string) (string, error) {
	text, err := scripts.ReadFile("peers/" + name)
	if err != nil {
		return "", err
	}
	file := filepath.Join(folder, name)
	return file, os.WriteFile(file, text, 0o755)
}

// peersRoot is the root file system of the peers, made when there is none.
func (b *bench) peersRoot() (string, error) {
	cache, err := lab.Cache()
	if err != nil {
		return "", err
	}
	root := filepath.Join(cache, "peers")
	if _, err := os.Stat(root); err == nil {
		return root, nil
	}
	script, err := unpack(b.dir, "root.sh")
	if err != nil {
		return "", err
	}
	if out, err := exec.CommandContext(b.ctx, "sh", script, root).CombinedOutput(); err != nil {
		return "", errors.Join(fmt.Errorf("install fail2ban and CrowdSec: %w", err), errors.New(string(out[max(0, len(out)-2000):])))
	}
	return root, nil
}
