package check

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/tollwarden/tollwarden/ami/pbx"
	"github.com/tollwarden/tollwarden/cmd/tollwarden/settings"
	"github.com/tollwarden/tollwarden/config"
)

// hooks tests that the daemon's user could run the commands of the configuration.
func hooks(ctx context.Context, cfg *config.Config) (out []Result) {
	uid := settings.DaemonUser(cfg)
	for _, h := range []struct {
		key     string
		command []string
		used    bool
	}{
		{"rotate.exec", cfg.Rotate.Exec, settings.RotateHook(cfg) != ""},
		{"exec.command", cfg.Exec.Command, true},
	} {
		if len(h.command) == 0 || !h.used {
			continue
		}
		out = append(out, hook(ctx, h.key, h.command, uid))
	}
	return out
}

func hook(ctx context.Context, key string, command []string, uid int) Result {
	program := command[0]
	if strings.HasPrefix(program, pbx.HookSocket) {
		if err := (pbx.Hook{Command: command}).Ping(ctx); err != nil {
			return failed("%s: %v", key, err).fix("systemctl enable --now tollwarden-hook.socket")
		}
		return passed("%s: %s answers, and can run its command", key, program)
	}
	info, err := os.Stat(program)
	switch {
	case err != nil:
		return failed("%s %s: this user cannot run it: %v", key, program, plainPath(err))
	case info.IsDir():
		return failed("%s %s: a folder", key, program)
	case !mayRun(program, uid):
		return failed("%s %s: the daemon's user (%s) cannot run it", key, program, userName(uid)).fix(runFix(program, uid))
	}
	return passed("%s: the daemon's user can run %s", key, program)
}

// plainPath is an error without the operation and the path, which the text has.
func plainPath(err error) error {
	var p *os.PathError
	if errors.As(err, &p) {
		return p.Err
	}
	return err
}

// mayRun says whether a user may run a program: its own mode, and those of the folders.
func mayRun(path string, uid int) bool {
	for p := path; ; p = filepath.Dir(p) {
		if !executable(p, uid) {
			return false
		}
		if p == filepath.Dir(p) {
			return true
		}
	}
}

// runFix opens the first of the program and its folders that the user may not use.
func runFix(path string, uid int) string {
	for p := path; p != filepath.Dir(p); p = filepath.Dir(p) {
		if !executable(p, uid) {
			return "chmod a+rx " + quote(p)
		}
	}
	return ""
}

// executable says whether a user may execute a file, or search a folder.
func executable(path string, uid int) bool {
	info, err := os.Stat(path)
	if err != nil {
		return false
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	mode := info.Mode().Perm()
	switch {
	case !ok:
		return false
	case uid == 0:
		return mode&0o111 != 0
	case int(st.Uid) == uid:
		return mode&0o100 != 0
	case slices.Contains(groupsOf(uid), int(st.Gid)):
		return mode&0o010 != 0
	}
	return mode&0o001 != 0
}

// groupsOf are the groups of a user.
func groupsOf(uid int) (out []int) {
	u, err := user.LookupId(strconv.Itoa(uid))
	if err != nil {
		return nil
	}
	ids, err := u.GroupIds()
	if err != nil {
		return nil
	}
	for _, id := range ids {
		if n, err := strconv.Atoi(id); err == nil {
			out = append(out, n)
		}
	}
	return out
}

func userName(uid int) string {
	if u, err := user.LookupId(strconv.Itoa(uid)); err == nil {
		return u.Username
	}
	return fmt.Sprint(uid)
}
