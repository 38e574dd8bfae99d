package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/tollwarden/tollwarden/responder/control"
)

func newLock() *cobra.Command {
	return orderAccount(&cobra.Command{
		Use: "lock ACCOUNT", Short: "Prevent an account from calling until it is unlocked", Args: args(cobra.ExactArgs(1)),
		Long: "Prevent an account from calling: its dialplan context becomes tollwarden-locked, in Asterisk's own\n" +
			"configuration, which survives reloads and restarts. It stays registered and can be called. It can dial\n" +
			"emergency numbers, which the daemon adds to that context, and what else a context of that name in the\n" +
			"dialplan has. If FreePBX generates the files, the change goes to the\n" +
			"…_custom_post.conf beside them. The command prints the old context and where the new one is: to undo\n" +
			"it by hand, restore the old one, or remove the added lines, and reload. If Asterisk cannot lock an\n" +
			"account (a peer of chan_sip's realtime or of users.conf), the daemon ends its calls as they come,\n" +
			"but for emergency calls, until it is unlocked.",
	}, func(ctx context.Context, c *control.Client, account string) (control.AccountDone, error) {
		return c.Lock(ctx, control.AccountOrder{Account: account})
	})
}

func newUnlock() *cobra.Command {
	return orderAccount(&cobra.Command{
		Use: "unlock ACCOUNT", Short: "End the lock or the restriction of an account, or say that its stolen password was changed", Args: args(cobra.ExactArgs(1)),
		Long: "End the lock or the restriction of an account, or the limit of its costs. If its password is known to others, it counts as\n" +
			"changed from then on: use this after you changed it by hand. pbx/itself and trunk/NAME let the calls through\n" +
			"again that no account sets up.",
	}, func(ctx context.Context, c *control.Client, account string) (control.AccountDone, error) {
		return c.Unlock(ctx, control.AccountOrder{Account: account})
	})
}
