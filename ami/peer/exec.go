package peer

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"
)

// Hook is the operator's own way to change a secret, for systems that generate
// Asterisk's files or keep accounts in their own database. The command runs
// without a shell and with PATH as its only environment. Its standard input is
// one line of JSON:
//
//	{"account":"1002","secret":"…"}
//
// It must return 0 only when the new secret is in force.
type Hook struct {
	Command []string      // program and arguments
	Timeout time.Duration // default 60 s; the command and its children are killed then
}

// run gives the secret to the command and waits for its end.
func (h Hook) run(ctx context.Context, account, secret string) error {
	timeout := cmp.Or(h.Timeout, time.Minute)
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	input, err := json.Marshal(struct {
		Account string `json:"account"`
		Secret  string `json:"secret"`
	}{account, secret})
	if err != nil {
		return fmt.Errorf("prepare hook input: %w", err)
	}
	var out tail
	cmd := exec.CommandContext(ctx, h.Command[0], h.Command[1:]...)
	cmd.Env = []string{"PATH=" + cmp.Or(os.Getenv("PATH"), "/usr/sbin:/usr/bin:/sbin:/bin")}
	cmd.Stdin = bytes.NewReader(append(input, '\n'))
	cmd.Stdout, cmd.Stderr = &out, &out
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = time.Second

	err = cmd.Run()
	switch {
	case err == nil:
		return nil
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		return fmt.Errorf("hook %s: not finished after %v, killed", h.Command[0], timeout)
	default:
		return fmt.Errorf("hook %s: %w%s", h.Command[0], err, out.quote(secret))
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

// quote returns the text for an error line, without the secret.
func (t *tail) quote(secret string) string {
	s := strings.TrimSpace(strings.ReplaceAll(string(t.b), secret, "<secret>"))
	if len(s) > maxTail {
		s = "…" + s[len(s)-maxTail:]
	}
	if s == "" {
		return ""
	}
	return fmt.Sprintf(": it said %q", s)
}
