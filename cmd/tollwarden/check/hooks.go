package check

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

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
	case !permits(program, uid, mayRun):
		return failed("%s %s: the daemon's user (%s) cannot run it", key, program, userName(uid)).fix("chmod a+rx " + quote(blocked(program, uid, mayRun)))
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

// What a user may do with a file, as the bits of others in its mode.
const (
	mayRead = 0o4
	mayRun  = 0o1
)

// permits says whether a user may do something with a file, and search the folders above it.
func permits(path string, uid int, what fs.FileMode) bool { return blocked(path, uid, what) == "" }

// blocked is the file or the folder above it that keeps a user from it, or "".
func blocked(path string, uid int, what fs.FileMode) string {
	for p := filepath.Clean(path); ; p, what = filepath.Dir(p), mayRun {
		if !allows(p, uid, what) {
			return p
		}
		if p == filepath.Dir(p) {
			return ""
		}
	}
}

// allows says whether the mode of a file lets a user do something with it. One with an access
// list gets the benefit of the doubt.
func allows(path string, uid int, what fs.FileMode) bool {
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
		return what != mayRun || mode&0o111 != 0
	case int(st.Uid) == uid:
		return mode>>6&what != 0
	case slices.Contains(groupsOf(uid), int(st.Gid)):
		return mode>>3&what != 0
	case mode&what != 0:
		return true
	}
	n, err := unix.Getxattr(path, "system.posix_acl_access", nil)
	return err == nil && n > 0
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

func groupName(gid int) string {
	if g, err := user.LookupGroupId(strconv.Itoa(gid)); err == nil {
		return g.Name
	}
	return fmt.Sprint(gid)
}
