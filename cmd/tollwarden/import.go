package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/tollwarden/tollwarden/cmd/tollwarden/fail2ban"
	"github.com/tollwarden/tollwarden/cmd/tollwarden/output"
	"github.com/tollwarden/tollwarden/cmd/tollwarden/settings"
	"github.com/tollwarden/tollwarden/cmd/tollwarden/takeover"
	"github.com/tollwarden/tollwarden/config"
	"github.com/tollwarden/tollwarden/responder/control"
)

func newImport() *cobra.Command {
	cmd := &cobra.Command{
		Use: "import", Short: "Import bans and allowed addresses from another program, and past calls", Args: args(cobra.NoArgs),
		Example: "  tollwarden import fail2ban --dry-run\n  tollwarden import calls --dry-run",
		RunE:    func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newImportFail2ban(), newImportSipban(), newImportAPIBAN(), newImportIPSet(), newImportNFT(), newImportCalls())
	return cmd
}

func newImportFail2ban() *cobra.Command {
	cmd := &cobra.Command{
		Use: "fail2ban", Short: "Import fail2ban's current bans and its ignoreip", Args: args(cobra.NoArgs),
		Long: "Import fail2ban's bans with the time they have left, and the addresses in its ignoreip, as\n" +
			"fail2ban itself reads it: jail.conf, jail.d and jail.local with all they include and refer to.\n" +
			"Without --jail, these are the bans of all jails that cover Asterisk's ports. Each entry that\n" +
			"is not taken is listed with the reason.\n\n" + importNote,
		Example: "  tollwarden import fail2ban --dry-run\n  tollwarden import fail2ban --jail asterisk --ignoreip /etc/fail2ban/jail.local",
	}
	socket, asJSON, file := socketFlag(cmd), jsonFlag(cmd), configFlag(cmd)
	var from fail2ban.Source
	cmd.Flags().StringVar(&from.DB, "db", fail2ban.DefaultDB, "the `FILE` with fail2ban's database")
	cmd.Flags().StringSliceVar(&from.Jails, "jail", nil, "only the bans of this `JAIL`; may be given several times")
	cmd.Flags().StringVar(&from.Folder, "folder", "", "the `FOLDER` with fail2ban's configuration (default "+fail2ban.DefaultFolder+" if it exists)")
	ignore := cmd.Flags().StringSlice("ignoreip", nil, "a `FILE` whose ignoreip is imported, instead of the folder; may be given several times")
	bantime := cmd.Flags().String("bantime", "10m", "the `TIME` that bans last which have none in the database (fail2ban before 0.11)")
	cmd.Flags().BoolVar(&from.Force, "force", false, "import ignoreip networks that cover more of the internet than a /16 (IPv6: /32), too")
	dry := cmd.Flags().Bool("dry-run", false, "print what would be imported, and change nothing")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		var err error
		if from.BanTime, err = config.ParseBanTime(*bantime); err != nil {
			return usage(fmt.Errorf("--bantime %q: %w", *bantime, err))
		}
		if from.BanTime == 0 {
			from.BanTime = -time.Second // forever, as fail2ban writes it
		}
		if cmd.Flags().Changed("ignoreip") {
			from.IgnoreIP = append([]string{}, *ignore...)
		}
		if from.Own, err = takeover.Own(); err != nil {
			return err
		}
		im, err := fail2ban.Read(cmd.Context(), time.Now(), from)
		if err != nil {
			return err
		}
		return finish(cmd, im, *dry, *asJSON, *socket, *file)
	}
	return cmd
}

// importNote is what all imports of bans have in common.
const importNote = "A running daemon enforces them at once; otherwise they are written to the configuration's\n" +
	"data folder, for the next start. The other program may be running; it is not changed. Nothing\n" +
	"is banned that is on the allow list or belongs to this host, and never everybody."

// finish carries out an import unless it is a dry run, and prints it.
func finish(cmd *cobra.Command, im *takeover.Import, dry, asJSON bool, socket, file string) error {
	if !dry {
		if err := carryOut(cmd.Context(), im, socket, file); err != nil {
			return err
		}
	}
	if asJSON {
		return output.JSON(cmd.OutOrStdout(), im)
	}
	im.Print(cmd.OutOrStdout(), dry)
	return nil
}

// carryOut gives an import to the daemon, or to its data folder if none runs.
func carryOut(ctx context.Context, im *takeover.Import, socket, file string) error {
	client := control.Dial(socket)
	_, err := client.AllowList(ctx)
	if !errors.Is(err, control.ErrNotRunning) {
		return im.Send(ctx, client)
	}
	cfg, err := settings.Load(file)
	if err != nil {
		return fmt.Errorf("no daemon is running, and its data folder is not known: %w", err)
	}
	return im.Store(ctx, cfg)
}
