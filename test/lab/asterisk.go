package lab

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// asterisk is one running Asterisk process.
type asterisk struct {
	cmd  *exec.Cmd
	done chan struct{} // closed when the process has ended and been waited for
}

// launch starts Asterisk at the host pbx, in root, with its console going to the file console.
func launch(pbx *Host, root, console string) (*asterisk, error) {
	out, err := os.OpenFile(console, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, fmt.Errorf("open Asterisk's console: %w", err)
	}
	defer out.Close()
	// The program runs as long as the lab, not as long as the context it was started with.
	// Debian's service runs Asterisk with a high priority, too (AST_REALTIME).
	cmd := pbx.Command(context.Background(), "nice", "-n", "-10", "chroot", root, "asterisk", "-f")
	cmd.Stdout, cmd.Stderr = out, out
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // a Ctrl-C is for the lab, not for Asterisk
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start Asterisk: %w", err)
	}
	a := &asterisk{cmd: cmd, done: make(chan struct{})}
	go func() {
		defer close(a.done)
		_ = cmd.Wait() // how it ended is told by its messages
	}()
	return a, nil
}

func (a *asterisk) running() bool {
	select {
	case <-a.done:
		return false
	default:
		return true
	}
}

// signal sends s and waits for the end of the process.
func (a *asterisk) signal(s unix.Signal, patience time.Duration) error {
	if !a.running() {
		return nil
	}
	if err := a.cmd.Process.Signal(s); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("stop Asterisk: %w", err)
	}
	select {
	case <-a.done:
		return nil
	case <-time.After(patience):
		return fmt.Errorf("stop Asterisk: process %d did not end within %s of %s", a.cmd.Process.Pid, patience, s)
	}
}

func (a *asterisk) kill() error { return a.signal(unix.SIGKILL, 5*time.Second) }

// Run starts Asterisk after [Lab.Stop] or [Lab.Kill] and waits until it is fully booted and AMI
// answers.
func (l *Lab) Run(ctx context.Context) error {
	if l.asterisk != nil && l.asterisk.running() {
		return errors.New("start Asterisk: it runs already")
	}
	a, err := launch(l.PBX, l.root, l.console())
	if err != nil {
		return err
	}
	l.asterisk = a
	ctx, cancel := context.WithTimeout(ctx, bootTime)
	defer cancel()
	for {
		if err = l.booted(ctx); err == nil {
			return nil
		}
		select {
		case <-a.done:
			return fmt.Errorf("start Asterisk: it ended at once: %s", l.Messages())
		case <-ctx.Done():
			return fmt.Errorf("start Asterisk: not fully booted: %w: %s", err, l.Messages())
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// booted returns nil once Asterisk says that it is fully booted and AMI greets.
func (l *Lab) booted(ctx context.Context) error {
	said, err := l.CLI(ctx, "core waitfullybooted")
	if err != nil {
		return err
	}
	if !strings.Contains(said, "fully booted") {
		return errors.New(said)
	}
	conn, err := l.PBX.Dial(ctx, "tcp", AMIAddress)
	if err != nil {
		return err
	}
	defer conn.Close()
	if deadline, ok := ctx.Deadline(); ok {
		_ = conn.SetDeadline(deadline)
	}
	_, err = bufio.NewReader(conn).ReadString('\n')
	return err
}

// Stop ends Asterisk as its service would, and by force when it does not listen. Files, the
// database of registrations among them, stay.
func (l *Lab) Stop() error {
	if err := l.asterisk.signal(unix.SIGTERM, 5*time.Second); err != nil {
		return l.asterisk.kill()
	}
	return nil
}

// Kill ends Asterisk as a crash would.
func (l *Lab) Kill() error { return l.asterisk.kill() }

// Restart stops Asterisk and starts it again.
func (l *Lab) Restart(ctx context.Context) error {
	if err := l.Stop(); err != nil {
		return err
	}
	return l.Run(ctx)
}

// CLI runs a command of Asterisk's console, such as "pjsip show contacts", and returns what it
// prints.
func (l *Lab) CLI(ctx context.Context, command string) (string, error) {
	out, err := l.PBX.Command(ctx, "chroot", l.root, "asterisk", "-rx", command).CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("asterisk -rx %q: %w: %s", command, err, out)
	}
	return string(out), nil
}

// Messages is the end of what Asterisk wrote to its console and its log, for people to read.
func (l *Lab) Messages() string {
	const most = 8 << 10
	var b strings.Builder
	for _, file := range []string{l.console(), l.Path("var/log/asterisk/messages")} {
		text, _ := os.ReadFile(file)
		b.Write(text[max(0, len(text)-most):])
	}
	return b.String()
}

func (l *Lab) console() string { return filepath.Join(l.dir, "console") }

// Freeze stops Asterisk as it stands, as a deadlock would, until [Lab.Thaw].
func (l *Lab) Freeze() error { return l.asterisk.cmd.Process.Signal(unix.SIGSTOP) }

// Thaw lets a frozen Asterisk go on.
func (l *Lab) Thaw() error { return l.asterisk.cmd.Process.Signal(unix.SIGCONT) }
