package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/tollwarden/tollwarden/cmd/tollwarden/output"
	"github.com/tollwarden/tollwarden/cmd/tollwarden/settings"
	"github.com/tollwarden/tollwarden/config"
	"github.com/tollwarden/tollwarden/responder"
	"github.com/tollwarden/tollwarden/responder/cdr"
	"github.com/tollwarden/tollwarden/responder/control"
	"github.com/tollwarden/tollwarden/responder/history"
	"github.com/tollwarden/tollwarden/responder/ledger"
)

func newImportCalls() *cobra.Command {
	cmd := &cobra.Command{
		Use: "calls [FILE...]", Short: "Learn from records of past calls what is usual",
		Long: "Learn from records of past calls which countries each extension usually calls, and what is\n" +
			"spent a day. The files may be a Master.csv, exports with the columns' names in the first line,\n" +
			"or a log of channel events (CEL), also compressed (gzip, xz, zstd, bzip2); without any, those of\n" +
			"calls.history are read. What looks like fraud teaches nothing and\n" +
			"is listed. The daemon does this itself at its first start. To import twice does no harm.",
		Example: "  tollwarden import calls --dry-run\n  tollwarden import calls --database\n  tollwarden import calls /var/log/asterisk/cdr-csv/Master.csv",
	}
	socket, asJSON, file := socketFlag(cmd), jsonFlag(cmd), configFlag(cmd)
	fromDatabase := cmd.Flags().Bool("database", false, "read the database of calls.history (FreePBX: asteriskcdrdb)")
	dry := cmd.Flags().Bool("dry-run", false, "print what would be learned, and change nothing")
	dates := datesFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, sources []string) error {
		order, err := orderOf(*dates)
		if err != nil {
			return err
		}
		cfg, err := settings.Load(*file)
		if err != nil {
			return err
		}
		switch {
		case *fromDatabase && len(sources) > 0:
			return usage(errors.New("give files or --database, not both"))
		case *fromDatabase:
			sources = []string{config.HistoryDatabase}
		case len(sources) == 0:
			if sources = settings.HistorySources(cfg); len(sources) == 0 {
				return errors.New("no call records were found: name a file, such as " + settings.HistoryFiles[0] + ", or give --database")
			}
			sources = sources[:1]
		}
		learned, err := settings.LearnHistory(cmd.Context(), time.Now(), cfg, cfg.Calls.Timezone, order, sources...)
		if err == nil && !*dry {
			err = teach(cmd.Context(), &learned, *socket, cfg)
		}
		if err != nil {
			return err
		}
		out := cmd.OutOrStdout()
		if *asJSON {
			return output.JSON(out, learned.Summary)
		}
		fmt.Fprintln(out, learned.Summary.Words()+".")
		for _, s := range learned.Summary.Suspects {
			fmt.Fprintln(out, s.Words())
		}
		if *dry {
			fmt.Fprintln(out, "Nothing was changed.")
		}
		return nil
	}
	return cmd
}

// teachAtOnce is how much fits in one request.
const teachAtOnce = 2000

// teach gives what was learned to the daemon, or to its data folder if none runs.
func teach(ctx context.Context, learned *history.Learned, socket string, cfg *config.Config) error {
	client := control.Dial(socket)
	if _, err := client.Accounts(ctx); errors.Is(err, control.ErrNotRunning) {
		return store(ctx, learned, cfg)
	}
	for uses := learned.Uses; len(uses) > 0; {
		n := min(len(uses), teachAtOnce)
		h := control.History{Days: make([]control.TaughtDay, n)}
		for i, u := range uses[:n] {
			h.Days[i] = control.TaughtDay{
				Hour: u.Hour, Account: u.Account, Place: u.Place, Closed: u.Closed,
				Seconds: u.Time.Seconds(), Calls: u.Calls, Money: int64(u.Money), Estimate: u.Estimate,
			}
		}
		if _, err := client.Teach(ctx, h); err != nil {
			return err
		}
		uses = uses[n:]
	}
	for habits := learned.Habits; len(habits) > 0; {
		n := min(len(habits), teachAtOnce)
		h := control.History{Habits: make([]control.TaughtHabit, n)}
		for i, x := range habits[:n] {
			h.Habits[i] = control.TaughtHabit{Account: x.Account, Kind: string(x.Kind), Value: x.Value, First: x.First, Last: x.Last}
		}
		if _, err := client.Teach(ctx, h); err != nil {
			return err
		}
		habits = habits[n:]
	}
	return nil
}

// store writes what was learned into the ledger of a daemon that does not run.
func store(ctx context.Context, learned *history.Learned, cfg *config.Config) (err error) {
	rules, err := settings.HistoryRules(cfg)
	if err != nil {
		return err
	}
	l, err := ledger.Open(settings.LedgerPath(cfg), ledger.Options{})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, l.Close()) }()
	return responder.TeachLedger(ctx, time.Now(), l, rules.Spending, learned.Habits, learned.Uses)
}

// datesFlag is the order of day and month in the dates of call records.
func datesFlag(cmd *cobra.Command) *string {
	return cmd.Flags().String("dates", "auto", "the `ORDER` of dates such as 3/4/2026 in call records: day-first or month-first (auto: as other dates in the file show)")
}

// orderOf reads datesFlag.
func orderOf(dates string) (cdr.Order, error) {
	switch dates {
	case "auto":
		return cdr.Unclear, nil
	case "day-first":
		return cdr.DayFirst, nil
	case "month-first":
		return cdr.MonthFirst, nil
	}
	return cdr.Unclear, usage(fmt.Errorf("--dates %q: want day-first or month-first", dates))
}
