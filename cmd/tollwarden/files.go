package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"golang.org/x/sys/unix"

	"github.com/tollwarden/tollwarden/config"
	"github.com/tollwarden/tollwarden/responder/control"
)

// checkFiles sees whether what is written can be written, by who runs it.
func checkFiles(_ context.Context, w io.Writer, cfg *config.Config) error {
	if err := errors.Join(writable(cfg.Data), stepsCanWrite(cfg, daemonUser(cfg))); err != nil {
		return err
	}
	fmt.Fprintln(w, "ok: records, secrets and copies can be written by this user; for the daemon's, see `tollwarden status`.")
	return nil
}

// checkFiles sees whether those are spared whom the allow file names, and whether
// the steps that change files could do so now: after a break-in it is too late to
// learn that they cannot.
func (d *daemon) checkFiles() control.Check {
	if err := d.allow.missing(); err != nil {
		return control.Check{Name: "files", Detail: fmt.Sprintf("whom the allow file names can be banned: %v: mend that, then `tollwarden reload`", err)}
	}
	err := stepsCanWrite(d.inForce.Load(), os.Geteuid())
	switch {
	case err == nil:
		return control.Check{Name: "files", OK: true, Detail: "what the steps change can be written"}
	case d.cfg.Mode == config.Observe:
		return control.Check{Name: "files", OK: true, Detail: "not concerned: mode observe; in mode enforce: " + err.Error()}
	}
	return control.Check{Name: "files", Detail: err.Error()}
}

// daemonUser is who the daemon runs as: where root asks, the data folder's owner.
func daemonUser(cfg *config.Config) int {
	var st unix.Stat_t
	if uid := os.Geteuid(); uid != 0 || unix.Stat(cfg.Data, &st) != nil {
		return uid
	}
	return int(st.Uid)
}

// stepsCanWrite sees whether the steps in use can write what they change: the
// new secrets, which are the user uid's, and in Asterisk's folder its files and
// their copies.
func stepsCanWrite(cfg *config.Config, uid int) error {
	used := stepsInUse(cfg)
	rotates := slices.Contains(used, config.StepRotate)
	if rotates {
		if err := canKeep(cfg, uid); err != nil {
			return fmt.Errorf("rotate will fail: %w", err)
		}
	}
	hook := cfg.Rotate.Method == "exec" || len(cfg.Rotate.Exec) > 0
	if !slices.Contains(used, config.StepLock) && !slices.Contains(used, config.StepRestrict) && (!rotates || hook) {
		return nil
	}
	dir := cfg.Asterisk.ConfigDir
	if err := writable(dir); err != nil {
		return fmt.Errorf("rotate, restrict and lock will fail: %w; restarting the packaged unit sets this right for /etc/asterisk, for another folder see ReadWritePaths in tollwarden.service and the line in tollwarden.tmpfiles", err)
	}
	for _, name := range []string{"pjsip.conf", "sip.conf"} {
		path := filepath.Join(dir, name)
		if err := unix.Access(path, unix.R_OK); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("rotate, restrict and lock will fail: %s: not readable for this user: %w; put it into the file's group (usermod -a -G asterisk tollwarden) and restart", path, err)
		}
	}
	return nil
}

// canKeep sees whether a new secret could be kept.
func canKeep(cfg *config.Config, uid int) error {
	vault, err := vaultOf(cfg)
	if err != nil {
		return err
	}
	err = vault.Check(uid)
	if errors.Is(err, fs.ErrNotExist) {
		return writable(filepath.Dir(cfg.Rotate.Store))
	}
	return err
}

// writable says whether files can be made in dir, or dir itself where there is
// none yet. It makes nothing.
func writable(dir string) error {
	for {
		err := unix.Access(dir, unix.W_OK|unix.X_OK)
		if errors.Is(err, fs.ErrNotExist) && dir != filepath.Dir(dir) {
			dir = filepath.Dir(dir)
			continue
		}
		if err != nil {
			return fmt.Errorf("%s: not writable for this user: %w", dir, err)
		}
		return nil
	}
}
