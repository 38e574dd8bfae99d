package main

import (
	"cmp"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/tollwarden/tollwarden/cmd/tollwarden/output"
	"github.com/tollwarden/tollwarden/responder/control"
	"github.com/tollwarden/tollwarden/responder/orders"
)

func newOrders() *cobra.Command {
	cmd := &cobra.Command{
		Use: "orders", Short: "List the locks, restrictions and changed passwords that must stay in force", Args: args(cobra.NoArgs),
		Long: "List the locks, restrictions and changed passwords that must stay in force, whatever other programs write\n" +
			"into Asterisk's files. They are compared with what Asterisk has at each start, after each reload and every\n" +
			"minute, and put back at most three times an hour. A password that somebody else changes meanwhile stays,\n" +
			"and ends the order. The command unlock ends a lock or a restriction, and a changed password that is not in\n" +
			"force. What ended is listed for a week.",
		Example: "  tollwarden orders",
	}
	socket, asJSON := socketFlag(cmd), jsonFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		list, err := control.Dial(*socket).Orders(cmd.Context())
		if err != nil {
			return err
		}
		if *asJSON {
			return output.JSON(cmd.OutOrStdout(), list)
		}
		printOrders(cmd.OutOrStdout(), list)
		return nil
	}
	return cmd
}

// orderNames and orderStates say in words what an order is, and what became of it.
var (
	orderNames  = map[string]string{"lock": "lock", "restrict": "limit to known networks", "rotate": "new password"}
	orderStates = map[string]string{string(orders.Gone): "extension gone"}
)

func printOrders(w io.Writer, list []control.Order) {
	if len(list) == 0 {
		fmt.Fprintln(w, "no extension is locked or restricted, and no password was changed")
		return
	}
	t := output.NewTable(w, "EXTENSION", "ORDER", "STATE", "SINCE", "INCIDENT", "DETAIL")
	for _, o := range list {
		number := "-"
		if o.Incident != 0 {
			number = fmt.Sprint(o.Incident)
		}
		detail := o.Reason
		if detail == "" && o.Networks != "" {
			detail = "to " + o.Networks
		}
		t.Row(o.Account, cmp.Or(orderNames[o.Order], o.Order), cmp.Or(orderStates[o.State], o.State), output.Time(o.Since), number, detail)
	}
	t.Flush()
}
