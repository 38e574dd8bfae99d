package main

import (
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/tollwarden/tollwarden/ami/pbx"
)

// hookWithin bounds a rotation hook behind a socket. The daemon hangs up long before
// (rotate.exec_within), which ends the command.
const hookWithin = 10 * time.Minute

func newHook() *cobra.Command {
	cmd := &cobra.Command{
		Use: "hook COMMAND [ARGUMENT...]", Short: "Run a rotation hook for the daemon, which is at the other end of standard input", Hidden: true,
		Args: args(cobra.MinimumNArgs(1)),
		Long: "Run the command of rotate.exec with the rights of whoever runs this. It is started by\n" +
			"tollwarden-hook@.service for each connection to tollwarden-hook.socket: one line with the\n" +
			"extension and its new password comes in, one line with the outcome goes out.",
	}
	cmd.Flags().SetInterspersed(false) // the rest is the command's
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if !filepath.IsAbs(args[0]) {
			return usage(errors.New("want the absolute path of a command"))
		}
		h := pbx.Hook{Command: args, Timeout: hookWithin}
		if err := h.ServeHook(cmd.Context(), cmd.InOrStdin(), cmd.OutOrStdout()); err != nil {
			return fmt.Errorf("the new password is not in force: %w", err)
		}
		return nil
	}
	return cmd
}
