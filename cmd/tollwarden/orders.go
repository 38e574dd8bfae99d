package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/tollwarden/tollwarden/responder/control"
)

func newRotate() *cobra.Command {
	return orderAccount(&cobra.Command{
		Use: "rotate ACCOUNT", Short: "Give an account another secret", Args: args(cobra.ExactArgs(1)),
		Long: "Give an account another secret, in the way that [rotate] in the configuration says.\n" +
			"It says where the new secret is kept; the phones need it. Registrations made with the\n" +
			"old one last until they run out.",
	}, (*control.Client).Rotate)
}

func newHangup() *cobra.Command {
	return orderAccount(&cobra.Command{
		Use: "hangup ACCOUNT", Short: "End every call of an account", Args: args(cobra.ExactArgs(1)),
	}, (*control.Client).Hangup)
}

func orderAccount(cmd *cobra.Command, order func(*control.Client, context.Context, string) (control.AccountDone, error)) *cobra.Command {
	socket, asJSON := socketFlag(cmd), jsonFlag(cmd)
	cmd.ValidArgsFunction = completeAccounts(socket)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		done, err := order(control.Dial(*socket), cmd.Context(), args[0])
		if err != nil {
			return err
		}
		if *asJSON {
			return printJSON(cmd.OutOrStdout(), done)
		}
		_, err = fmt.Fprintln(cmd.OutOrStdout(), plainLines(done.Message))
		return err
	}
	return cmd
}
