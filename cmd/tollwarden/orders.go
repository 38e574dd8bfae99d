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
		Use: "rotate EXTENSION", Short: "Change an extension's password", Args: args(cobra.ExactArgs(1)),
		Long: "Change an extension's password, as [rotate] in the configuration says, and print where the\n" +
			"new one is stored; the phones need it. A registration made with the old one lasts until\n" +
			"it expires, unless --expire removes it.",
		Example:    "  tollwarden rotate 1002\n  tollwarden rotate 1002 --expire",
		SuggestFor: []string{"password", "passwd", "change"},
	}
	expire := cmd.Flags().Bool("expire", false, "also remove the extension's registrations, so that nobody stays logged in with the old one")
	return orderAccount(cmd, func(ctx context.Context, c *control.Client, account string) (control.AccountDone, error) {
		return c.Rotate(ctx, control.AccountOrder{Account: account, Expire: *expire})
	})
}

func newHangup() *cobra.Command {
	cmd := &cobra.Command{
		Use: "hangup EXTENSION", Short: "End every call of an extension", Args: args(cobra.ExactArgs(1)),
		Long: "End every call of an extension, including those that it has transferred or forwarded. It can call again at\n" +
			"once: change its password (rotate), or lock it.",
		Example: "  tollwarden hangup 1002", SuggestFor: []string{"kill", "end", "drop"},
	}
	return orderAccount(cmd, func(ctx context.Context, c *control.Client, account string) (control.AccountDone, error) {
		return c.Hangup(ctx, control.AccountOrder{Account: account})
	})
}

func orderAccount(cmd *cobra.Command, order func(context.Context, *control.Client, string) (control.AccountDone, error)) *cobra.Command {
	socket, asJSON := socketFlag(cmd), jsonFlag(cmd)
	cmd.ValidArgsFunction = completeAccounts(socket)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		client := control.Dial(*socket)
		done, err := order(cmd.Context(), client, args[0])
		if err != nil {
			return meantExtension(cmd.Context(), client, args[0], err)
		}
		if *asJSON {
			return output.JSON(cmd.OutOrStdout(), done)
		}
		if _, err = fmt.Fprintln(cmd.OutOrStdout(), output.PlainLines(done.Message)); err != nil {
			return err
		}
		if cmd.Name() == "hangup" && len(done.Channels) == 0 { // which is no failure, but may be a typo
			hintExtension(cmd, client, args[0])
		}
		return nil
	}
	return cmd
}
