package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/tollwarden/tollwarden/responder/control"
)

func newLock() *cobra.Command {
	return orderAccount(&cobra.Command{
		Use: "lock EXTENSION", Short: "Block an extension's calls until it is unlocked", Args: args(cobra.ExactArgs(1)),
		Long: "Block an extension's calls, but for emergency calls: its dialplan context becomes tollwarden-locked, in Asterisk's own\n" +
			"configuration, which survives reloads and restarts. It stays registered and can be called. It can dial\n" +
			"emergency numbers, which the daemon adds to that context, and whatever else your dialplan has in a\n" +
			"context of that name. If FreePBX generates the files, the change goes to a file of its own beside them.\n" +
			"The command prints the old context and where the new one is: to undo it by hand, restore the old one,\n" +
			"or remove the added lines, and reload. If Asterisk cannot lock an extension\n" +
			"(a peer of chan_sip's realtime or of users.conf), the daemon ends its calls as they come, but for\n" +
			"emergency calls, until it is unlocked.",
		Example: "  tollwarden lock 1002",
	}, func(ctx context.Context, c *control.Client, account string) (control.AccountDone, error) {
		return c.Lock(ctx, control.AccountOrder{Account: account})
	})
}

func newUnlock() *cobra.Command {
	return orderAccount(&cobra.Command{
		Use: "unlock EXTENSION", Short: "End the lock or the restriction of an extension, or say that its stolen password was changed", Args: args(cobra.ExactArgs(1)),
		Long: "End the lock of an extension, its restriction to known networks, or the limit of its costs. If others know its password, it\n" +
			"counts as changed from then on: use this after you have changed it by hand. With pbx/itself or trunk/NAME,\n" +
			"allow the calls again that no extension sets up.",
		Example: "  tollwarden unlock 1002\n  tollwarden unlock pbx/itself",
	}, func(ctx context.Context, c *control.Client, account string) (control.AccountDone, error) {
		return c.Unlock(ctx, control.AccountOrder{Account: account})
	})
}
