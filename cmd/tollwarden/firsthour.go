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
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/tollwarden/tollwarden/cmd/tollwarden/firsthour"
	"github.com/tollwarden/tollwarden/cmd/tollwarden/output"
	"github.com/tollwarden/tollwarden/cmd/tollwarden/settings"
	"github.com/tollwarden/tollwarden/config"
	"github.com/tollwarden/tollwarden/responder/control"
	"github.com/tollwarden/tollwarden/responder/ledger"
)

func newFirstHour() *cobra.Command {
	cmd := &cobra.Command{
		Use: "first-hour", Short: "Say what to do now, after a break-in or a robbery", Args: args(cobra.NoArgs),
		Long: "Say what to do in the first hour after somebody made calls at your cost: stop it, what to tell the carrier,\n" +
			"which evidence to keep and how, which passwords to change, and whom to report it to. It is filled in with\n" +
			"this PBX's lines, the break-ins on record, their calls and what they cost. It changes nothing, and works\n" +
			"without a running daemon, too; what it could not find out is listed at the end.",
		Example:    "  tollwarden first-hour\n  tollwarden first-hour --since 7d > first-hour.txt",
		SuggestFor: []string{"help-me", "emergency", "robbed"},
	}
	file, socket, asJSON := configFlag(cmd), socketFlag(cmd), jsonFlag(cmd)
	since := cmd.Flags().String("since", "30d", "list break-ins of this `TIME`, up to now")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		back, err := config.ParseDuration(*since)
		if err != nil {
			return usage(fmt.Errorf("--since %q: %w", *since, err))
		}
		f := firstHourFacts(cmd.Context(), *file, *socket, time.Now(), back)
		if *asJSON {
			return output.JSON(cmd.OutOrStdout(), f)
		}
		return f.Print(cmd.OutOrStdout())
	}
	return cmd
}

// firstHourFacts gathers what can be found out here. It never fails: what is missing is
// named.
func firstHourFacts(ctx context.Context, file, socket string, now time.Time, back time.Duration) *firsthour.Facts {
	f := &firsthour.Facts{At: now, Since: now.Add(-back), Unknown: []string{}, BreakIns: []firsthour.BreakIn{}, Package: control.HasUnit()}
	unknown := func(what string, err error) {
		f.Unknown = append(f.Unknown, what+": "+strings.ReplaceAll(err.Error(), "\n", "; "))
	}
	var err error
	if f.Host, err = os.Hostname(); err != nil {
		f.Host = "this machine"
	}
	cfg, err := settings.Load(file)
	if err != nil {
		unknown("who gets messages", err)
		cfg = config.Default()
	} else {
		f.Receivers = receiverNames(&cfg.Notify)
	}
	f.Currency = cfg.Calls.Budget.Currency
	f.Keep, f.Leave = evidencePaths(cfg)
	if f.Trunks, err = firsthour.ReadTrunks(cfg.Asterisk.ConfigDir); err != nil {
		unknown("the lines to carriers", err)
	} else if len(f.Trunks) == 0 {
		f.Unknown = append(f.Unknown, "the lines to carriers: no registration is in "+cfg.Asterisk.ConfigDir+"; look into your contracts")
	}
	client := control.Dial(socket)
	status, err := client.Status(ctx)
	if err == nil {
		f.Running, f.State, f.Stopping = true, answer(status), status.Health == control.Healthy && status.Pause == nil && status.Mode == string(config.Enforce)
		if status.Pause != nil {
			f.State = "PAUSED: an attack is reported, but not stopped."
		}
		err = f.ReadBreakIns(ctx, client, stepOutcome)
	} else {
		f.State = "AN ATTACK IS NOT STOPPED BY TOLLWARDEN NOW: " + err.Error()
		err = recordedBreakIns(ctx, f, settings.LedgerPath(cfg))
	}
	if err != nil {
		unknown("break-ins, their calls and what they cost", err)
	}
	return f
}

// receiverNames are who gets messages.
func receiverNames(n *config.Notify) []string {
	names := append([]string{}, n.Mail.To...)
	if n.Webhook != "" {
		names = append(names, "a webhook")
	}
	if n.Syslog != "" {
		names = append(names, "syslog ("+n.Syslog+")")
	}
	return names
}

// evidencePaths are what to keep, as far as it is there, and what to leave out of it.
func evidencePaths(cfg *config.Config) (keep, leave []string) {
	for _, path := range []string{"/var/log/asterisk", cfg.Asterisk.Log, cfg.Data, cfg.Asterisk.ConfigDir, "/var/log/auth.log", "/var/log/secure", "/var/log/httpd", "/var/log/apache2"} {
		inside := func(folder string) bool { return path == folder || strings.HasPrefix(path, folder+"/") }
		if _, err := os.Stat(path); err == nil && !slices.ContainsFunc(keep, inside) {
			keep = append(keep, path)
		}
	}
	if len(keep) == 0 {
		keep = []string{"/var/log/asterisk"}
	}
	return keep, []string{cfg.Rotate.Store}
}

// recordedBreakIns reads the records of a daemon that does not run. It reads a copy, since
// whoever opens the file may write into it, as another user than the daemon.
func recordedBreakIns(ctx context.Context, f *firsthour.Facts, path string) (err error) {
	dir, err := os.MkdirTemp("", "tollwarden-first-hour-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	for _, suffix := range []string{"", "-wal"} {
		if err := copyFile(filepath.Join(dir, "ledger.db"+suffix), path+suffix); err != nil && (suffix == "" || !errors.Is(err, fs.ErrNotExist)) {
			return err
		}
	}
	l, err := ledger.Open(filepath.Join(dir, "ledger.db"), ledger.Options{})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, l.Close()) }()
	return f.ReadBreakIns(ctx, l, stepOutcome)
}

func copyFile(to, from string) (err error) {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Close())
}
