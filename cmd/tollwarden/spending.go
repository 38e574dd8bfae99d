package main

import (
	"fmt"
	"io"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/tollwarden/tollwarden/cmd/tollwarden/output"
	"github.com/tollwarden/tollwarden/responder/control"
	"github.com/tollwarden/tollwarden/responder/incident"
	"github.com/tollwarden/tollwarden/responder/people"
)

func newSpending() *cobra.Command {
	cmd := &cobra.Command{
		Use: "spending", Short: "List what calls abroad and to costly numbers have used of their budgets within 24 hours", Args: args(cobra.NoArgs),
		Long: "List what calls abroad and to premium, satellite and personal numbers have used within 24 hours, of\n" +
			"the site, each trunk and each extension, with the limits of [calls.budget] and what is left of them.\n" +
			"Calls that are up count, too. Places that are called regularly are usual, and have limits of their own.",
		Example: "  tollwarden spending",
	}
	socket, asJSON := socketFlag(cmd), jsonFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		s, err := control.Dial(*socket).Spending(cmd.Context())
		if err != nil {
			return err
		}
		if *asJSON {
			return output.JSON(cmd.OutOrStdout(), s)
		}
		printSpending(cmd.OutOrStdout(), s)
		return nil
	}
	return cmd
}

func printSpending(w io.Writer, s control.Spending) {
	t := output.NewTable(w, "WHO", "PLACES", "CALLS", "MINUTES", "OFF HOURS", "MONEY")
	estimate := false
	for _, x := range s.List {
		who := x.Kind
		switch x.Kind {
		case "trunk":
			who = "trunk " + output.Plain(x.Name)
		case "account":
			who = output.Plain(people.Title(x.Name, x.Person))
		}
		for _, part := range []struct {
			places string
			spent  *control.Spent
		}{{"not usual", x.Other}, {"usual", x.Usual}} {
			if part.spent == nil {
				continue
			}
			t.Row(who, part.places, strconv.Itoa(part.spent.Calls), measureWords(part.spent.Minutes, ""), measureWords(part.spent.OffHours, ""), measureWords(part.spent.Money, " "+s.Currency))
			estimate = estimate || part.spent.Estimate
			who = ""
		}
	}
	t.Flush()
	if estimate {
		fmt.Fprintln(w, "\nsome of the money is an estimate at default rates: import your carrier's list (tollwarden rates import FILE)")
	}
	if s.Learning != nil {
		fmt.Fprintf(w, "what is usual is learned until %s; until then, the hard limit applies outside working hours, to numbers known for fraud and to three calls at once\n", output.Time(*s.Learning))
	}
	for _, b := range s.Blocked {
		if b.Account == "" {
			fmt.Fprintf(w, "the site's budget is used up: calls to places that are not usual are ended until %s; `tollwarden resume` allows them at once\n", output.Time(b.Until))
			continue
		}
		fmt.Fprintf(w, "%s has used up its budget: its calls abroad and to costly numbers are ended until %s; %s allows them at once\n", output.Plain(people.Title(b.Account, b.Name)), output.Time(b.Until), incident.AccountCommand("unlock", b.Account))
	}
}

// measureWords says what was used of a hard limit, and what is left.
func measureWords(m control.Measured, unit string) string {
	if m.Left == nil {
		return fmt.Sprintf("%d%s", m.Used, unit)
	}
	return fmt.Sprintf("%d of %d%s, %d left", m.Used, m.Hard, unit, *m.Left)
}
