package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/tollwarden/tollwarden/cmd/tollwarden/backup"
	"github.com/tollwarden/tollwarden/cmd/tollwarden/daemon"
	"github.com/tollwarden/tollwarden/cmd/tollwarden/output"
	"github.com/tollwarden/tollwarden/cmd/tollwarden/settings"
	"github.com/tollwarden/tollwarden/responder/incident"
)

func newBackup() *cobra.Command {
	cmd := &cobra.Command{
		Use: "backup FILE", Short: "Store configuration, bans, history and allow list in one file", Args: args(cobra.ExactArgs(1)),
		Long: "Store the configuration, the records (bans, incidents, locks and other orders, known places), the allow\n" +
			"list, the carrier's rates and the key of the orders in one file, mode 0600. The daemon may be running.\n" +
			"`tollwarden restore FILE` brings them to another host, or back to this one.\n\n" +
			"The configuration is stored as it is, with the secrets in it. --secrets adds the files that hold others:\n" +
			"that of the manager user, that of the mail login, and the passwords that Tollwarden has set. Whoever has\n" +
			"the backup then has them. Asterisk's own files are not part of it.",
		Example: "  tollwarden backup /root/tollwarden-2026-11-30.backup",
	}
	file := configFlag(cmd)
	secrets := cmd.Flags().Bool("secrets", false, "also the files with passwords: keep the backup where nobody else can read it")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		host, _ := os.Hostname() // "" if it is not known
		t, err := backup.Take(cmd.Context(), args[0], backup.Options{
			Config: *file, Secrets: *secrets, Version: version(), Host: host, Addresses: daemon.OwnAddresses(), Now: time.Now(),
		})
		if err != nil {
			return fmt.Errorf("backup: %w", err)
		}
		out := cmd.OutOrStdout()
		fmt.Fprintf(out, "wrote %s: %s\n", args[0], contents(&t.Manifest, t.Content.Bans, t.Content.Orders, t.Content.Incidents))
		switch {
		case *secrets:
			fmt.Fprintln(out, "WARNING: it holds passwords in plain text: keep it where nobody else can read it, and delete it when it has served")
		case len(t.Inline) > 0:
			fmt.Fprintf(out, "WARNING: it holds what the configuration has in plain text (%s): keep it where nobody else can read it\n", output.Join(t.Inline))
		}
		return nil
	}
	return cmd
}

// contents says in words what a backup holds.
func contents(m *backup.Manifest, bans, orders, incidents int) string {
	return fmt.Sprintf("%s, %s in force, %s in force, %s", incident.Count(len(m.Files), "file"), incident.Count(bans, "ban"), incident.Count(orders, "order"), incident.Count(incidents, "incident"))
}

func newRestore() *cobra.Command {
	cmd := &cobra.Command{
		Use: "restore FILE", Short: "Bring a backup to this host", Args: args(cobra.ExactArgs(1)),
		Long: "Bring a backup to this host, all of it or nothing, and say what differs here: addresses, files that the\n" +
			"configuration names, the manager user. The backup is checked first.\n\n" +
			"It refuses while a daemon runs, and if there is an installation already; --force replaces that one and\n" +
			"keeps its files with a name that ends with .before-restore and the time. Bans that have run out meanwhile\n" +
			"are not put back. Then run `tollwarden check`, and start the daemon.",
		Example: "  tollwarden restore --dry-run /root/tollwarden-2026-11-30.backup\n  tollwarden restore /root/tollwarden-2026-11-30.backup",
	}
	file := configFlag(cmd)
	force := cmd.Flags().Bool("force", false, "replace the installation that there is")
	dry := cmd.Flags().Bool("dry-run", false, "check the backup, say what differs, and write nothing")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		config, err := filepath.Abs(*file) // the daemon runs in another folder
		if err != nil {
			return err
		}
		now := time.Now()
		b, err := backup.Open(cmd.Context(), args[0], now)
		if err != nil {
			return err
		}
		defer b.Close()
		host, _ := os.Hostname()
		differences, err := b.Differences(config, backup.Here{Host: host, Addresses: daemon.OwnAddresses()})
		if err != nil {
			return err
		}
		out := cmd.OutOrStdout()
		fmt.Fprintf(out, "backup of %s, made %s by tollwarden %s: %s\n", output.Plain(b.Manifest.Host), output.Time(b.Manifest.Made), output.Plain(b.Manifest.Version),
			contents(&b.Manifest, b.Content.Bans, b.Content.Orders, b.Content.Incidents))
		if b.Content.Expired > 0 {
			fmt.Fprintf(out, "%s ran out and will not be put back\n", incident.Count(b.Content.Expired, "ban"))
		}
		if *dry {
			printDifferences(out, differences)
			fmt.Fprintln(out, "the backup is complete; nothing was written (--dry-run)")
			return nil
		}
		r, err := b.Restore(cmd.Context(), backup.Target{Config: config, Force: *force, Now: now, Owner: giveToDaemon})
		if err != nil {
			return err
		}
		for _, path := range r.Files {
			fmt.Fprintf(out, "wrote %s\n", output.Plain(path))
		}
		for _, path := range r.Kept {
			fmt.Fprintf(out, "kept what was there as %s\n", output.Plain(path))
		}
		printDifferences(out, differences)
		if _, err := settings.Load(config); err != nil {
			fmt.Fprintf(out, "the daemon will not start yet: %s\n", output.PlainLines(err.Error()))
		}
		fmt.Fprintln(out, "next: tollwarden check, then systemctl start tollwarden")
		return nil
	}
	return cmd
}

func printDifferences(w io.Writer, list []string) {
	for _, d := range list {
		fmt.Fprintf(w, "different here: %s\n", output.Plain(d))
	}
}

// giveToDaemon makes the daemon's user the owner of a file, if root asks and the
// package has created one.
func giveToDaemon(path string) error {
	u, err := user.Lookup("tollwarden")
	if err != nil || geteuid() != 0 {
		return nil // the daemon runs as whoever runs this
	}
	uid, err := strconv.Atoi(u.Uid)
	gid, gerr := strconv.Atoi(u.Gid)
	if err := errors.Join(err, gerr); err != nil {
		return err
	}
	return os.Lchown(path, uid, gid)
}
