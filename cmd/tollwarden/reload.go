package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/tollwarden/tollwarden/cmd/tollwarden/output"
	"github.com/tollwarden/tollwarden/responder/control"
)

func newReload() *cobra.Command {
	cmd := &cobra.Command{
		Use: "reload", Short: "Reload the daemon's configuration and allow file", Args: args(cobra.NoArgs),
		Long: "Reload the daemon's configuration and allow file, as SIGHUP does. What is counted, bans and\n" +
			"running steps stay, and no event is lost. If either file has an error, or a change\n" +
			"needs a restart, both are refused and the old ones stay in force. Entries of the allow list\n" +
			"that are not in force all the same are listed, such as a host name that cannot be resolved.",
		Example: "  tollwarden reload",
	}
	socket := socketFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		c, err := control.Dial(*socket).Reload(cmd.Context())
		if err != nil {
			return err
		}
		fmt.Fprintln(cmd.OutOrStdout(), output.PlainLines(c.Message))
		return nil
	}
	return cmd
}
