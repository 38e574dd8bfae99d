package main

import (
	"github.com/spf13/cobra"

	"github.com/tollwarden/tollwarden/cmd/tollwarden/output"
	"github.com/tollwarden/tollwarden/config"
	"github.com/tollwarden/tollwarden/responder/control"
	"github.com/tollwarden/tollwarden/responder/incident"
)

func newAllow() *cobra.Command {
	cmd := &cobra.Command{
		Use: "allow", Short: "Change or list what is never banned", Args: args(cobra.NoArgs),
		Long: "Change or list what is never banned. A change takes effect at once and is written\n" +
			"to the file `allow` in the data folder, beside firewall.allow in the configuration.",
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newAllowAdd(), newAllowRemove(), newAllowList())
	return cmd
}

func newAllowAdd() *cobra.Command {
	cmd := &cobra.Command{
		Use: "add ADDR|CIDR", Short: "Never ban this address or network, and release its bans", Args: args(cobra.ExactArgs(1)),
		Example: "  tollwarden allow add 198.51.100.0/24 --comment \"office in Bristol\"",
	}
	socket, asJSON := socketFlag(cmd), jsonFlag(cmd)
	comment := cmd.Flags().String("comment", "by hand", "why, for the record")
	cmd.ValidArgsFunction = completeBans(socket)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		return orderAllow(cmd, *socket, args[0], control.AllowOrder{Comment: *comment}, *asJSON)
	}
	return cmd
}

func newAllowRemove() *cobra.Command {
	cmd := &cobra.Command{Use: "remove ADDR|CIDR", Short: "Remove an address or network from the allow file", Args: args(cobra.ExactArgs(1))}
	socket, asJSON := socketFlag(cmd), jsonFlag(cmd)
	cmd.ValidArgsFunction = completeAllowed(socket)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		return orderAllow(cmd, *socket, args[0], control.AllowOrder{Remove: true}, *asJSON)
	}
	return cmd
}

func orderAllow(cmd *cobra.Command, socket, word string, o control.AllowOrder, asJSON bool) (err error) {
	if o.Prefix, err = config.ParsePrefix(word); err != nil {
		return usage(err)
	}
	changed, err := control.Dial(socket).Allow(cmd.Context(), o)
	return printChanged(cmd, changed, err, asJSON)
}

func newAllowList() *cobra.Command {
	cmd := &cobra.Command{
		Use: "list", Short: "List what is never banned, and what is protected", Args: args(cobra.NoArgs),
		Long: "List what is never banned, by origin: config, file, asterisk. What Asterisk itself trusts\n" +
			"follows as protected: it is banned only on proven evidence.",
	}
	socket, asJSON := socketFlag(cmd), jsonFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		list, err := control.Dial(*socket).AllowList(cmd.Context())
		if err != nil {
			return err
		}
		if *asJSON {
			return output.JSON(cmd.OutOrStdout(), list)
		}
		t := output.NewTable(cmd.OutOrStdout(), "PREFIX", "ORIGIN", "REASON")
		for _, a := range list {
			t.Row(incident.PrefixText(a.Prefix), a.Origin, a.Reason)
		}
		t.Flush()
		return nil
	}
	return cmd
}
