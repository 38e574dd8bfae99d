package main

import (
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/tollwarden/tollwarden/cmd/tollwarden/output"
	"github.com/tollwarden/tollwarden/config"
	"github.com/tollwarden/tollwarden/responder/control"
)

func newAllow() *cobra.Command {
	cmd := &cobra.Command{
		Use: "allow", Short: "Change or list what is never banned", Args: args(cobra.NoArgs),
		Long: "Change or list what is never banned. A change takes effect at once and is written\n" +
			"to the file `allow` in the data folder, beside firewall.allow in the configuration.",
		Example: "  tollwarden allow list\n  tollwarden allow add 198.51.100.0/24 --comment \"office in Bristol\"",
		RunE:    func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newAllowAdd(), newAllowRemove(), newAllowList())
	return cmd
}

func newAllowAdd() *cobra.Command {
	cmd := &cobra.Command{
		Use: "add ADDRESS|NETWORK|NAME", Short: "Never ban this address or network, and release its bans", Args: args(cobra.ExactArgs(1)),
		Long: "Never ban this address or network, and release its bans.\n\n" +
			"A host name, such as a DynDNS name, is resolved every minute. Its address is treated like one where\n" +
			"each extension is known, but it can still be banned: whoever controls the name chooses the address.",
		Example: "  tollwarden allow add 198.51.100.0/24 --comment \"office in Bristol\"\n" +
			"  tollwarden allow add office.example.org --comment \"home of the managing director\"\n" +
			"  tollwarden allow add 203.0.113.7 --for 14d --comment \"penetration test\"",
	}
	socket, asJSON := socketFlag(cmd), jsonFlag(cmd)
	comment := cmd.Flags().String("comment", "by hand", "why, a `TEXT` for the record")
	within := cmd.Flags().String("for", "", "how long, a `TIME` such as 8h or 30d (default until it is removed)")
	force := cmd.Flags().Bool("force", false, "allow a network that covers more of the internet than a /16 (IPv6: /32)")
	cmd.ValidArgsFunction = completeBans(socket)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		o := control.AllowOrder{Comment: *comment, Force: *force}
		if *within != "" {
			d, err := config.ParseBanTime(*within)
			if err != nil || d <= 0 {
				return usage(fmt.Errorf("--for %q: want a time such as 8h or 30d", *within))
			}
			o.Until = time.Now().Add(d).UTC().Truncate(time.Second)
		}
		return orderAllow(cmd, *socket, args[0], o, *asJSON)
	}
	return cmd
}

func allowedUntil(a control.Allowed) string {
	switch {
	case a.Until == nil:
		return ""
	case a.Ended:
		return "ended " + output.Time(*a.Until)
	}
	return output.Time(*a.Until)
}

// allowedReason is why an entry is on the list, and what it comes to.
func allowedReason(a control.Allowed) string {
	words := a.Reason
	switch {
	case a.Refused != "":
		words += "; NOT IN FORCE: " + a.Refused
	case a.Name != "" && len(a.Addresses) == 0:
		words += "; not resolved"
	case a.Name != "":
		words += "; now at " + output.Join(a.Addresses)
	}
	return words
}

func newAllowRemove() *cobra.Command {
	cmd := &cobra.Command{Use: "remove ADDRESS|NETWORK|NAME", Short: "Remove an address, network or host name from the allow file", Args: args(cobra.ExactArgs(1)), Example: "  tollwarden allow remove 198.51.100.0/24"}
	socket, asJSON := socketFlag(cmd), jsonFlag(cmd)
	cmd.ValidArgsFunction = completeAllowed(socket)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		return orderAllow(cmd, *socket, args[0], control.AllowOrder{Remove: true}, *asJSON)
	}
	return cmd
}

func orderAllow(cmd *cobra.Command, socket, word string, o control.AllowOrder, asJSON bool) (err error) {
	item, err := config.ParseAllow(word)
	if err != nil {
		return usage(err)
	}
	o.Prefix, o.Name, o.By = item.Prefix, item.Name, os.Getenv("SUDO_USER")
	changed, err := control.Dial(socket).Allow(cmd.Context(), o)
	return printChanged(cmd, changed, err, asJSON)
}

func newAllowList() *cobra.Command {
	cmd := &cobra.Command{
		Use: "list", Short: "List what is never banned, and what is protected", Args: args(cobra.NoArgs),
		Long: "List what is never banned, by origin: config, file, asterisk. What Asterisk itself trusts\n" +
			"follows as protected: it is banned only if its address is confirmed.",
		Example: "  tollwarden allow list",
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
		t := output.NewTable(cmd.OutOrStdout(), "ALLOWED", "ORIGIN", "UNTIL", "BY", "REASON")
		for _, a := range list {
			t.Row(a.What(), a.Origin, allowedUntil(a), a.By, allowedReason(a))
		}
		t.Flush()
		return nil
	}
	return cmd
}
