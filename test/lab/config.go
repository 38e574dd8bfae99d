package lab

import (
	"embed"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
)

// conf holds the lab's configuration: what both versions share, then each technology's own.
//
//go:embed conf
var conf embed.FS

// How to log in to AMI at [AMIAddress] inside the PBX's namespace.
const (
	AMIAddress = "127.0.0.1:5038"

	AMIUser   = "tollwarden" // has every class the daemon needs
	AMISecret = "lab-warden-secret"

	WatcherUser   = "watcher" // reads security and call, may write nothing but reporting
	WatcherSecret = "lab-watcher-secret"
)

// Realm is what the PBX calls itself in its challenges.
const Realm = "asterisk"

// Passwords are the SIP passwords of the accounts as configured at the start. That of 1004
// comes from a template, of 1005 the PBX knows only the MD5 digest, and [RealtimeAccount] is there
// with Options.Realtime alone.
var Passwords = map[string]string{
	"1001": "office-1001-Rk7",
	"1002": "office-1002-Wq4",
	"1003": "office-1003-Zt9",
	"1004": "office-shared-Mb2",
	"1005": "office-1005-Hd6",

	RealtimeAccount: "remote-1101-Pk3",
}

// writeHosts names the PBX, so that what asks for its own name gets no error of a resolver that
// is out of reach.
func writeHosts(root string) error {
	name, err := os.Hostname()
	if err != nil {
		return fmt.Errorf("find host name: %w", err)
	}
	lines := "127.0.0.1 localhost\n" + PBXAddress + " " + name + "\n"
	if err := os.WriteFile(filepath.Join(root, "etc/hosts"), []byte(lines), 0o644); err != nil {
		return fmt.Errorf("write hosts: %w", err)
	}
	return nil
}

// writeConfig puts the lab's configuration into /etc/asterisk, and the options' on top of it.
// Samples of Debian's that nobody replaces stay: what reads them is not loaded.
func writeConfig(root string, r release, o Options) error {
	dir := filepath.Join(root, "etc/asterisk")
	for _, part := range []string{"common", r.technology} {
		if err := copyConfig(dir, path.Join("conf", part)); err != nil {
			return fmt.Errorf("write configuration: %w", err)
		}
	}
	if o.Realtime {
		if err := addRealtime(root); err != nil {
			return err
		}
	}
	for name, content := range o.Files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o640); err != nil {
			return fmt.Errorf("write configuration: %w", err)
		}
	}
	for name, content := range o.Append {
		if err := appendFile(filepath.Join(dir, name), content); err != nil {
			return fmt.Errorf("append to configuration: %w", err)
		}
	}
	return nil
}

func copyConfig(dir, from string) error {
	entries, err := fs.ReadDir(conf, from)
	if err != nil {
		return err
	}
	for _, e := range entries {
		content, err := conf.ReadFile(path.Join(from, e.Name()))
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(dir, e.Name()), content, 0o640); err != nil {
			return err
		}
	}
	return nil
}

func appendFile(name, content string) error {
	f, err := os.OpenFile(name, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o640)
	if err != nil {
		return err
	}
	if _, err := f.WriteString("\n" + content); err != nil {
		f.Close()
		return err
	}
	return f.Close()
}
