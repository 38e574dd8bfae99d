package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/tollwarden/tollwarden/cmd/tollwarden/output"
	"github.com/tollwarden/tollwarden/responder/control"
)

func newRotate() *cobra.Command {
	cmd := &cobra.Command{
		Use: "rotate ACCOUNT", Short: "Change an account's password", Args: args(cobra.ExactArgs(1)),
		Long: "Change an account's password, as [rotate] in the configuration says, and print where the\n" +
			"new one is stored; the phones need it. A registration made with the old one lasts until\n" +
			"it expires, unless --expire removes it.",
	}
	expire := cmd.Flags().Bool("expire", false, "also remove the account's registrations")
	return orderAccount(cmd, func(ctx context.Context, c *control.Client, account string) (control.AccountDone, error) {
		return c.Rotate(ctx, control.AccountOrder{Account: account, Expire: *expire})
	})
}

func newHangup() *cobra.Command {
	cmd := &cobra.Command{Use: "hangup ACCOUNT", Short: "End every call of an account", Args: args(cobra.ExactArgs(1))}
	return orderAccount(cmd, func(ctx context.Context, c *control.Client, account string) (control.AccountDone, error) {
		return c.Hangup(ctx, control.AccountOrder{Account: account})
	})
}

func orderAccount(cmd *cobra.Command, order func(context.Context, *control.Client, string) (control.AccountDone, error)) *cobra.Command {
	socket, asJSON := socketFlag(cmd), jsonFlag(cmd)
	cmd.ValidArgsFunction = completeAccounts(socket)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		done, err := order(cmd.Context(), control.Dial(*socket), args[0])
		if err != nil {
			return err
		}
		if *asJSON {
			return output.JSON(cmd.OutOrStdout(), done)
		}
		_, err = fmt.Fprintln(cmd.OutOrStdout(), output.PlainLines(done.Message))
		return err
	}
	return cmd
}
