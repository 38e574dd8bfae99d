package pbx

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// HookSocket begins the command of a hook that is no program but a socket, behind which
// ServeHook runs one with rights that this process has not: "unix:/run/hook.sock".
const HookSocket = "unix:"

// hookAnswers is how long the socket may take to answer a question that changes nothing.
const hookAnswers = 5 * time.Second

// maxHookLine bounds a request and an answer, in bytes.
const maxHookLine = 64 << 10

// hookAnswer is the one line that ServeHook answers.
type hookAnswer struct {
	OK    bool   `json:"ok"`
	Said  string `json:"said,omitempty"`
	Error string `json:"error,omitempty"`
}

// socket is the path of the hook's socket, if it is one.
func (h Hook) socket() (path string, ok bool) {
	if len(h.Command) == 0 {
		return "", false
	}
	return strings.CutPrefix(h.Command[0], HookSocket)
}

// checkSocket says whether this process may connect to the socket.
func checkSocket(path string) error {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return noHookSocket(path)
	case err != nil:
		return fmt.Errorf("hook %s: %w", path, err)
	case info.Mode().Type() != fs.ModeSocket:
		return fmt.Errorf("hook %s: not a socket", path)
	case unix.Access(path, unix.W_OK) != nil:
		return fmt.Errorf("hook %s: this user may not connect: the socket must belong to its group, with mode 0660", path)
	}
	return nil
}

func noHookSocket(path string) error {
	return fmt.Errorf("hook %s: nothing listens there: systemctl enable --now tollwarden-hook.socket", path)
}

// Ping is Check, and asks a hook behind a socket whether it could run its command.
// Nothing is changed.
func (h Hook) Ping(ctx context.Context) error {
	if err := h.Check(); err != nil {
		return err
	}
	path, ok := h.socket()
	if !ok {
		return nil
	}
	h.Timeout = hookAnswers
	_, err := h.ask(ctx, path, nil, "")
	return err
}

// ask sends a line to the hook's socket and waits for the answer. Closing the connection
// ends the command.
func (h Hook) ask(ctx context.Context, path string, line []byte, secret string) (said string, err error) {
	timeout := cmp.Or(h.Timeout, time.Minute)
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	var d net.Dialer
	conn, err := d.DialContext(ctx, "unix", path)
	switch {
	case errors.Is(err, syscall.ECONNREFUSED) || errors.Is(err, fs.ErrNotExist):
		return "", noHookSocket(path)
	case err != nil:
		return "", fmt.Errorf("hook %s: %w", path, err)
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })()

	_, _ = conn.Write(append(line, '\n')) // the answer tells, also that of a command that reads nothing
	text, rerr := bufio.NewReader(io.LimitReader(conn, maxHookLine)).ReadBytes('\n')
	var answer hookAnswer
	switch {
	case ctx.Err() != nil && errors.Is(ctx.Err(), context.DeadlineExceeded):
		return "", fmt.Errorf("hook %s: not finished after %v, ended", path, timeout)
	case ctx.Err() != nil:
		return "", fmt.Errorf("hook %s: %w", path, ctx.Err())
	case rerr != nil || json.Unmarshal(text, &answer) != nil:
		return "", fmt.Errorf("hook %s: it ended without an answer: journalctl -u 'tollwarden-hook@*' says why", path)
	case !answer.OK:
		var t tail
		_, _ = t.Write([]byte(cmp.Or(answer.Error, "it failed and did not say why")))
		return "", fmt.Errorf("hook %s: %s", path, t.text(secret))
	}
	return answer.Said, nil
}

// ServeHook answers one connection to a hook's socket, whose two directions are in and
// out: it reads a line as [Hook] gives it, runs the command, and answers with one line.
// An empty line asks only whether the command could be run. The command is killed when
// the other side goes away. Nobody but root, or whoever this runs as, may be able to
// change it.
func (h Hook) ServeHook(ctx context.Context, in io.Reader, out io.Writer) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var answer hookAnswer
	said, err := h.serve(ctx, cancel, bufio.NewReaderSize(in, maxHookLine))
	if answer = (hookAnswer{OK: err == nil, Said: said}); err != nil {
		answer.Error = err.Error()
	}
	return errors.Join(err, json.NewEncoder(out).Encode(answer))
}

func (h Hook) serve(ctx context.Context, gone func(), in *bufio.Reader) (said string, err error) {
	line, err := in.ReadSlice('\n')
	if err != nil {
		return "", fmt.Errorf("read the request: %w", err)
	}
	if err := errors.Join(h.Check(), h.guarded()); err != nil || len(line) == 1 {
		return "", err
	}
	request := hookRequest{}
	if err := json.Unmarshal(line, &request); err != nil || request.Account == "" || request.Secret == "" {
		return "", errors.New(`not a request: want {"account":"…","secret":"…"}`) // it may hold a password
	}
	line = append([]byte{}, line[:len(line)-1]...) // the reader's own bytes are read over
	go func() {
		_, _ = in.ReadByte()
		gone()
	}()
	return h.Run(ctx, line, request.Secret)
}

// guarded returns an error if users other than root could change the command.
func (h Hook) guarded() error {
	for _, path := range []string{h.Command[0], filepath.Dir(h.Command[0])} {
		var st unix.Stat_t
		if err := unix.Stat(path, &st); err != nil {
			return fmt.Errorf("hook %s: %w", path, err)
		}
		if st.Uid != 0 && int(st.Uid) != os.Geteuid() || st.Mode&0o022 != 0 {
			return fmt.Errorf("hook %s: users other than root could change it: chown root and chmod go-w %s", h.Command[0], path)
		}
	}
	return nil
}
