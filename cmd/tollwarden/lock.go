package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/tollwarden/tollwarden/responder/control"
)

func newLock() *cobra.Command {
	return orderAccount(&cobra.Command{
		Use: "lock ACCOUNT", Short: "Take an account's calls away until it is unlocked", Args: args(cobra.ExactArgs(1)),
		Long: "Take an account's calls away: its dialplan context becomes tollwarden-locked, in Asterisk's own\n" +
			"configuration, which outlives reloads and restarts. It stays registered and can be called. A context\n" +
			"of that name in the dialplan says what a locked account may still dial, such as emergency numbers;\n" +
			"without one it can dial nothing. Where FreePBX generates the files, the change stands in the\n" +
			"…_custom_post.conf beside them. It says what the context was and where it stands now: to undo it by\n" +
			"hand, write that back, or take the added lines out, and reload. What Asterisk cannot be told (peers\n" +
			"of chan_sip's realtime or users.conf) is refused; then the daemon ends the account's calls as they\n" +
			"come, emergency calls too, until it is unlocked.",
	}, func(ctx context.Context, c *control.Client, account string) (control.AccountDone, error) {
		return c.Lock(ctx, control.AccountOrder{Account: account})
	})
}

func newUnlock() *cobra.Command {
	return orderAccount(&cobra.Command{
		Use: "unlock ACCOUNT", Short: "Give a locked or restricted account back what was taken from it", Args: args(cobra.ExactArgs(1)),
	}, func(ctx context.Context, c *control.Client, account string) (control.AccountDone, error) {
		return c.Unlock(ctx, control.AccountOrder{Account: account})
	})
}

// Lock takes an account's calls away at an operator's word.
func (k desk) Lock(ctx context.Context, uid uint32, o control.AccountOrder) (control.AccountDone, error) {
	detail, err := k.d.engine.Accounts.Lock(ctx, o.Account, uid)
	if err != nil {
		return control.AccountDone{}, refusal(err)
	}
	return control.AccountDone{Account: o.Account, Message: "locked " + o.Account + ": " + detail}, nil
}

// Unlock gives them back, or ends a restriction.
func (k desk) Unlock(ctx context.Context, uid uint32, o control.AccountOrder) (control.AccountDone, error) {
	detail, err := k.d.engine.Accounts.Unlock(ctx, o.Account, uid)
	if err != nil {
		return control.AccountDone{}, refusal(err)
	}
	return control.AccountDone{Account: o.Account, Message: "unlocked " + o.Account + ": " + detail}, nil
}
