package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"path/filepath"
	"slices"
	"time"

	"github.com/rs/zerolog"
	"github.com/spf13/cobra"

	"github.com/tollwarden/tollwarden/config"
	"github.com/tollwarden/tollwarden/responder/control"
	"github.com/tollwarden/tollwarden/responder/incident"
	"github.com/tollwarden/tollwarden/responder/ledger"
)

func newImport() *cobra.Command {
	cmd := &cobra.Command{
		Use: "import", Short: "Take over what another program knows", Args: args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newImportFail2ban())
	return cmd
}

const (
	fail2banDB    = "/var/lib/fail2ban/fail2ban.sqlite3"
	fail2banJails = "/etc/fail2ban/jail.local"
)

func newImportFail2ban() *cobra.Command {
	cmd := &cobra.Command{
		Use: "fail2ban", Short: "Take over fail2ban's running bans and its ignoreip", Args: args(cobra.NoArgs),
		Long: "Take over fail2ban's bans with the times they have left, and the addresses of its ignoreip.\n" +
			"A running daemon has them in force at once; otherwise they are written to the data folder of\n" +
			"the configuration, for the next start. fail2ban may run meanwhile; nothing of it is changed.",
		Example: "  tollwarden import fail2ban\n  tollwarden import fail2ban --jail asterisk --ignoreip /etc/fail2ban/jail.local --dry-run",
	}
	socket, asJSON, file := socketFlag(cmd), jsonFlag(cmd), configFlag(cmd)
	db := cmd.Flags().String("db", fail2banDB, "fail2ban's database, a `FILE`")
	jails := cmd.Flags().StringSlice("jail", nil, "only the bans of this `JAIL`; may be given several times")
	ignore := cmd.Flags().StringSlice("ignoreip", nil, "a `FILE` whose ignoreip is taken over (default "+fail2banJails+" where there is one)")
	bantime := cmd.Flags().String("bantime", "10m", "how long bans last that the database tells no time of (fail2ban before 0.11)")
	dry := cmd.Flags().Bool("dry-run", false, "tell what would be taken over, and change nothing")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		otherwise, err := config.ParseBanTime(*bantime)
		if err != nil {
			return usage(fmt.Errorf("--bantime %q: %w", *bantime, err))
		}
		if otherwise == 0 {
			otherwise = -time.Second // for ever, as fail2ban writes it
		}
		now := time.Now()
		bans, err := ledger.Fail2ban(cmd.Context(), *db, now, otherwise)
		if err != nil {
			return err
		}
		im := &importing{now: now, done: imported{Bans: []importedBan{}, Allowed: []netip.Prefix{}, Skipped: []skippedImport{}}}
		if err := im.readIgnored(*ignore, cmd.Flags().Changed("ignoreip"), *jails); err != nil {
			return err
		}
		im.readBans(bans, *jails)
		if !*dry {
			if err := im.carryOut(cmd.Context(), *socket, *file); err != nil {
				return err
			}
		}
		if *asJSON {
			return printJSON(cmd.OutOrStdout(), im.done)
		}
		im.done.print(cmd.OutOrStdout(), *dry)
		return nil
	}
	return cmd
}

// imported is what was taken over.
type imported struct {
	Bans    []importedBan   `json:"bans"`
	Allowed []netip.Prefix  `json:"allowed"`
	Skipped []skippedImport `json:"skipped"`
	// Offline says that no daemon ran: it takes effect with the next start.
	Offline bool `json:"offline"`
}

type importedBan struct {
	Prefix netip.Prefix `json:"prefix"`
	Jail   string       `json:"jail"`
	Since  time.Time    `json:"since"`
	Until  *time.Time   `json:"until"` // null: until it is released
}

type skippedImport struct {
	What string `json:"what"`
	Why  string `json:"why"`
}

// importing collects what there is, then brings it in.
type importing struct {
	now  time.Time
	done imported
}

func (im *importing) skip(what, why string) {
	im.done.Skipped = append(im.done.Skipped, skippedImport{what, why})
}

// readBans takes the jails' bans; of an address with several the longest.
func (im *importing) readBans(bans []ledger.ForeignBan, jails []string) {
	at := map[netip.Prefix]int{}
	for _, b := range bans {
		if len(jails) > 0 && !slices.Contains(jails, b.Jail) {
			continue
		}
		prefix, err := config.ParsePrefix(b.IP)
		if err != nil {
			im.skip(b.IP, "banned by "+b.Jail+", no address")
			continue
		}
		ban := importedBan{Prefix: prefix, Jail: b.Jail, Since: b.Since}
		if !b.Until.IsZero() {
			ban.Until = &b.Until
		}
		i, known := at[prefix]
		switch {
		case !known:
			at[prefix] = len(im.done.Bans)
			im.done.Bans = append(im.done.Bans, ban)
		case im.done.Bans[i].Until != nil && (ban.Until == nil || ban.Until.After(*im.done.Bans[i].Until)):
			im.done.Bans[i] = ban
		}
	}
}

// carryOut hands everything to the daemon, or to its data folder when none
// runs.
func (im *importing) carryOut(ctx context.Context, socket, file string) error {
	client := control.Dial(socket)
	allowed, err := client.AllowList(ctx)
	if errors.Is(err, control.ErrNotRunning) {
		return im.store(ctx, file)
	}
	if err != nil {
		return err
	}
	var have []netip.Prefix
	for _, a := range allowed {
		if a.Origin != control.Learned {
			have = append(have, a.Prefix)
		}
	}
	im.allow(have, func(p netip.Prefix) error {
		_, err := client.Allow(ctx, control.AllowOrder{Prefix: p, Comment: "fail2ban ignoreip"})
		return err
	})
	operator, sessions := operatorAddress(), sshSessions("/proc")
	bans := im.done.Bans
	im.done.Bans = im.done.Bans[:0]
	for _, b := range bans {
		_, err := client.Ban(ctx, control.BanOrder{Prefix: b.Prefix, For: im.left(b), Reason: "taken over from fail2ban, jail " + b.Jail, Operator: operator, Sessions: sessions})
		if errors.Is(err, control.ErrNotRunning) || ctx.Err() != nil {
			return err
		}
		if err != nil {
			im.skip(incident.PrefixText(b.Prefix), err.Error())
			continue
		}
		im.done.Bans = append(im.done.Bans, b)
	}
	return nil
}

// left is the time that a ban has left, as an order writes it.
func (im *importing) left(b importedBan) string {
	if b.Until == nil {
		return "forever"
	}
	return config.FormatDuration(max(time.Second, b.Until.Sub(im.now).Round(time.Second)))
}

// allow brings in what is not covered yet.
func (im *importing) allow(have []netip.Prefix, add func(netip.Prefix) error) {
	wanted := im.done.Allowed
	im.done.Allowed = im.done.Allowed[:0]
	for _, p := range wanted {
		if slices.ContainsFunc(have, func(h netip.Prefix) bool { return h.Bits() <= p.Bits() && h.Contains(p.Addr()) }) {
			continue
		}
		if err := add(p); err != nil {
			im.skip(incident.PrefixText(p), err.Error())
			continue
		}
		have = append(have, p)
		im.done.Allowed = append(im.done.Allowed, p)
	}
}

// store writes everything into the data folder of a daemon that does not run.
func (im *importing) store(ctx context.Context, file string) error {
	cfg, err := loadConfig(file)
	if err != nil {
		return fmt.Errorf("no daemon runs, and its data folder is not known: %w", err)
	}
	im.done.Offline = true
	allowance, err := openAllowance(cfg, zerolog.Nop())
	if err != nil {
		return err
	}
	if err := allowance.missing(); err != nil {
		return err
	}
	list := allowance.file
	im.allow(allowance.prefixes(), func(p netip.Prefix) error {
		list = list.With(p, "fail2ban ignoreip")
		return nil
	})
	if len(im.done.Allowed) > 0 {
		if err := list.Write(); err != nil {
			return err
		}
	}
	l, err := ledger.Open(filepath.Join(cfg.Data, "ledger.db"), ledger.Options{})
	if err != nil {
		return err
	}
	never := append(allowance.prefixes(), im.done.Allowed...)
	bans := im.done.Bans
	im.done.Bans = im.done.Bans[:0]
	for _, b := range bans {
		if slices.ContainsFunc(never, b.Prefix.Overlaps) {
			im.skip(incident.PrefixText(b.Prefix), "on the allow list, or holds an address that is")
			continue
		}
		ban := incident.Ban{Prefix: b.Prefix, Since: b.Since, Reason: "taken over from fail2ban, jail " + b.Jail, Origin: incident.OriginOperator}
		if b.Until != nil {
			ban.Until = *b.Until
		}
		l.PutBan(ban)
		im.done.Bans = append(im.done.Bans, b)
	}
	if err := l.Flush(ctx); err != nil {
		return errors.Join(err, l.Close())
	}
	return l.Close()
}

// print tells a person.
func (d *imported) print(w io.Writer, dry bool) {
	t := newTable(w, "SOURCE", "JAIL", "SINCE", "UNTIL")
	for _, b := range d.Bans {
		var end time.Time
		if b.Until != nil {
			end = *b.Until
		}
		t.row(incident.PrefixText(b.Prefix), b.Jail, clock(b.Since), until(end))
	}
	t.flush()
	if len(d.Allowed) > 0 {
		fmt.Fprintf(w, "allowed: %s\n", joinWords(d.Allowed))
	}
	for _, s := range d.Skipped {
		fmt.Fprintf(w, "skipped: %s: %s\n", plain(s.What), plain(s.Why))
	}
	words := "taken over"
	switch {
	case dry:
		words = "would be taken over"
	case d.Offline:
		words = "written for the next start of the daemon"
	}
	fmt.Fprintf(w, "%s and %s %s, %d skipped.\n", incident.Count(len(d.Bans), "ban"), incident.Count(len(d.Allowed), "allowed range"), words, len(d.Skipped))
}
