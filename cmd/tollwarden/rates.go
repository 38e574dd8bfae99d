package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/tollwarden/tollwarden/cmd/tollwarden/output"
	"github.com/tollwarden/tollwarden/cmd/tollwarden/settings"
	"github.com/tollwarden/tollwarden/responder/control"
	"github.com/tollwarden/tollwarden/responder/incident"
	"github.com/tollwarden/tollwarden/responder/spending"
)

func newRates() *cobra.Command {
	cmd := &cobra.Command{
		Use: "rates [NUMBER...]", Short: "Show your carrier's rates, or what a minute to a number costs",
		Long: "Show how many rates are known and since when, with samples, or those of numbers in international\n" +
			"form, such as +442079460001. Without rates, calls are estimated at default rates.",
		Example: "  tollwarden rates\n  tollwarden rates +442079460001",
	}
	file, asJSON := configFlag(cmd), jsonFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, numbers []string) error {
		cfg, err := settings.Load(*file)
		if err != nil {
			return err
		}
		rates, at, err := settings.Rates(cfg)
		if err != nil {
			return err
		}
		shown := ratesShown{File: settings.RatesPath(cfg), Currency: cfg.Calls.Budget.Currency, Prefixes: rates.Len(), Imported: incident.SomeTime(at), Rates: []rateShown{}}
		if len(numbers) > 0 {
			for _, n := range numbers {
				shown.Rates = append(shown.Rates, findRate(rates, n))
			}
		} else {
			shown.Rates = samples(rates)
		}
		if *asJSON {
			return output.JSON(cmd.OutOrStdout(), shown)
		}
		shown.print(cmd.OutOrStdout(), time.Now())
		return nil
	}
	cmd.AddCommand(newRatesImport())
	return cmd
}

// ratesShown is what `tollwarden rates` shows.
type ratesShown struct {
	File     string      `json:"file"`
	Currency string      `json:"currency"`
	Prefixes int         `json:"prefixes"`
	Imported *time.Time  `json:"imported,omitzero"` // nil: there are none
	Rates    []rateShown `json:"rates"`
}

// rateShown is one rate.
type rateShown struct {
	Number      string  `json:"number"` // or a prefix
	Known       bool    `json:"known"`
	PerMinute   float64 `json:"per_minute"`
	Fee         float64 `json:"fee"`
	Increment   string  `json:"increment"` // seconds billed at least, and then at a time
	Destination string  `json:"destination,omitempty"`
}

func shownRate(number string, r spending.Rate) rateShown {
	return rateShown{number, true, r.PerMinute.Float(), r.Fee.Float(), fmt.Sprintf("%d/%d", r.First, r.Step), r.Name}
}

func findRate(rates *spending.Rates, number string) rateShown {
	r, ok := rates.Find("+" + strings.TrimPrefix(strings.TrimPrefix(number, "+"), "00"))
	if !ok {
		return rateShown{Number: number}
	}
	return shownRate(number, r)
}

// samples are ten rates from all over the table.
func samples(rates *spending.Rates) []rateShown {
	const most = 10
	list, out := rates.List(), []rateShown{}
	for i := range min(len(list), most) {
		p := list[i*len(list)/min(len(list), most)]
		out = append(out, shownRate("+"+p.Prefix, p.Rate))
	}
	return out
}

func (r *ratesShown) print(w io.Writer, now time.Time) {
	if r.Imported == nil {
		fmt.Fprintf(w, "no rates are known: calls are estimated at default rates; import your carrier's list (tollwarden rates import FILE)\n")
	} else {
		fmt.Fprintf(w, "%s in %s, imported %s (%d days ago)\n", incident.Count(r.Prefixes, "rate"), output.Plain(r.File), output.Time(*r.Imported), int(now.Sub(*r.Imported).Hours()/24))
	}
	if len(r.Rates) == 0 {
		return
	}
	t := output.NewTable(w, "NUMBER", "A MINUTE", "A CALL", "SECONDS BILLED", "DESTINATION")
	for _, x := range r.Rates {
		if !x.Known {
			t.Row(output.Plain(x.Number), "default rate", "", "", "")
			continue
		}
		t.Row(output.Plain(x.Number), fmt.Sprintf("%.4f %s", x.PerMinute, r.Currency), fmt.Sprintf("%.4f %s", x.Fee, r.Currency), x.Increment, output.Plain(x.Destination))
	}
	t.Flush()
}

func newRatesImport() *cobra.Command {
	cmd := &cobra.Command{
		Use: "import FILE", Short: "Import your carrier's list of rates", Args: args(cobra.ExactArgs(1)),
		Long: "Import your carrier's list of rates (CSV, - is standard input) in place of the last one. Each row has a\n" +
			"prefix in international form, or several (\"4474, 4477-4479\"), and what a minute or a second costs, and\n" +
			"may have a fee per call, the seconds that are billed at a time (60/60) and a name. Columns are found by\n" +
			"their names, in English, German, French, Spanish or Italian, such as prefix, rate, fee, increment and\n" +
			"destination; look at what --dry-run takes for what. If a rate cannot be read, nothing is imported. A\n" +
			"running daemon uses the rates at once.",
		Example: "  tollwarden rates import --dry-run rates.csv",
	}
	file, socket := configFlag(cmd), socketFlag(cmd)
	dry := cmd.Flags().Bool("dry-run", false, "print what would be imported, and change nothing")
	cmd.RunE = func(cmd *cobra.Command, paths []string) error {
		cfg, err := settings.Load(*file)
		if err != nil {
			return err
		}
		rates, summary, err := readRates(cmd.InOrStdin(), paths[0])
		if err != nil {
			return err
		}
		out := cmd.OutOrStdout()
		printImport(out, rates, summary, cfg.Calls.Budget.Currency)
		if *dry {
			fmt.Fprintln(out, "nothing was changed (--dry-run)")
			return nil
		}
		if err := settings.StoreRates(cfg, rates); err != nil {
			return err
		}
		_, err = control.Dial(*socket).Reload(cmd.Context())
		switch {
		case errors.Is(err, control.ErrNotRunning):
			fmt.Fprintf(out, "stored in %s, for the daemon's next start\n", settings.RatesPath(cfg))
			return nil
		case err != nil:
			return fmt.Errorf("the rates are stored, but the daemon does not use them yet: %w", err)
		}
		fmt.Fprintf(out, "stored in %s, and in use\n", settings.RatesPath(cfg))
		return nil
	}
	return cmd
}

func readRates(in io.Reader, path string) (*spending.Rates, spending.Summary, error) {
	name := "standard input"
	if path != "-" {
		f, err := os.Open(path)
		if err != nil {
			return nil, spending.Summary{}, err
		}
		defer f.Close()
		in, name = f, path
	}
	rates, summary, err := spending.ReadCSV(in)
	var rows spending.CSVError
	if errors.As(err, &rows) {
		for i := range rows {
			rows[i] = name + ", " + rows[i]
		}
		return nil, summary, rows
	}
	if err != nil {
		return nil, summary, fmt.Errorf("%s, %w", name, err)
	}
	return rates, summary, nil
}

func printImport(w io.Writer, rates *spending.Rates, s spending.Summary, currency string) {
	for _, c := range s.Columns {
		fmt.Fprintln(w, output.Plain(c))
	}
	fmt.Fprintf(w, "%s from %s, in %s\n", incident.Count(rates.Len(), "rate"), incident.Count(s.Rows, "row"), currency)
	if s.Again > 0 {
		fmt.Fprintf(w, "prefixes that an earlier row has, too: %d; the dearer rate counts\n", s.Again)
	}
	if s.Skipped > 0 {
		fmt.Fprintf(w, "%s without a prefix and a rate not used, such as %s\n", incident.Count(s.Skipped, "row"), output.Plain(s.Example))
	}
	if !s.Increment {
		fmt.Fprintln(w, "no billing increments: each begun minute counts (60/60)")
	}
	shown := ratesShown{Currency: currency, Rates: samples(rates)}
	t := output.NewTable(w, "PREFIX", "A MINUTE", "DESTINATION")
	for _, x := range shown.Rates {
		t.Row(x.Number, fmt.Sprintf("%.4f %s", x.PerMinute, currency), output.Plain(x.Destination))
	}
	t.Flush()
}
