package check

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/tollwarden/tollwarden/cmd/tollwarden/settings"
	"github.com/tollwarden/tollwarden/config"
)

// files tests that the daemon could write what it writes.
func files(_ context.Context, cfg *config.Config) []Result {
	var out []Result
	if err := settings.Writable(cfg.Data); err != nil {
		out = append(out, failed("%v", err).fix("install -d -m 700 "+quote(cfg.Data)))
	}
	if err := settings.StepsCanWrite(cfg, settings.DaemonUser(cfg)); err != nil {
		out = append(out, failed("%v", err).fix(writeFix(cfg)))
	}
	if len(out) == 0 {
		out = append(out, passed("this user can write records, passwords and backups; for the daemon's user, see `tollwarden status`"))
	}
	return out
}

// writeFix is the command that lets the packaged daemon write into Asterisk's folder.
func writeFix(cfg *config.Config) string {
	if cfg.Asterisk.ConfigDir == "/etc/asterisk" {
		return "systemd-tmpfiles --create tollwarden.conf"
	}
	return "setfacl -m u:tollwarden:rwx,m::rwx " + quote(cfg.Asterisk.ConfigDir)
}

// fileModes looks for files with secrets that other users of this machine can read, and for
// a control socket that they can use.
func fileModes(file string) func(context.Context, *config.Config) []Result {
	return func(_ context.Context, cfg *config.Config) (out []Result) {
		type private struct {
			path, what string
			mask       fs.FileMode // what others must not have
			mode       string      // that the fix sets
		}
		list := []private{
			{settings.LedgerPath(cfg), "the records", 0o007, "600"},
			{cfg.Rotate.Store, "the file of new passwords", 0o077, "600"},
			{cfg.Socket, "the control socket", 0o002, "600"},
		}
		if file != "" && holdsSecret(cfg, file) {
			list = append([]private{{file, "the configuration, which has secrets in it,", 0o007, "640"}}, list...)
		}
		if path := secretFile(file); path != "" {
			list = append(list, private{path, "the secret's file", 0o077, "600"})
		}
		for _, p := range list {
			info, err := os.Stat(p.path)
			if err != nil || info.IsDir() || info.Mode().Perm()&p.mask == 0 {
				continue
			}
			out = append(out, failed("%s %s can be used by other users of this machine (mode %04o)", p.what, p.path, info.Mode().Perm()).
				fix(fmt.Sprintf("chmod %s %s", p.mode, quote(filepath.Clean(p.path)))))
		}
		uid := settings.DaemonUser(cfg)
		for _, path := range []string{file, secretFile(file)} {
			if path != "" && !permits(path, uid, mayRead) {
				out = append(out, failed("the daemon's user (%s) cannot read %s", userName(uid), path).
					fix(fmt.Sprintf("chown %s %s", quote(userName(uid)), quote(path))))
			}
		}
		if len(out) == 0 {
			out = append(out, passed("no other user of this machine can read passwords, the records or the control socket"))
		}
		return out
	}
}

// holdsSecret says whether the configuration file itself has a secret.
func holdsSecret(cfg *config.Config, file string) bool {
	return secretFile(file) == "" && cfg.Asterisk.Secret != "" && os.Getenv(config.SecretEnv) == "" || cfg.Notify.Mail.Password != "" || cfg.Notify.Webhook != ""
}
