package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/tollwarden/tollwarden/ami/logfile"
	"github.com/tollwarden/tollwarden/cmd/tollwarden/output"
	"github.com/tollwarden/tollwarden/cmd/tollwarden/replayview"
	"github.com/tollwarden/tollwarden/cmd/tollwarden/settings"
	"github.com/tollwarden/tollwarden/config"
	"github.com/tollwarden/tollwarden/responder/history"
	"github.com/tollwarden/tollwarden/responder/replay"
	"github.com/tollwarden/tollwarden/responder/report"
)

func newReplay() *cobra.Command {
	cmd := &cobra.Command{
		Use: "replay [FILE...]", Short: "Show what this configuration would have done with recorded files",
		Long: "Show what this configuration would have done, in virtual time and without changing anything.\n\n" +
			"The files may be Asterisk's logs (security, messages, full, rotated ones; from syslog, the\n" +
			"journal and containers, too; with any dateformat of logger.conf), transcripts of the manager\n" +
			"interface, and call records (Master.csv, exports with the columns' names in the first line,\n" +
			"channel events), in any mixture, also compressed (gzip, xz, zstd, bzip2), or a whole\n" +
			"folder of them; with --database, the call records of FreePBX, too. A month of logs shows, before\n" +
			"the first day in mode enforce, which attackers it would have blocked, and which users. Wrong\n" +
			"answers to challenges of PJSIP count as confirmed addresses, as nearly all do live.",
		Example: "  tollwarden replay /var/log/asterisk/security\n  tollwarden replay /var/log/asterisk\n  tollwarden replay --dates day-first calls.csv",
	}
	file := configFlag(cmd)
	asJSON := jsonFlag(cmd)
	observations := cmd.Flags().Bool("observations", false, "print every observation instead, one JSON object per line")
	asHTML := cmd.Flags().Bool("html", false, "print a self-contained HTML page")
	cmd.MarkFlagsMutuallyExclusive("json", "html", "observations")
	fromDatabase := cmd.Flags().Bool("database", false, "also the call records of the last 60 days in the database of calls.history")
	dates := datesFlag(cmd)
	progress := cmd.Flags().Bool("progress", false, "print the progress even if standard error is no terminal")
	dateFormat := cmd.Flags().String("dateformat", "", "the `FORMAT` of the dates in Asterisk's logs, as in logger.conf, such as '%d/%m/%Y %T'; read from them if it is missing")
	tags := cmd.Flags().StringSlice("tag", nil, "a further `NAME` of Asterisk in syslog, the journal or a container's log")
	zone := cmd.Flags().String("zone", "Local", "the time `ZONE` of dates that have none, such as Europe/London")
	cmd.RunE = func(cmd *cobra.Command, paths []string) error {
		location, err := time.LoadLocation(*zone)
		if err != nil {
			return usage(fmt.Errorf("--zone: %w", err))
		}
		order, err := orderOf(*dates)
		if err != nil {
			return err
		}
		if len(paths) == 0 && !*fromDatabase {
			return usage(errors.New("name a file, or give --database"))
		}
		o, cfg, err := replayOptions(cmd, *file)
		if err != nil {
			return err
		}
		o.Zone, o.Dates = location, order
		if o.Tags = append(cfg.Asterisk.LogTags, *tags...); *dateFormat != "" {
			if o.DateFormat, err = logfile.ParseDateFormat(*dateFormat); err != nil {
				return usage(fmt.Errorf("--dateformat: %w", err))
			}
		}
		if *fromDatabase {
			o.CallsName = "database " + cfg.Calls.History.Database
			o.Calls = func(ctx context.Context) (replay.CallReader, error) {
				return settings.OpenCalls(ctx, cfg, time.Now().Add(-history.MaxAge), location)
			}
		}
		out := cmd.OutOrStdout()
		bar := newBar(cmd.ErrOrStderr(), *progress)
		if bar != nil {
			o.Progress = bar.show
		}
		if *observations {
			enc := json.NewEncoder(report.JSON(out))
			o.Saw = func(seen *replay.Observation) { _ = enc.Encode((*replayview.Observation)(seen)) }
		}
		result, err := replay.Run(cmd.Context(), paths, o)
		if bar != nil {
			bar.clear()
		}
		switch {
		case err != nil:
			return err
		case *observations:
			return nil
		case *asJSON:
			return output.JSON(out, replayview.JSON(result))
		case *asHTML:
			return replayview.Of(result).HTML(out)
		}
		replayview.Of(result).Print(out)
		return nil
	}
	return cmd
}

// replayOptions are those of the configuration and its allow file, or of the
// built-in configuration if none was named and none is installed.
func replayOptions(cmd *cobra.Command, path string) (o replay.Options, cfg *config.Config, err error) {
	cfg = config.Default()
	_, err = os.Stat(path)
	if named := cmd.Flags().Changed("config"); named || !errors.Is(err, fs.ErrNotExist) {
		if cfg, err = settings.Load(path); err != nil {
			return o, cfg, err
		}
	}
	host, _, _ := net.SplitHostPort(cfg.Asterisk.Address)
	if own, err := netip.ParseAddr(host); err == nil && own.IsLoopback() {
		o.Own = own // beside Asterisk; elsewhere our own address is not known
	}
	if o.Policy, err = settings.Policy(cfg); err != nil {
		return o, cfg, err
	}
	if o.Policy.Budget.Rates, _, err = settings.Rates(cfg); err != nil {
		return o, cfg, err
	}
	allowed, err := config.LoadAllowFile(settings.AllowPath(cfg))
	if err != nil {
		return o, cfg, err
	}
	o.Policy.Allow = append(o.Policy.Allow, config.AllowedPrefixes(allowed.Items(), time.Now())...)
	return o, cfg, nil
}
