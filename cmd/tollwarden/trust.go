package main

import (
	"context"
	"fmt"
	"net/netip"

	"github.com/spf13/cobra"

	"github.com/tollwarden/tollwarden/responder/control"
)

func newTrust() *cobra.Command {
	var address string
	cmd := orderAccount(&cobra.Command{
		Use: "trust EXTENSION ADDRESS", Short: "Say that a new address of an extension is its owner's", Args: args(cobra.ExactArgs(2)),
		Long: "Say that an address on probation is the extension owner's: after others had guessed at the password,\n" +
			"the extension was used from there. The address is known from then on, and costly calls from there are\n" +
			"no longer ended. If it is not the owner's, use `tollwarden compromise EXTENSION`.",
		Example: "  tollwarden trust 1006 198.51.100.7",
	}, func(ctx context.Context, c *control.Client, account string) (control.AccountDone, error) {
		at, err := netip.ParseAddr(address)
		if err != nil {
			return control.AccountDone{}, usage(fmt.Errorf("%q is not an IP address", address))
		}
		return c.Trust(ctx, control.TrustOrder{Account: account, Address: at})
	})
	cmd.PreRun = func(_ *cobra.Command, args []string) { address = args[1] }
	return cmd
}

func newCompromise() *cobra.Command {
	return orderAccount(&cobra.Command{
		Use: "compromise EXTENSION", Short: "Say that a thief has an extension's password", Args: args(cobra.ExactArgs(1)),
		Long: "Say that a thief has an extension's password. What the configuration wants done about a break-in is\n" +
			"done at once: by default its calls are hung up, its password is changed, its registrations\n" +
			"are removed, and its new addresses are banned.",
		Example: "  tollwarden compromise 1006", SuggestFor: []string{"stolen", "hacked"},
	}, func(ctx context.Context, c *control.Client, account string) (control.AccountDone, error) {
		return c.Compromise(ctx, control.AccountOrder{Account: account})
	})
}
