package pbx

import (
	"context"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// listen serves a hook behind a socket: like a socket unit with Accept=yes, each
// connection has a server of its own.
func listen(t *testing.T, h Hook) (socket string) {
	t.Helper()
	socket = filepath.Join(t.TempDir(), "hook.sock")
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				_ = h.ServeHook(context.Background(), conn, conn)
			}()
		}
	}()
	return socket
}

// behind is a hook that connects to a socket.
func behind(socket string) Hook { return Hook{Command: []string{HookSocket + socket}} }

func TestHookBehindASocket(t *testing.T) {
	out := filepath.Join(t.TempDir(), "out")
	h := behind(listen(t, hook(t, `cat >> `+out)))
	for range 2 {
		if err := h.run(t.Context(), "1002", "s3cret"); err != nil {
			t.Fatal(err)
		}
	}
	if err := h.Ping(t.Context()); err != nil {
		t.Error(err)
	}
	line := `{"account":"1002","secret":"s3cret"}` + "\n"
	if got, err := os.ReadFile(out); err != nil || string(got) != line+line {
		t.Errorf("the command saw %q, %v", got, err)
	}
}

// Whatever goes wrong has a reason that helps, and never the password.
func TestHookBehindASocketFails(t *testing.T) {
	writable := hook(t, "true")
	if err := os.Chmod(writable.Command[0], 0o777); err != nil { //nolint:gosec // what is to be refused
		t.Fatal(err)
	}
	dead := filepath.Join(t.TempDir(), "dead.sock")
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: dead, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	l.SetUnlinkOnClose(false)
	l.Close()
	silent, err := net.Listen("unix", filepath.Join(t.TempDir(), "silent.sock"))
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		for {
			conn, err := silent.Accept()
			if err != nil {
				return
			}
			conn.Close()
		}
	}()
	t.Cleanup(func() { silent.Close() })
	for name, tt := range map[string]struct {
		socket string
		says   string
		pings  bool
	}{
		"no socket":            {filepath.Join(t.TempDir(), "none"), "systemctl enable --now tollwarden-hook.socket", false},
		"nothing listens":      {dead, "systemctl enable --now tollwarden-hook.socket", false},
		"a file":               {writable.Command[0], "not a socket", false},
		"the command fails":    {listen(t, hook(t, `read line; echo "cannot set $line"; exit 3`)), "exit status 3: it said", true},
		"no command":           {listen(t, Hook{Command: []string{"/nonexistent/hook"}}), "no such file", false},
		"anybody may write it": {listen(t, writable), "users other than root could change it", false},
		"no answer":            {silent.Addr().String(), "ended without an answer", false},
	} {
		h := behind(tt.socket)
		err := h.run(t.Context(), "1002", "s3cret")
		if err == nil || strings.Contains(err.Error(), "s3cret") || name != "a file" && !strings.Contains(err.Error(), tt.says) {
			t.Errorf("%s: %v, want %q", name, err, tt.says)
		}
		if err := h.Ping(t.Context()); (err == nil) != tt.pings || err != nil && !strings.Contains(err.Error(), tt.says) {
			t.Errorf("%s: asked: %v", name, err)
		}
	}
}

// A command that takes too long is killed with its children, because the other side
// hangs up.
func TestHookBehindASocketIsKilled(t *testing.T) {
	t.Parallel()
	const work = 3 * time.Second
	mark := filepath.Join(t.TempDir(), "mark")
	h := behind(listen(t, hook(t, `(sleep 3; touch `+mark+`) & wait`)))
	h.Timeout = 100 * time.Millisecond
	start := time.Now()
	if err := h.run(t.Context(), "1002", "s3cret"); err == nil || !strings.Contains(err.Error(), "not finished after 100ms") {
		t.Error(err)
	}
	time.Sleep(work + 300*time.Millisecond - time.Since(start))
	if _, err := os.Stat(mark); err == nil {
		t.Error("a child of the command lived on")
	}
}

// hookProcess names the command that this test binary serves on its standard input.
const hookProcess = "TOLLWARDEN_TEST_HOOK"

func TestServeHookProcess(t *testing.T) {
	command := os.Getenv(hookProcess)
	if command == "" {
		t.Skip("a process of TestHookOfSystemd")
	}
	if (Hook{Command: []string{command}}).ServeHook(t.Context(), os.Stdin, os.Stdout) != nil {
		os.Exit(1)
	}
	os.Exit(0)
}

// The same with systemd's own way to start a process for a connection.
func TestHookOfSystemd(t *testing.T) {
	activate, err := exec.LookPath("systemd-socket-activate")
	if err != nil {
		t.Skip("needs systemd-socket-activate (package systemd)")
	}
	out, socket := filepath.Join(t.TempDir(), "out"), filepath.Join(t.TempDir(), "hook.sock")
	command := hook(t, `cat > `+out+`; grep -q 1002 `+out).Command[0]
	cmd := exec.CommandContext(t.Context(), activate, "--accept", "--inetd", "--listen="+socket, "--setenv="+hookProcess+"="+command,
		os.Args[0], "-test.run=^TestServeHookProcess$")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	h := behind(socket)
	for deadline := time.Now().Add(10 * time.Second); h.Check() != nil && time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
	}
	if err := h.Ping(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := h.run(t.Context(), "1002", "s3cret"); err != nil {
		t.Error(err)
	}
	if got, err := os.ReadFile(out); err != nil || string(got) != `{"account":"1002","secret":"s3cret"}`+"\n" {
		t.Errorf("the command saw %q, %v", got, err)
	}
	if err := h.run(t.Context(), "1003", "s3cret"); err == nil || !strings.Contains(err.Error(), "exit status 1") {
		t.Errorf("a failure: %v", err)
	}
}
