package pbx

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Hook is a command of the operator's. It runs without a shell, in a process
// group of its own and with PATH as its only environment.
//
// As Options.Hook it is the operator's own way to change a secret, for systems
// that generate Asterisk's files or keep accounts in their own database. Its
// standard input is one line of JSON:
//
//	{"account":"1002","secret":"…"}
//
// It must return 0 only when the new secret is in force.
//
// A command that begins with [HookSocket] runs elsewhere, with the rights that it has
// there.
type Hook struct {
	Command []string      // program and arguments, or a socket
	Timeout time.Duration // default 60 s; the command and its children are killed then
}

// hookRequest is what a hook reads.
type hookRequest struct {
	Account string `json:"account"`
	Secret  string `json:"secret"`
}

// Check says whether this process could run the command now, or connect to its socket.
func (h Hook) Check() error {
	if socket, ok := h.socket(); ok {
		return checkSocket(socket)
	}
	path := h.Command[0]
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return fmt.Errorf("hook %s: %w", path, err)
	case info.IsDir():
		return fmt.Errorf("hook %s: a folder", path)
	case unix.Access(path, unix.X_OK) != nil:
		return fmt.Errorf("hook %s: not executable for this user: chmod 755 it, and let the user in the folders above", path)
	}
	return nil
}

// run gives the secret to the command and waits for its end.
func (h Hook) run(ctx context.Context, account, secret string) error {
	input, err := json.Marshal(hookRequest{account, secret})
	if err != nil {
		return fmt.Errorf("prepare hook input: %w", err)
	}
	_, err = h.Run(ctx, input, secret)
	return err
}

// Run gives the command one line on its standard input and waits for its end.
// said is the last of what it printed, quoted, and "" for nothing; an error has
// it in its words. Neither holds the secret, when there is one.
func (h Hook) Run(ctx context.Context, input []byte, secret string) (said string, err error) {
	if socket, ok := h.socket(); ok {
		return h.ask(ctx, socket, input, secret)
	}
	timeout := cmp.Or(h.Timeout, time.Minute)
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	var out tail
	cmd := exec.CommandContext(ctx, h.Command[0], h.Command[1:]...)
	cmd.Env = []string{"PATH=" + cmp.Or(os.Getenv("PATH"), "/usr/sbin:/usr/bin:/sbin:/bin")}
	cmd.Stdin = bytes.NewReader(append(input, '\n'))
	cmd.Stdout, cmd.Stderr = &out, &out
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = time.Second

	err = cmd.Run()
	said = out.quote(secret)
	switch {
	case err == nil:
		return said, nil
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		return said, fmt.Errorf("hook %s: not finished after %v, killed", h.Command[0], timeout)
	case said != "":
		return said, fmt.Errorf("hook %s: %w: it said %s", h.Command[0], err, said)
	default:
		return "", fmt.Errorf("hook %s: %w", h.Command[0], err)
	}
}

// tail keeps the last bytes written to it.
type tail struct{ b []byte }

const maxTail = 300

func (t *tail) Write(p []byte) (int, error) {
	t.b = append(t.b, p...)
	if len(t.b) > 2*maxTail {
		t.b = append(t.b[:0], t.b[len(t.b)-2*maxTail:]...)
	}
	return len(p), nil
}

// quote returns the text for one line, without the secret.
func (t *tail) quote(secret string) string {
	s := t.text(secret)
	if s == "" {
		return ""
	}
	return strconv.Quote(s)
}

// text returns the text without the secret.
func (t *tail) text(secret string) string {
	s := string(t.b)
	if secret != "" {
		s = strings.ReplaceAll(s, secret, "<secret>")
	}
	s = strings.TrimSpace(s)
	if len(s) > maxTail {
		s = "…" + s[len(s)-maxTail:]
	}
	return s
}
