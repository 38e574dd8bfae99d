package settings

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"golang.org/x/sys/unix"

	"github.com/tollwarden/tollwarden/ami/pbx"
	"github.com/tollwarden/tollwarden/config"
)

// DaemonUser is the user that the daemon runs as: the data folder's owner if root
// asks, otherwise whoever asks.
func DaemonUser(cfg *config.Config) int {
	var st unix.Stat_t
	if uid := os.Geteuid(); uid != 0 || unix.Stat(cfg.Data, &st) != nil {
		return uid
	}
	return int(st.Uid)
}

// StepsCanWrite checks that the steps in use can write what they change: the file
// of new passwords, which must belong to uid, and the files in Asterisk's folder
// with their backups. Nothing is written.
func StepsCanWrite(cfg *config.Config, uid int) error {
	used := StepsInUse(cfg)
	rotates := slices.Contains(used, config.StepRotate)
	if rotates {
		if err := canKeepPasswords(cfg, uid); err != nil {
			return fmt.Errorf("rotate will fail: %w", err)
		}
	}
	hook := cfg.Rotate.Method == "exec" || len(cfg.Rotate.Exec) > 0
	if rotates && hook {
		if err := (pbx.Hook{Command: cfg.Rotate.Exec}).Check(); err != nil {
			return fmt.Errorf("rotate will fail: %w", err)
		}
	}
	if slices.Contains(used, config.StepExec) && len(cfg.Exec.Command) > 0 {
		if err := (pbx.Hook{Command: cfg.Exec.Command}).Check(); err != nil {
			return fmt.Errorf("exec will fail: %w", err)
		}
	}
	if !slices.Contains(used, config.StepLock) && !slices.Contains(used, config.StepRestrict) && (!rotates || hook) {
		return nil
	}
	if err := canEditAsterisk(cfg.Asterisk.ConfigDir); err != nil {
		return fmt.Errorf("rotate, restrict and lock will fail: %w", err)
	}
	return nil
}

// canEditAsterisk checks that files in Asterisk's folder can be read and replaced.
func canEditAsterisk(dir string) error {
	if err := Writable(dir); err != nil {
		return fmt.Errorf("%w; for /etc/asterisk, restart the packaged unit; for another folder, see ReadWritePaths in tollwarden.service and the line in tollwarden.tmpfiles", err)
	}
	for _, name := range []string{"pjsip.conf", "sip.conf"} {
		path := filepath.Join(dir, name)
		if err := unix.Access(path, unix.R_OK); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("%s: not readable for this user: %w; add the user to the file's group (usermod -a -G asterisk tollwarden) and restart", path, err)
		}
	}
	return nil
}

// canKeepPasswords checks that a new password could be kept.
func canKeepPasswords(cfg *config.Config, uid int) error {
	vault, err := vault(cfg)
	if err != nil {
		return err
	}
	err = vault.Check(uid)
	if errors.Is(err, fs.ErrNotExist) {
		return Writable(filepath.Dir(cfg.Rotate.Store))
	}
	return err
}

// Writable checks that files can be made in dir, or dir itself if it does not
// exist yet. It makes nothing.
func Writable(dir string) error {
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
