package check

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/tollwarden/tollwarden/ami"
	"github.com/tollwarden/tollwarden/ami/pbx"
	"github.com/tollwarden/tollwarden/config"
)

// console runs a command of Asterisk's console and returns what it prints.
type console func(ctx context.Context, command string) (string, error)

// errNoConsole reports that neither the manager interface nor this machine has a console.
var errNoConsole = errors.New("no console of Asterisk")

// consoleOf is Asterisk's console: over the session if the user may, otherwise that of the
// Asterisk on this machine.
func consoleOf(client *ami.Client, may pbx.Privileges, cfg *config.Config) console {
	if slices.Contains(may.Classes, "command") {
		return func(ctx context.Context, command string) (string, error) {
			r, err := client.Do(ctx, ami.Action{Name: "Command", Fields: []ami.Field{{Name: "Command", Value: command}}})
			if err != nil {
				return "", err
			}
			var lines []string
			for _, f := range r.Fields {
				if f.Name == "Output" {
					lines = append(lines, f.Value)
				}
			}
			return strings.Join(lines, "\n"), nil
		}
	}
	return localConsole(cfg.Asterisk.ConfigDir)
}

// localConsole is the console of the Asterisk on this machine whose configuration is in a
// folder.
func localConsole(folder string) console {
	return func(ctx context.Context, command string) (string, error) {
		path, err := exec.LookPath("asterisk")
		if err != nil {
			return "", errNoConsole
		}
		ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
		defer cancel()
		args := []string{"-rx", command}
		if conf := filepath.Join(folder, "asterisk.conf"); folder != "/etc/asterisk" {
			if _, err := os.Stat(conf); err == nil {
				args = append([]string{"-C", conf}, args...)
			}
		}
		out, err := exec.CommandContext(ctx, path, args...).CombinedOutput()
		if err != nil {
			return string(out), errNoConsole
		}
		return string(out), nil
	}
}
